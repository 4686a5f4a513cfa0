/** MaskPainter: hide patches with the pointer, watch the model fill them in. */
import type { AnyModel } from "@anywidget/types";
import { asBytes, asFloats } from "../kit/binary";
import type { Pixels } from "../kit/compose";
import { decode, fromRgb } from "../kit/decode";
import { Latest } from "../kit/latest";
import { panelWidth } from "../kit/layout";
import { follow, listen, watchSize } from "../kit/lifetime";
import { type Mask, count } from "../kit/mask";
import { renderer } from "../kit/renderer";
import { type Problem, type Report, readProblem, readReport } from "../kit/report";
import { MaskSession } from "../kit/session";
import type { MaskPainterTraits } from "../traits";
import { actions } from "./parts/actions";
import { h, ownKeys, setText } from "./parts/dom";
import { Files } from "./parts/files";
import { Gallery } from "./parts/gallery";
import { keyboard } from "./parts/keyboard";
import { Settings } from "./parts/settings";
import { ProblemArea } from "./parts/problems";
import { Status } from "./parts/status";
import { Buttons } from "./parts/toolbar";
import { Tools } from "./parts/tools";

const GAP = 12;

interface Result {
  picture: Uint8Array<ArrayBuffer>;
  error: Float32Array;
  report: Report;
}

class MaskPainter {
  private readonly root = h("div", { class: "mv-widget mv-painter", "data-stroke": 0, "data-exact": "false" });
  private readonly title = h("div", { class: "mv-title" });
  private readonly gallery: Gallery;
  private readonly session: MaskSession;
  private readonly tools: Tools;
  private readonly settings: Settings;
  private readonly buttons: Buttons;
  private readonly status: Status;
  private readonly problems: ProblemArea;
  private original: Pixels | null = null;
  private picture: Pixels | null = null;
  private error: Float32Array = new Float32Array(0);
  private report: Report | null = null;
  private answered = -1; // the version of the mask that the report is about
  private answeredMask: Mask | null = null;
  private sketching = false; // the hand is on its way; answers bring the other panels along
  private chosen: number | null = null; // panel width in pixels, null = fit

  constructor(
    private readonly model: AnyModel<MaskPainterTraits>,
    el: HTMLElement,
    private readonly signal: AbortSignal,
  ) {
    this.gallery = new Gallery(() => this.mark(), signal);
    this.session = new MaskSession(model, () => this.repaint(), signal);
    this.tools = new Tools(this.session, () => this.mark());
    this.settings = new Settings(model, this.tools, () => this.mark(), (width) => this.zoom(width), (news) => this.status.tell(news), signal);
    this.buttons = new Buttons(signal);
    this.status = new Status(signal);
    this.problems = new ProblemArea(signal);
    this.assemble();
    el.append(this.root);
    this.listenToModel();
    this.listenToPerson();
    this.draw();
  }

  private assemble(): void {
    const files = new Files(this.root, this.model, this.session, (problem, news) => this.tell(problem, news), this.signal);
    const all = actions(this.session, this.tools, this.settings, files);
    const { buttons, settings, status, root } = this;
    const row = (name: string, ...children: Node[]) => h("div", { class: `mv-row mv-${name}` }, ...children);
    const head = row("head", this.title, buttons.group("file", "Picture and mask files", all));
    const toolbar = row("toolbar", buttons.group("tool", "Tool", all), settings.brush, buttons.group("edit", "History", all), buttons.group("mask", "Change the mask", all));
    const drawing = row("drawing", ...settings.drawing, buttons.group("draw", "Draw a mask", all), settings.statistics, status.leak, settings.zoom);
    root.append(head, toolbar, drawing, this.gallery.root, this.problems.root, status.root);
    keyboard(root, this.tools, all, () => this.sayCursor(), this.signal);
  }

  private listenToModel(): void {
    const { model, signal } = this;
    const originals = new Latest<Uint8Array<ArrayBuffer>>((bytes) => this.takeOriginal(bytes), signal);
    const results = new Latest<Result>((result) => this.takeResult(result), signal);
    const on = (name: keyof MaskPainterTraits, read: () => void) => {
      follow(model, `change:${name}`, read, signal);
      read();
    };
    on("title", () => setText(this.title, model.get("title")));
    on("original", () => {
      this.picture = null; // it was made from another picture
      this.answered = -1;
      originals.put(asBytes(model.get("original")).slice());
    });
    on("statistics", () => (this.answered = -1)); // before the report: one that is there already answers at once
    on("report", () => {
      const report = readReport(model.get("report"));
      if (!report || report.stroke < (this.report?.stroke ?? 0)) return; // late
      results.put({ picture: asBytes(model.get("picture")).slice(), error: asFloats(model.get("error")), report });
    });
    on("problem", () => {
      this.problems.remote = readProblem(model.get("problem"));
      this.draw();
    });
  }

  private listenToPerson(): void {
    const { gallery, tools, signal } = this;
    for (const panel of gallery.paintable) {
      panel.frame.tabIndex = panel === gallery.masked ? 0 : -1;
      ownKeys(panel.frame);
      panel.frame.setAttribute("role", "application");
      panel.frame.setAttribute("aria-label", `Mask editor on the ${panel.name} picture: arrow keys move, Space hides or shows a patch, Shift and arrows paint`);
      panel.frame.classList.add("is-paintable");
      tools.attach(panel.frame, panel.name, signal);
      listen(panel.frame, "focus", () => panel.frame.matches(":focus-visible") && tools.showCursor(), signal);
      listen(panel.frame, "blur", () => tools.point(null), signal);
    }
    for (const panel of [gallery.reconstruction, gallery.error]) tools.watch(panel.frame, signal);
    watchSize(gallery.root, () => this.fit(), signal);
  }

  private async takeOriginal(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.original = bytes.length ? await this.decoded(bytes, "original") : null;
    if (!this.signal.aborted) this.fit();
  }

  private async takeResult({ picture, error, report }: Result): Promise<void> {
    const size = { width: this.model.get("width"), height: this.model.get("height") };
    const pixels = picture.length ? fromRgb(picture, size) ?? (await this.decoded(picture, "reconstruction")) : null;
    if (this.signal.aborted) return;
    this.picture = pixels;
    this.error = error;
    this.report = report;
    this.answeredMask = this.session.answered(report.stroke);
    if (report.stroke >= this.session.stroke) this.answered = this.session.version;
    this.draw();
    this.measure(report.stroke, picture.byteLength + error.byteLength);
    if (report.exact) this.status.say(`exact reconstruction, ${report.hidden} patches hidden${report.psnr === null ? "" : `, PSNR ${report.psnr.toFixed(1)} dB`}`);
  }

  private async decoded(bytes: Uint8Array<ArrayBuffer>, what: string): Promise<Pixels | null> {
    try {
      return await decode(new Blob([bytes]));
    } catch {
      this.tell({ kind: "error", title: `The ${what} cannot be drawn`, text: `${bytes.length} bytes are no picture this browser reads.`, hint: "Painting the next patch asks for it again." });
      return null;
    }
  }

  /** From the pointer event that asked for this picture until it is on the screen. */
  private measure(stroke: number, bytes: number): void {
    this.root.dataset.stroke = String(stroke);
    this.root.dataset.exact = String(this.report?.exact === true);
    const start = `mimviz:stroke:${stroke}`;
    if (!performance.getEntriesByName(start, "mark").length) return;
    performance.measure("mimviz:latency", { start, detail: { stroke, bytes } });
    performance.clearMarks(start);
  }

  /** After a change of the mask. */
  private repaint(): void {
    this.problems.local = null;
    const follows = this.sketching && this.picture !== null; // the answer to a step of a drag, or to its end, draws the rest
    this.sketching = this.session.dragging;
    if (!follows) return this.draw();
    this.gallery.sketch(this.session.mask);
    if (!this.sketching) this.inform(readProblem(this.model.get("problem")));
    this.mark();
  }

  private draw(): void {
    const { grid, mask } = this.session;
    const problem = readProblem(this.model.get("problem"));
    const pending = this.original ? "waiting for the model …" : "";
    const waiting = problem ? (problem.kind === "blank" ? problem.title : "no result") : pending;
    const answered = this.answeredMask?.length === mask.length ? this.answeredMask : mask;
    this.gallery.draw({ grid, mask, answered, original: this.original, picture: this.picture, error: this.error, waiting });
    this.gallery.leaks(this.report?.leaks === true);
    this.gallery.stale(problem !== null && this.picture !== null);
    this.inform(problem);
    this.mark();
  }

  private inform(problem: Problem | null): void {
    const { mask } = this.session;
    this.status.update(this.report, count(mask), mask.length, this.state(problem));
  }

  private state(problem: Problem | null): string {
    if (problem) return problem.kind === "blank" ? "waiting for you" : "no result";
    if (!this.original) return "waiting for a picture";
    if (this.answered === this.session.version && this.report?.exact) return "exact";
    return this.session.dragging && this.report ? "coarse" : "computing …";
  }

  private mark(): void {
    this.gallery.mark(this.tools);
    this.buttons.update();
  }

  private zoom(width: number | null): void {
    this.chosen = width;
    this.fit();
  }

  private fit(): void {
    const width = panelWidth(this.gallery.root.clientWidth, GAP, this.chosen);
    const { style } = this.root;
    style.setProperty("--mv-width", `${width}px`);
    style.setProperty("--mv-aspect", `${this.model.get("width")} / ${this.model.get("height")}`);
    if (this.chosen === null && width > 0) this.settings.showWidth(width);
    this.gallery.fit(window.devicePixelRatio || 1);
    this.draw();
  }

  private sayCursor(): void {
    this.status.say(this.gallery.masked.text);
  }

  private tell(problem: Problem | null, news = ""): void {
    this.problems.local = problem;
    if (news) this.status.tell(news);
  }
}

export default { render: renderer(MaskPainter) };
