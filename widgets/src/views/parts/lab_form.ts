/** Sliders, toggles and menus for the parameters of a word: made anew only when another word stands there. */
import type { Control } from "../../kit/recipe_lab";
import { listen } from "../../kit/lifetime";
import { h } from "./dom";
import { field, slider } from "./fields";

type Changed = (control: Control, value: unknown) => void;

interface Made {
  root: HTMLElement;
  show: (value: unknown) => void;
}

export class LabForm {
  readonly root = h("div", { class: "mv-labform" });
  private shape = "";
  private made: Made[] = [];
  private life: AbortController | null = null;

  constructor(
    private readonly label: string,
    private readonly changed: Changed,
    signal: AbortSignal,
  ) {
    signal.addEventListener("abort", () => this.life?.abort(), { once: true });
  }

  show(controls: Control[]): void {
    const shape = JSON.stringify(controls.map(({ path, kind, choices, min, max, step }) => [path, kind, choices, min, max, step]));
    if (shape !== this.shape) {
      this.shape = shape;
      this.life?.abort();
      const { signal } = (this.life = new AbortController());
      this.made = controls.map((control) => this.make(control, signal));
      this.root.replaceChildren(...this.made.map(({ root }) => root));
    }
    controls.forEach(({ value }, i) => {
      const { root, show } = this.made[i]!;
      if (!root.contains(document.activeElement)) show(value); // never move what a hand is on
    });
    this.root.hidden = !controls.length;
  }

  private make(control: Control, signal: AbortSignal): Made {
    const label = `${control.name} of ${this.label}`;
    const put = (value: unknown) => this.changed(control, value);
    if (control.kind === "number") {
      const { root, show } = slider(control.name, label, label, control, signal, put);
      if (control.step >= 1 && control.max < 100) root.classList.add("mv-short");
      show(Number(control.value));
      return { root, show: (value) => show(Number(Number(value).toFixed(4))) };
    }
    if (control.kind === "toggle") {
      const box = h("input", { type: "checkbox", "aria-label": label });
      listen(box, "change", () => put(box.checked), signal);
      return { root: h("label", { class: "mv-field mv-check" }, box, h("span", {}, control.name)), show: (value) => void (box.checked = value === true) };
    }
    if (control.kind === "menu" || control.kind === "word") {
      const menu = h("select", { "aria-label": label }, ...control.choices.map((each) => h("option", { value: String(each) }, String(each))));
      listen(menu, "change", () => put(control.choices[menu.selectedIndex]), signal);
      return { root: field(control.name, menu), show: (value) => void (menu.value = String(value)) };
    }
    const entry = h("input", { type: "text", "aria-label": label, size: 10, title: control.kind === "numbers" ? "numbers with commas between" : label });
    listen(entry, "change", () => put(entry.value), signal);
    return { root: field(control.name, entry), show: (value) => void (entry.value = String(value)) };
  }
}
