/** What to compare: a menu of methods with boxes to tick, and a search for classes with chips. */
import { follow, listen } from "../../kit/lifetime";
import { search } from "../../kit/saliency";
import type { AnyModel } from "@anywidget/types";
import type { SaliencyComparerTraits } from "../../traits";
import { h, ownKeys } from "./dom";

type Model = AnyModel<SaliencyComparerTraits>;
const MOST = 12; // hits on display
const BEST = -1;

export class MethodMenu {
  private readonly count = h("span", {});
  private readonly filter = h("input", { type: "search", placeholder: "find a method", "aria-label": "Find a method" });
  private readonly boxes = h("div", { class: "mv-ticks", role: "group", "aria-label": "Methods" });
  readonly root = h("details", { class: "mv-menu" }, h("summary", { class: "mv-button" }, "Methods ", this.count), h("div", { class: "mv-drop" }, this.filter, this.boxes));

  constructor(
    private readonly model: Model,
    private readonly signal: AbortSignal,
  ) {
    ownKeys(this.filter);
    listen(this.filter, "input", () => this.read(), signal);
    listen(this.root, "keydown", (event) => {
      if (event.key !== "Escape" || !this.root.open) return;
      this.root.open = false;
      this.root.querySelector("summary")?.focus();
      event.stopPropagation();
    }, signal);
    for (const name of ["methods", "chosen"]) follow(model, `change:${name}`, () => this.read(), signal);
    this.read();
  }

  private read(): void {
    const chosen = this.model.get("chosen");
    const wanted = this.filter.value.trim().toLowerCase();
    this.count.textContent = `(${chosen.length})`;
    const names = this.model.get("methods").filter((name) => name.toLowerCase().includes(wanted));
    this.boxes.replaceChildren(...names.map((name) => this.tick(name, chosen.includes(name))));
    if (!names.length) this.boxes.append(h("span", { class: "mv-none" }, "no such method"));
  }

  private tick(name: string, on: boolean): HTMLElement {
    const box = h("input", { type: "checkbox", checked: on });
    box.checked = on;
    listen(box, "change", () => {
      const now = this.model.get("chosen").filter((each) => each !== name);
      this.model.set("chosen", box.checked ? [...now, name] : now);
      this.model.save_changes();
    }, this.signal);
    return h("label", { class: "mv-tick" }, box, h("span", {}, name));
  }
}

export class ClassPicker {
  private readonly entry = h("input", { type: "search", placeholder: "add a class", "aria-label": "Find a class", role: "combobox", "aria-expanded": "false", autocomplete: "off" });
  private readonly hits = h("div", { class: "mv-drop", role: "listbox", "aria-label": "Classes found", hidden: true });
  private readonly chips = h("span", { class: "mv-picks" });
  readonly root = h("div", { class: "mv-field mv-picker" }, h("span", {}, "Classes"), this.chips, h("span", { class: "mv-menu" }, this.entry, this.hits));

  constructor(
    private readonly model: Model,
    private readonly signal: AbortSignal,
  ) {
    ownKeys(this.entry);
    listen(this.entry, "input", () => this.find(), signal);
    listen(this.entry, "keydown", (event) => {
      if (event.key === "Enter") (this.hits.firstElementChild as HTMLElement | null)?.click();
      else if (event.key === "Escape") this.fold();
      else if (event.key === "ArrowDown") (this.hits.firstElementChild as HTMLElement | null)?.focus();
      else return;
      event.preventDefault();
    }, signal);
    for (const name of ["classes", "targets"]) follow(model, `change:${name}`, () => this.read(), signal);
    this.read();
  }

  private find(): void {
    const chosen = this.model.get("targets");
    const names = this.model.get("classes");
    const found = search(names, this.entry.value, MOST).filter((i) => !chosen.includes(i));
    const rows = found.map((i) => this.hit(names[i]!, i));
    if (!chosen.includes(BEST) && !this.entry.value) rows.unshift(this.hit("best class", BEST));
    this.hits.replaceChildren(...(rows.length ? rows : [h("span", { class: "mv-none" }, this.entry.value ? "no such class" : "type a name")]));
    this.hits.hidden = false;
    this.entry.setAttribute("aria-expanded", "true");
  }

  private hit(name: string, index: number): HTMLElement {
    const row = h("button", { type: "button", role: "option", class: "mv-hit" }, name);
    listen(row, "click", () => {
      this.put([...this.model.get("targets"), index]);
      this.entry.value = "";
      this.fold();
    }, this.signal);
    return row;
  }

  private fold(): void {
    this.hits.hidden = true;
    this.entry.setAttribute("aria-expanded", "false");
  }

  private put(targets: number[]): void {
    this.model.set("targets", targets.length ? targets : [BEST]);
    this.model.save_changes();
  }

  private read(): void {
    const targets = this.model.get("targets");
    this.chips.replaceChildren(...targets.map((index) => {
      const name = index === BEST ? "best" : this.model.get("classes")[index] ?? String(index);
      const chip = h("button", { type: "button", class: "mv-picked", title: `Leave out ${name}` }, h("span", {}, name), targets.length > 1 || index !== BEST ? " ×" : "");
      listen(chip, "click", () => this.put(targets.filter((each) => each !== index)), this.signal);
      return chip;
    }));
  }
}
