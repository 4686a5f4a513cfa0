/** Controls with their word beside them. */
import { listen } from "../../kit/lifetime";
import { h } from "./dom";

export function field(word: string, control: HTMLElement): HTMLElement {
  return h("label", { class: "mv-field" }, h("span", {}, word), control);
}

export interface Span {
  min: number;
  max: number;
  step: number;
}

/** A slider and a number that always say the same. */
export function slider(word: string, label: string, hint: string, span: Span, signal: AbortSignal, changed: (value: number) => void) {
  const limits = { min: span.min, max: span.max, step: span.step };
  const range = h("input", { type: "range", "aria-label": label, title: hint, ...limits });
  const entry = h("input", { type: "number", "aria-label": `${label}, as a number`, title: hint, ...limits });
  const show = (value: number) => {
    range.value = entry.value = String(value);
  };
  const read = (input: HTMLInputElement) => {
    const value = Number(input.value);
    if (input.value.trim() === "" || !Number.isFinite(value)) return;
    const kept = Math.min(Number(range.max), Math.max(span.min, value));
    if (input === range || kept !== value) show(kept);
    range.value = String(kept);
    changed(kept);
  };
  listen(range, "input", () => read(range), signal);
  listen(entry, "change", () => read(entry), signal);
  listen(entry, "keydown", (event) => event.key === "Enter" && read(entry), signal);
  const root = h("label", { class: "mv-field" }, h("span", {}, word), range, entry);
  const limit = (max: number) => {
    range.max = entry.max = String(max);
  };
  return { root, show, limit };
}
