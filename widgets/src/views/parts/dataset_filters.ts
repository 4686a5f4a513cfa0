/** Sorting, colour and filters of a gallery: one row of controls, and a chip for each filter. */
import type { AnyModel } from "@anywidget/types";
import { type Column, readColumns, sayFilter, withFilter } from "../../kit/gallery";
import { listen } from "../../kit/lifetime";
import { list, number } from "../../kit/read";
import type { DatasetGalleryTraits } from "../../traits";
import { h } from "./dom";
import { field } from "./fields";

type Put = (traits: Partial<DatasetGalleryTraits>) => void;

export class DatasetFilters {
  readonly root = h("div", { class: "mv-row mv-gallery-tools" });
  readonly chips = h("div", { class: "mv-row mv-gallery-chips", "aria-label": "filters" });
  private readonly columns: Column[];
  private readonly sort = h("select", { "aria-label": "Sort by" });
  private readonly order = h("button", { type: "button", class: "mv-button" });
  private readonly colour = h("select", { "aria-label": "Colour of the points" });
  private readonly which = h("select", { "aria-label": "Filter by" });
  private readonly least = h("input", { type: "number", step: "any", "aria-label": "At least" });
  private readonly most = h("input", { type: "number", step: "any", "aria-label": "At most" });
  private readonly value = h("select", { "aria-label": "Class to show" });
  private readonly bounds = h("span", { class: "mv-gallery-bounds" }, this.least, "…", this.most);

  constructor(
    private readonly model: AnyModel<DatasetGalleryTraits>,
    private readonly put: Put,
    private readonly signal: AbortSignal,
  ) {
    this.columns = readColumns(model.get("columns"));
    const names = this.columns.map(({ name }) => name);
    const offer = (select: HTMLSelectElement, first: string[][]) => {
      for (const [value, word] of [...first, ...names.map((name) => [name, name])]) select.append(h("option", { value: value! }, word!));
    };
    offer(this.sort, [["row", "order of the dataset"]]);
    offer(this.colour, []);
    offer(this.which, [["", "nothing"]]);
    this.root.append(field("sort by", this.sort), this.order, field("colour by", this.colour), field("filter by", this.which), this.bounds, this.value);
    this.listen();
    this.offerValues();
    this.show();
  }

  /** As Python has it. */
  show(): void {
    const { model } = this;
    const down = model.get("descending");
    this.sort.value = model.get("sort");
    this.colour.value = model.get("colour");
    this.order.textContent = down ? "↓ highest first" : "↑ lowest first";
    this.order.setAttribute("aria-label", down ? "Highest first; turn round" : "Lowest first; turn round");
    const chips = this.columns.filter(({ name }) => model.get("filters")[name]).map((column) => this.chip(column));
    const lasso = model.get("chosen") >= 0 ? [this.lasso(model.get("chosen"))] : [];
    this.chips.replaceChildren(...lasso, ...chips);
    this.chips.hidden = !this.chips.childElementCount;
    this.showBounds();
  }

  private listen(): void {
    const { signal } = this;
    listen(this.sort, "change", () => this.put({ sort: this.sort.value }), signal);
    listen(this.colour, "change", () => this.put({ colour: this.colour.value }), signal);
    listen(this.order, "click", () => this.put({ descending: !this.model.get("descending") }), signal);
    listen(this.which, "change", () => (this.offerValues(), this.showBounds()), signal);
    for (const input of [this.least, this.most]) {
      listen(input, "change", () => this.bound(), signal);
      listen(input, "keydown", (event) => event.key === "Enter" && this.bound(), signal); // JupyterLab keeps Enter's change
    }
    listen(this.value, "change", () => this.add(), signal);
  }

  private get column(): Column | undefined {
    return this.columns.find(({ name }) => name === this.which.value);
  }

  private offerValues(): void {
    const values = this.column?.values ?? [];
    this.value.replaceChildren(h("option", { value: "" }, "add a class …"), ...values.map(([code, name]) => h("option", { value: code }, name)));
  }

  private showBounds(): void {
    const { column } = this;
    const wanted = list(this.model.get("filters")[column?.name ?? ""]);
    this.bounds.hidden = column?.kind !== "number";
    this.value.hidden = column?.kind !== "class";
    if (column?.kind !== "number") return;
    for (const [i, input] of [this.least, this.most].entries()) {
      input.placeholder = (i ? column.max : column.min).toPrecision(3);
      if (document.activeElement !== input) input.value = number(wanted[i])?.toString() ?? "";
    }
  }

  private bound(): void {
    const [least, most] = [this.least, this.most].map(({ value }) => (value.trim() === "" ? null : Number(value)));
    if (this.column) this.set(this.column.name, [least, most]);
  }

  private add(): void {
    const { column } = this;
    if (!column || this.value.value === "") return;
    const held = list(this.model.get("filters")[column.name]);
    this.set(column.name, [...new Set([...held, Number(this.value.value)])]);
    this.value.value = "";
  }

  private set(name: string, wanted: unknown[] | null): void {
    this.put({ filters: withFilter(this.model.get("filters"), name, wanted) });
  }

  private chip(column: Column): HTMLElement {
    const words = sayFilter(column, list(this.model.get("filters")[column.name]));
    return this.gone(words, () => this.set(column.name, null));
  }

  private lasso(count: number): HTMLElement {
    return this.gone(`${count.toLocaleString("en")} chosen with the lasso`, () => this.put({ clear: this.model.get("clear") + 1 }));
  }

  private gone(words: string, away: () => void): HTMLElement {
    const button = h("button", { type: "button", class: "mv-toggle", title: "Take this filter away", "aria-label": `Take away: ${words}` }, `${words} ×`);
    listen(button, "click", away, this.signal);
    return button;
  }
}
