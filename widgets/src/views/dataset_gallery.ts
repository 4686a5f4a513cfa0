/** DatasetGallery: the pictures of a store, a page at a time, and the picked one. */
import type { AnyModel } from "@anywidget/types";
import { asBytes } from "../kit/binary";
import { type Found, type Item, readFound, saysCount } from "../kit/gallery";
import { follow, listen } from "../kit/lifetime";
import { list, number, record, text } from "../kit/read";
import { renderer } from "../kit/renderer";
import { readProblem } from "../kit/report";
import type { DatasetGalleryTraits } from "../traits";
import { DatasetFilters } from "./parts/dataset_filters";
import { h, setText } from "./parts/dom";
import { ProblemArea } from "./parts/problems";

class DatasetGallery {
  private readonly root = h("div", { class: "mv-widget mv-gallery" });
  private readonly title = h("div", { class: "mv-title" });
  private readonly filters: DatasetFilters;
  private readonly count = h("span", { class: "mv-note", role: "status" });
  private readonly place = h("span", { class: "mv-note" });
  private readonly back = h("button", { type: "button", class: "mv-button", "aria-label": "Page before" }, "‹");
  private readonly next = h("button", { type: "button", class: "mv-button", "aria-label": "Next page" }, "›");
  private readonly grid = h("div", { class: "mv-gallery-grid", role: "listbox", "aria-label": "pictures" });
  private readonly picked = h("section", { class: "mv-gallery-picked", "aria-label": "picked picture", hidden: true });
  private readonly problems: ProblemArea;
  private addresses: string[] = []; // of the thumbnails on display
  private large = ""; // of the picked picture

  constructor(
    private readonly model: AnyModel<DatasetGalleryTraits>,
    el: HTMLElement,
    private readonly signal: AbortSignal,
  ) {
    this.filters = new DatasetFilters(model, (traits) => this.put(traits), signal);
    this.problems = new ProblemArea(signal);
    const pager = h("div", { class: "mv-row mv-gallery-pager" }, this.count, h("span", { class: "mv-group" }, this.back, this.place, this.next));
    this.root.append(this.title, this.filters.root, this.filters.chips, pager, h("div", { class: "mv-gallery-body" }, this.grid, this.picked), this.problems.root);
    el.append(this.root);
    this.connect();
    signal.addEventListener("abort", () => this.free([...this.addresses, this.large]), { once: true });
  }

  private connect(): void {
    const { model, signal } = this;
    const on = (names: (keyof DatasetGalleryTraits)[], read: () => void) => {
      for (const name of names) follow(model, `change:${name}`, read, signal);
      read();
    };
    on(["title"], () => setText(this.title, model.get("title")));
    on(["filters", "sort", "descending", "colour", "chosen"], () => this.filters.show());
    on(["found"], () => this.draw(readFound(model.get("found"), asBytes(model.get("thumbnails")).slice())));
    on(["picked"], () => this.mark());
    on(["detail"], () => this.drawPicked());
    on(["problem"], () => (this.problems.remote = readProblem(model.get("problem"))));
    listen(this.back, "click", () => this.turn(-1), signal);
    listen(this.next, "click", () => this.turn(1), signal);
    listen(this.grid, "click", (event) => this.pick((event.target as HTMLElement).closest<HTMLElement>("[data-row]")), signal);
    listen(this.grid, "keydown", (event) => this.step(event), signal);
    this.watchTheme();
  }

  private put(traits: Partial<DatasetGalleryTraits>): void {
    for (const [name, value] of Object.entries(traits)) this.model.set(name as "page", value as number);
    this.model.save_changes();
  }

  private turn(by: number): void {
    const { page, pages } = record(this.model.get("found"));
    const to = Math.min(Math.max((number(page) ?? 0) + by, 0), (number(pages) ?? 1) - 1);
    if (to !== page) this.put({ page: to });
  }

  private pick(item: HTMLElement | null): void {
    if (item) this.put({ picked: Number(item.dataset.row) });
  }

  /** Arrows walk through the page, in reading order. */
  private step(event: KeyboardEvent): void {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const items = [...this.grid.children] as HTMLElement[];
    const at = items.indexOf(document.activeElement as HTMLElement);
    if (!by || at < 0) return;
    items[at + by]?.focus();
    event.preventDefault();
  }

  /** The scatter beside cannot see the page: it is told what the background is. */
  private watchTheme(): void {
    const tell = () => {
      const [r = 255, g = 255, b = 255] = getComputedStyle(this.root).backgroundColor.match(/[\d.]+/g)?.map(Number) ?? [];
      const dark = 0.3 * r + 0.6 * g + 0.1 * b < 128;
      if (dark !== this.model.get("dark")) this.put({ dark });
    };
    tell();
    if (typeof MutationObserver === "undefined") return;
    const observer = new MutationObserver(tell);
    observer.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
    this.signal.addEventListener("abort", () => observer.disconnect(), { once: true });
  }

  private draw(found: Found): void {
    this.free(this.addresses);
    this.addresses = [];
    const items = found.items.map((item) => this.item(item));
    const none = h("p", { class: "mv-note" }, found.of ? "No picture passes all filters: take one away." : "waiting for the store …");
    this.grid.replaceChildren(...(items.length ? items : [none]));
    setText(this.count, saysCount(found));
    setText(this.place, `page ${found.page + 1} of ${found.pages}`);
    this.back.setAttribute("aria-disabled", String(found.page === 0));
    this.next.setAttribute("aria-disabled", String(found.page >= found.pages - 1));
    this.mark();
  }

  private item({ row, name, label, told, error, bytes }: Item): HTMLElement {
    const words = [told, label].filter(Boolean).join(" · ") || name;
    const frame = h("span", { class: "mv-gallery-frame" }, bytes.length ? this.image(bytes, "") : h("span", { class: "mv-note" }, error ? "broken" : "no thumbnail"));
    const title = [name, label, told, error].filter(Boolean).join("\n");
    return h("button", { type: "button", class: "mv-gallery-item", role: "option", "data-row": row, title, "aria-label": title }, frame, h("span", { class: "mv-gallery-words" }, words));
  }

  private image(bytes: Uint8Array<ArrayBuffer>, alt: string): HTMLImageElement {
    const address = URL.createObjectURL(new Blob([bytes]));
    this.addresses.push(address);
    return h("img", { src: address, alt });
  }

  private mark(): void {
    const picked = String(this.model.get("picked"));
    for (const item of this.grid.querySelectorAll<HTMLElement>("[data-row]")) item.setAttribute("aria-selected", String(item.dataset.row === picked));
  }

  private drawPicked(): void {
    const { facts, note, row } = record(this.model.get("detail"));
    this.picked.hidden = row === undefined;
    this.free([this.large]);
    this.large = "";
    const bytes = asBytes(this.model.get("picture")).slice();
    if (bytes.length) this.large = URL.createObjectURL(new Blob([bytes]));
    const table = h("table", {}, ...list(facts).map((pair) => h("tr", {}, h("th", { scope: "row" }, text(list(pair)[0])), h("td", {}, text(list(pair)[1])))));
    const picture = this.large ? h("img", { src: this.large, alt: `picture ${String(row)}` }) : h("p", { class: "mv-note" }, text(note));
    this.picked.replaceChildren(picture, table, this.tools());
  }

  private tools(): HTMLElement {
    const names = this.model.get("tools");
    const row = h("div", { class: "mv-group" }, names.length ? "open in" : h("span", { class: "mv-note" }, "with a model, DatasetExplorer(store, model), it opens in the other widgets"));
    for (const name of names) {
      const button = h("button", { type: "button", class: "mv-button" }, name.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase());
      listen(button, "click", () => this.put({ wanted: name }), this.signal);
      row.append(button);
    }
    return row;
  }

  private free(addresses: string[]): void {
    for (const address of addresses) if (address) URL.revokeObjectURL(address);
  }
}

export default { render: renderer(DatasetGallery) };
