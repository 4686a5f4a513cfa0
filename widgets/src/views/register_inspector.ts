/** RegisterInspector: where the norms of tokens part, who looks where, and what registers or a repair change. */
import type { AnyModel } from "@anywidget/types";
import { asBytes, asFloats } from "../kit/binary";
import type { Pixels } from "../kit/compose";
import { readCurve } from "../kit/curve";
import { decode } from "../kit/decode";
import type { Grid } from "../kit/grid";
import { NOTHING, type Told, patchOf, plural, readTold, sayToken } from "../kit/inspection";
import { Latest } from "../kit/latest";
import { panelWidth } from "../kit/layout";
import { follow, listen, watchSize } from "../kit/lifetime";
import { layerOf, readModes } from "../kit/norms";
import { number, record, text } from "../kit/read";
import { renderer } from "../kit/renderer";
import { readProblem } from "../kit/report";
import type { RegisterInspectorTraits } from "../traits";
import { h, setText } from "./parts/dom";
import { Panel } from "./parts/panel";
import { Picking } from "./parts/picking";
import { ProblemArea } from "./parts/problems";
import { StatusLine } from "./parts/status_line";
import { Channels, RepairCurves, Scatter } from "./parts/token_charts";
import { TokenLook } from "./parts/token_look";
import { TokenRow } from "./parts/token_row";
import { Treatments, sayTreatment } from "./parts/treatments";
import { ValuePanel } from "./parts/value_panel";

const GAP = 12;
const PAUSE = 120; // ms the layer must rest before Python is told: norms need no round trip, features do
const TOLD = ["norms", "modes", "thresholds", "about", "features", "channels", "box", "cosines", "after", "after_info", "after_about", "curve", "repairing", "defects", "treatment"] as const;

class RegisterInspector {
  private readonly root = h("div", { class: "mv-widget mv-registers" });
  private readonly title = h("div", { class: "mv-title" });
  private readonly about = h("h4", {});
  private readonly treated = h("h4", {});
  private readonly picture = new Panel("picture", "picture", "the picture as the model sees it, outliers outlined; click a patch to ask about it");
  private readonly before: TokenRow;
  private readonly after: TokenRow;
  private readonly channels = new Channels();
  private readonly scatter = new Scatter();
  private readonly curves = new RepairCurves();
  private readonly defects = new ValuePanel("defects", "|cos| to defect", "how much every patch's token points along this block's defect direction", "|cos|");
  private readonly second = h("section", { "aria-label": "after the treatment" });
  private readonly look: TokenLook;
  private readonly picking: Picking;
  private readonly status: StatusLine;
  private readonly problems: ProblemArea;
  private layer = 0;
  private override: { layer: number; norm: number } | null = null; // while the threshold is dragged
  private chosen: number | null = null; // panel width in pixels, null = fit
  private original: Pixels | null = null;
  private pending = true;
  private frame = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly model: AnyModel<RegisterInspectorTraits>,
    el: HTMLElement,
    private readonly signal: AbortSignal,
  ) {
    this.before = new TokenRow("", (norm, done) => this.cut(norm, done), signal);
    this.after = new TokenRow("after ", null, signal);
    const width = (value: number | null) => ((this.chosen = value), this.fit());
    const hands = { layer: (layer: number) => this.goTo(layer), token: (token: string) => this.choose(token), width, changed: () => this.draw() };
    this.look = new TokenLook(model.get("depth"), hands, signal);
    this.picking = new Picking(() => this.grid, () => this.mark(), (token) => this.choose(token), () => this.status.say(this.before.norms.panel.text), signal);
    this.status = new StatusLine({ exact: "Norms, cosines and attention of this very pass, unrounded" }, signal);
    this.problems = new ProblemArea(signal);
    this.assemble();
    el.append(this.root);
    this.connect();
    signal.addEventListener("abort", () => (cancelAnimationFrame(this.frame), clearTimeout(this.timer)), { once: true });
  }

  private get grid(): Grid {
    return { rows: this.model.get("rows"), cols: this.model.get("cols") };
  }

  private get panels(): Panel[] {
    return [this.picture, ...this.before.panels, this.defects.panel, ...this.after.panels];
  }

  private assemble(): void {
    const { before, after } = this;
    const panels = (...all: { root: HTMLElement }[]) => h("div", { class: "mv-panels" }, ...all.map(({ root }) => root));
    const treatments = new Treatments(this.model, () => this.ask(), this.signal);
    this.second.append(
      h("div", { class: "mv-row mv-said" }, this.treated, this.look.scale),
      panels(after.norms, after.histogram.chart, after.features, this.curves.chart),
      panels(after.cosine, after.from, after.to),
    );
    this.root.append(
      h("div", { class: "mv-row mv-head" }, this.title), this.look.root, treatments.root,
      panels(this.picture, before.norms, before.histogram.chart, before.features, this.channels.chart),
      h("section", {}, this.about, panels(before.cosine, before.from, before.to, this.defects, this.scatter.chart)),
      this.second, this.problems.root, this.status.root,
    );
    for (const panel of this.panels) this.picking.attach(panel, panel === this.picture);
  }

  private connect(): void {
    const { model, signal } = this;
    const originals = new Latest<Uint8Array<ArrayBuffer>>(async (bytes) => {
      this.original = await decode(new Blob([bytes])).catch(() => null);
      this.fit();
    }, signal);
    const on = (names: readonly (keyof RegisterInspectorTraits)[], read: () => void) => {
      for (const name of names) follow(model, `change:${name}`, read, signal);
      read();
    };
    on(["title"], () => setText(this.title, model.get("title")));
    on(["original"], () => originals.put(asBytes(model.get("original")).slice()));
    on(["tokens", "token"], () => this.offer());
    on(["layer"], () => {
      this.layer = model.get("layer");
      this.look.showLayer(this.layer);
      this.draw();
    });
    on(["report", "problem"], () => {
      this.pending = !Object.keys(model.get("report")).length;
      this.problems.remote = readProblem(model.get("problem"));
      this.draw();
    });
    on(TOLD, () => this.draw());
    watchSize(this.root, () => this.fit(), signal);
    listen(this.root, "keydown", (event) => {
      const step = { "[": -1, "]": 1 }[event.key];
      if (!step || event.ctrlKey || event.metaKey || (event.target as HTMLElement).closest("input, select")) return;
      this.goTo(this.layer + step);
      event.preventDefault();
    }, signal);
  }

  // --- asking ---

  private put(traits: Partial<RegisterInspectorTraits>): void {
    for (const [name, value] of Object.entries(traits)) this.model.set(name as "layer", value as number);
    this.model.save_changes();
    this.ask();
  }

  private ask(): void {
    this.pending = true;
    this.draw();
  }

  private choose(token: string): void {
    if (token !== this.model.get("token")) this.put({ token });
  }

  private goTo(layer: number): void {
    this.layer = Math.min(this.model.get("depth") - 1, Math.max(0, layer));
    this.look.showLayer(this.layer);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.layer !== this.model.get("layer") && this.put({ layer: this.layer }), PAUSE);
    this.draw();
  }

  private cut(norm: number | null, done: boolean): void {
    this.override = norm === null || done ? null : { layer: this.layer, norm };
    if (!done) return this.draw();
    const { [this.layer]: _, ...others } = this.model.get("thresholds");
    this.put({ thresholds: norm === null ? others : { ...others, [this.layer]: norm } });
  }

  private offer(): void {
    const [token, names, cols] = [this.model.get("token"), this.model.get("tokens"), this.model.get("cols")];
    this.look.offer(token, names, cols);
    setText(this.about, `about ${sayToken(token, names, cols)}`);
    this.draw();
  }

  // --- showing ---

  /** Once a frame at most: several traits come together. */
  private draw(): void {
    if (this.frame || this.signal.aborted) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.drawNow();
    });
  }

  private drawNow(): void {
    const { model, grid, layer, before, after } = this;
    const [told, other] = readTold(model);
    const count = grid.rows * grid.cols;
    const byHand = this.override?.layer === layer ? this.override.norm : number(model.get("thresholds")[layer]);
    const waiting = Object.keys(model.get("problem")).length ? "no result" : "waiting for the model …";
    before.draw(told, this.look.shared ? other : NOTHING, grid, layer, byHand, this.look.map, waiting);
    this.picture.show(this.original, waiting);
    before.features.stale = after.features.stale = number(record(model.get("features_info")).layer) !== layer;
    this.channels.draw(model.get("channels"), layer);
    const cosines = layerOf(asFloats(model.get("cosines")), layer, count);
    this.defects.root.hidden = this.scatter.chart.root.hidden = !model.get("defects");
    this.defects.draw(cosines, grid, this.look.map, cosines.length ? { min: 0, max: 1 } : null, waiting);
    this.scatter.draw(layerOf(told.norms, layer, count, told.prefix), cosines, before.outlined, waiting);
    this.drawAfter(told, other);
    this.inform();
    this.mark();
  }

  private drawAfter(told: Told, other: Told): void {
    const { model, after, look } = this;
    const treatment = model.get("treatment");
    const info = record(model.get("after_info"));
    const there = other.norms.length > 0;
    this.second.hidden = treatment === "none";
    this.curves.chart.root.hidden = treatment !== "repair";
    after.hide(!there && (text(info.why) !== "" || treatment === "repair"));
    look.scale.hidden = !there;
    const words: Record<string, string> = { repair: "repair", other: `the other model, ${model.get("other")}` };
    setText(this.treated, sayTreatment(info) || (words[treatment] ?? "with test-time registers"));
    after.draw(other, look.shared ? told : NOTHING, this.grid, this.layer, null, look.map, "computing …");
    this.curves.draw(readCurve(model.get("curve")));
  }

  private mark(): void {
    const { grid, layer, before } = this;
    const ring = this.picking.hover;
    const query = patchOf(this.model.get("token"), grid.cols);
    const marks = { grid, mask: null, strong: true, ring, brush: [], query, contour: before.outlined };
    this.picture.mark(marks);
    this.picture.say(ring ? `row ${ring.row + 1}, col ${ring.col + 1}` : `${plural(before.outlined.length, "outlier")} · ${grid.rows} × ${grid.cols} patches`);
    this.defects.panel.mark(marks);
    this.defects.say(grid, ring);
    before.mark(grid, ring, query, layer);
    this.after.mark(grid, ring, query, layer);
  }

  private inform(): void {
    const { model } = this;
    const report = record(model.get("report"));
    const wrong = Object.keys(model.get("problem")).length > 0;
    const state = wrong ? "no result" : model.get("repairing") ? "computing: repair" : this.pending ? "computing …" : "exact";
    const ms = number(report.ms);
    const mode = readModes(model.get("modes"))[this.layer];
    const certificate = report.exact === true ? "attention certified" : report.exact === false ? "attention not exact" : "";
    const parts = [model.get("name"), text(report.device), ms === null ? "" : `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`, certificate];
    this.status.show(state, parts.filter(Boolean), mode ? `layer ${this.layer + 1}: ${mode.why}` : "");
  }

  private fit(): void {
    const { style } = this.root;
    const width = panelWidth(this.picture.root.parentElement?.clientWidth ?? this.root.clientWidth, GAP, this.chosen);
    style.setProperty("--mv-width", `${width}px`);
    style.setProperty("--mv-aspect", `${this.model.get("width")} / ${this.model.get("height")}`);
    if (this.chosen === null && width > 0) this.look.showWidth(width);
    for (const panel of this.panels) panel.fit(window.devicePixelRatio || 1);
    this.draw();
  }
}

export default { render: renderer(RegisterInspector) };
