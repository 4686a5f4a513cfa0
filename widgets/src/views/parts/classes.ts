/** The largest classes of every model with bars; a mark shows where a class was before something was knocked out. */
import { type Raw, list, number, record, text } from "../../kit/read";
import { h } from "./dom";

interface Class {
  name: string;
  p: number;
  before: number;
  logit: number;
}

export class Classes {
  readonly root = h("div", { class: "mv-classes" });
  private shown = "";

  /** `raw`: for every model its classes, none for a model without a head. */
  draw(raw: unknown, names: string[], edited: boolean): void {
    const key = JSON.stringify([raw, names, edited]);
    if (key === this.shown) return;
    this.shown = key;
    const sides = list(raw).map((side) => list(side).map((each) => read(record(each))));
    this.root.hidden = sides.every((side) => !side.length);
    this.root.replaceChildren(...sides.flatMap((classes, side) => (classes.length ? [table(classes, sides.length > 1 ? names[side] ?? "" : "", edited)] : [])));
  }
}

function read(raw: Raw): Class {
  return { name: text(raw.name), p: number(raw.p) ?? 0, before: number(raw.before) ?? 0, logit: number(raw.logit) ?? 0 };
}

function table(classes: Class[], model: string, edited: boolean): HTMLElement {
  const rows = classes.map(({ name, p, before, logit }) => {
    const bar = h("div", { class: "mv-prob", "aria-hidden": "true" }, h("i", {}));
    bar.style.setProperty("--p", String(p));
    bar.style.setProperty("--before", String(before));
    bar.classList.toggle("is-edited", edited);
    const change = edited ? ` (was ${percent(before)})` : "";
    return h("div", { class: "mv-class", title: `logit ${logit.toFixed(3)}` }, h("span", { class: "mv-label" }, name), bar, h("span", { class: "mv-percent" }, percent(p) + change));
  });
  return h("figure", {}, h("figcaption", {}, model ? `classes · ${model}` : "classes"), ...rows);
}

const percent = (p: number): string => `${(100 * p).toFixed(p < 0.0995 ? 1 : 0)} %`;
