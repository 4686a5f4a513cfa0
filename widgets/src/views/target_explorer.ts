/** TargetExplorer: what targets call alike, side by side, and what they see. */
import type { AnyModel } from "@anywidget/types";
import { asBytes } from "../kit/binary";
import type { Pixels } from "../kit/compose";
import { decode } from "../kit/decode";
import type { Grid, Patch } from "../kit/grid";
import { Latest } from "../kit/latest";
import { panelWidth } from "../kit/layout";
import { follow, listen, watchSize } from "../kit/lifetime";
import { type PanelSaid, readPanels } from "../kit/recipe_lab";
import { list, number, record } from "../kit/read";
import { renderer } from "../kit/renderer";
import { readProblem } from "../kit/report";
import { type Near, readAnswers, readNear } from "../kit/target_explorer";
import type { TargetExplorerTraits } from "../traits";
import { h, setText } from "./parts/dom";
import { field } from "./parts/fields";
import type { Drawing } from "./parts/lab_figures";
import { decoded } from "./parts/lab_panels";
import { Panel } from "./parts/panel";
import { Picking } from "./parts/picking";
import { ProblemArea } from "./parts/problems";
import { StatusLine } from "./parts/status_line";
import { TargetColumn } from "./parts/target_column";
import { TargetTable } from "./parts/target_table";

const GAP = 12;
const SMALL = 110; // px of a picture in the row on top
const NONE: Near = { near: [], tied: 0, problem: null };

class TargetExplorer {
  private readonly root = h("div", { class: "mv-widget mv-targets" });
  private readonly title = h("div", { class: "mv-title" });
  private readonly row = h("div", { class: "mv-panels mv-pictures" });
  private readonly body = h("div", { class: "mv-columns" });
  private readonly menu = h("select", { "aria-label": "Picture in the columns" });
  private readonly table = new TargetTable();
  private readonly problems: ProblemArea;
  private readonly status: StatusLine;
  private readonly pictures: Panel[] = [];
  private columns: TargetColumn[] = [];
  private pixels: (Pixels | null)[] = [];
  private drawings: Drawing[] = [];
  private near: Near[] = [];
  private hover: Patch | null = null;
  private over: number | null = null; // the picture under the pointer
  private focus: number | null = null; // the column under the pointer
  private pending = true;
  private frame = 0;

  constructor(
    private readonly model: AnyModel<TargetExplorerTraits>,
    el: HTMLElement,
    private readonly signal: AbortSignal,
  ) {
    this.problems = new ProblemArea(signal);
    this.status = new StatusLine({ exact: "Every target was asked about exactly this patch" }, signal);
    this.root.append(
      h("div", { class: "mv-row mv-head" }, this.title, field("Look in", this.menu)), this.row, this.problems.root, this.body,
      h("div", { class: "mv-seesbox" }, this.table.root), this.status.root,
    );
    el.append(this.root);
    this.assemble();
    this.connect();
    signal.addEventListener("abort", () => cancelAnimationFrame(this.frame), { once: true });
  }

  private get grid(): Grid {
    return { rows: this.model.get("rows"), cols: this.model.get("cols") };
  }

  /** The picture whose map the columns show. */
  private get shown(): number {
    const chosen = this.model.get("shown");
    return chosen < 0 ? (this.model.get("query")[0] ?? 0) : chosen;
  }

  private assemble(): void {
    const { model, signal } = this;
    model.get("captions").forEach((caption, i) => {
      const panel = new Panel(`picture ${i}`, caption, "click a patch: what do the targets call alike?");
      this.attach(panel, () => i, true);
      this.pictures.push(panel);
      this.row.append(panel.root);
    });
    this.columns = model.get("names").map((name, i) => {
      const made = (panel: Panel) => this.attach(panel, () => this.shown, false);
      return new TargetColumn(name, made, (picture, patch) => this.ask(picture, patch), (over) => this.enter(over ? i : null), signal);
    });
    this.body.append(...this.columns.map(({ root }) => root));
    this.menu.append(h("option", { value: -1 }, "the picture asked about"), ...model.get("captions").map((caption, i) => h("option", { value: i }, caption)));
    listen(this.menu, "change", () => this.put({ shown: Number(this.menu.value) }), signal);
  }

  private attach(panel: Panel, picture: () => number, keys: boolean): void {
    const picking: Picking = new Picking(() => this.grid, () => {
      [this.hover, this.over] = [picking.hover, picking.hover ? picture() : null];
      this.mark();
    }, (patch) => this.ask(picture(), Number(patch)), () => this.status.say(panel.text), this.signal);
    picking.attach(panel, keys);
    if (keys) panel.frame.setAttribute("aria-label", `${this.model.get("captions")[picture()]}: arrow keys move to a patch, Enter asks about it`);
  }

  private connect(): void {
    const { model, signal } = this;
    const originals = new Latest<Uint8Array<ArrayBuffer>>((bytes) => this.takePictures(bytes), signal);
    const answers = new Latest<{ panels: PanelSaid[]; near: Near[] }>((answer) => this.take(answer.panels, answer.near), signal);
    const on = (name: keyof TargetExplorerTraits, read: () => void) => {
      follow(model, `change:${name}`, read, signal);
      read();
    };
    on("title", () => setText(this.title, model.get("title")));
    on("originals", () => originals.put(asBytes(model.get("originals")).slice()));
    on("report", () => answers.put({ panels: readPanels(model.get("panels"), asBytes(model.get("pixels"))), near: readNear(model.get("near")) }));
    on("problem", () => {
      this.problems.remote = readProblem(model.get("problem"));
      this.inform();
    });
    for (const name of ["readout", "query"] as const) follow(model, `change:${name}`, () => this.draw(), signal);
    on("shown", () => (this.menu.value = String(model.get("shown"))));
    watchSize(this.root, () => this.fit(), signal);
  }

  // --- asking ---

  private ask(picture: number, patch: number): void {
    this.put({ query: [picture, patch] });
  }

  private put(traits: Partial<TargetExplorerTraits>): void {
    for (const [name, value] of Object.entries(traits)) this.model.set(name as "query", value as number[]);
    this.model.save_changes();
    this.pending = true;
    this.draw();
  }

  // --- showing ---

  private async takePictures(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    let start = 0;
    const parts = this.model.get("sizes").map((size) => bytes.slice(start, (start += size)));
    const pixels = await Promise.all(parts.map((part) => decode(new Blob([part])).catch(() => null)));
    if (this.signal.aborted) return;
    this.pixels = pixels;
    this.pictures.forEach((panel, i) => panel.show(pixels[i] ?? null, "cannot be drawn"));
    this.fit();
  }

  private async take(panels: PanelSaid[], near: Near[]): Promise<void> {
    const drawings = await decoded(panels);
    if (this.signal.aborted) return;
    [this.drawings, this.near] = [drawings, near];
    const asked = list(record(this.model.get("report")).query).join();
    this.pending = asked !== this.model.get("query").join();
    this.draw();
    this.fit();
  }

  private enter(column: number | null): void {
    this.focus = column;
    this.mark();
  }

  /** Once a frame at most. */
  private draw(): void {
    if (this.frame || this.signal.aborted) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      const { model, near } = this;
      const captions = model.get("captions");
      this.columns.forEach((column, i) => {
        const mine = this.drawings.filter(({ said }) => said.place === i);
        column.draw(mine, near[i] ?? NONE, this.pixels, captions, this.grid);
        column.panels.stale = this.pending;
      });
      const failed = new Set(model.get("names").filter((_, i) => near[i]?.problem));
      this.table.draw(model.get("names"), readAnswers(model.get("readout")), failed);
      for (const { panels } of this.columns) panels.fit(window.devicePixelRatio || 1);
      this.inform();
      this.mark();
    });
  }

  private mark(): void {
    const { grid, hover, over, focus, model } = this;
    const [picture, patch] = model.get("query") as [number, number];
    const at = { row: Math.floor(patch / grid.cols), col: patch % grid.cols };
    this.pictures.forEach((panel, i) => {
      const contour = focus === null ? [] : (this.near[focus]?.near ?? []).filter((each) => each.picture === i).map((each) => each.patch);
      panel.mark({ grid, mask: null, strong: true, ring: over === i ? hover : null, brush: [], query: picture === i ? at : null, contour });
      panel.say(over === i && hover ? `row ${hover.row + 1}, col ${hover.col + 1}` : picture === i ? `row ${at.row + 1}, col ${at.col + 1}` : "");
    });
    for (const column of this.columns) column.mark(grid, over === this.shown ? hover : null);
  }

  private inform(): void {
    const { ms, device, done, of } = record(this.model.get("report"));
    const wrong = readProblem(this.model.get("problem")) !== null;
    const measured = number(done) ?? 0;
    const state = wrong ? "no result" : this.pending ? "computing …" : measured < (number(of) ?? 0) ? "computing: what targets see" : "exact";
    const parts = [String(device ?? ""), number(ms) ? `${number(ms)!.toFixed(0)} ms` : "", `${this.model.get("captions").length} pictures`, of ? `${measured} of ${number(of)} targets measured` : ""];
    this.status.show(state, parts.filter(Boolean), "Click a patch of any picture. Outlined in the pictures: the nearest patches of the column under the pointer.");
  }

  private fit(): void {
    const { style } = this.root;
    style.setProperty("--mv-width", `${columnWidth(this.body.clientWidth, this.columns.length)}px`);
    style.setProperty("--mv-small", `${SMALL}px`);
    style.setProperty("--mv-aspect", `${this.model.get("width")} / ${this.model.get("height")}`);
    const ratio = window.devicePixelRatio || 1;
    for (const panel of this.pictures) panel.fit(ratio);
    this.draw();
  }
}

/** All side by side where they stay readable, else as many as do. */
function columnWidth(total: number, columns: number): number {
  const all = Math.floor((total - (columns - 1) * GAP) / columns);
  return Math.min(all >= 150 ? all : panelWidth(total, GAP, null), 220);
}

export default { render: renderer(TargetExplorer) };
