/** RecipeLab: recipes of masked image modelling, word by word, on one picture under one mask. */
import type { AnyModel } from "@anywidget/types";
import { asBytes } from "../kit/binary";
import { type Pixels, compose, meanColour } from "../kit/compose";
import { decode } from "../kit/decode";
import { indexOf } from "../kit/grid";
import { Latest } from "../kit/latest";
import { panelWidth } from "../kit/layout";
import { follow, listen, watchSize } from "../kit/lifetime";
import { count } from "../kit/mask";
import { type Facts, type PanelSaid, type Said, readCatalogue, readFacts, readForm, readPanels, readSaid } from "../kit/recipe_lab";
import { type Raw, list, number, record, text } from "../kit/read";
import { renderer } from "../kit/renderer";
import { readProblem } from "../kit/report";
import { MaskSession } from "../kit/session";
import type { RecipeLabTraits } from "../traits";
import { actions } from "./parts/actions";
import { h, ownKeys, setText } from "./parts/dom";
import { Files } from "./parts/files";
import { keyboard } from "./parts/keyboard";
import { LabPanels, decoded } from "./parts/lab_panels";
import { LabSide } from "./parts/lab_side";
import { LabStudy } from "./parts/lab_study";
import { LabTraining } from "./parts/lab_training";
import { Panel } from "./parts/panel";
import { ProblemArea } from "./parts/problems";
import { Settings } from "./parts/settings";
import { StatusLine } from "./parts/status_line";
import { Buttons } from "./parts/toolbar";
import { Tools } from "./parts/tools";

const GAP = 12;
const MEANING = { exact: "Computed for exactly this mask", coarse: "A quick answer while the pointer is down; the exact one follows on release" };

interface Answer {
  panels: PanelSaid[];
  report: Raw;
}

class RecipeLab {
  private readonly root = h("div", { class: "mv-widget mv-lab", "data-stroke": 0, "data-exact": "false" });
  private readonly title = h("div", { class: "mv-title" });
  private readonly original = new Panel("original", "picture", "the picture as the first sentence's model sees it");
  private readonly masked = new Panel("masked", "mask", "hatched patches are hidden from every model: paint here");
  private readonly shared: LabPanels;
  private readonly sides: LabSide[] = [];
  private readonly session: MaskSession;
  private readonly tools: Tools;
  private readonly settings: Settings;
  private readonly buttons: Buttons;
  private readonly status: StatusLine;
  private readonly problems: ProblemArea;
  private readonly study: LabStudy;
  private readonly compare = h("button", { type: "button", class: "mv-button", "data-action": "compare", title: "Put a second sentence beside this one, on the same picture and mask" }, "Compare");
  private readonly remove = h("button", { type: "button", class: "mv-button", "data-action": "remove", title: "Take this sentence away" }, "Remove");
  private picture: Pixels | null = null;
  private report: Raw = {};
  private answered = -1; // the version of the mask that the report is about
  private chosen: number | null = null; // panel width in pixels, null = fit

  constructor(
    private readonly model: AnyModel<RecipeLabTraits>,
    el: HTMLElement,
    private readonly signal: AbortSignal,
  ) {
    this.shared = new LabPanels((panel) => this.tools.watch(panel.frame, signal), signal);
    this.session = new MaskSession(model, () => this.repaint(), signal);
    this.tools = new Tools(this.session, () => this.mark());
    this.status = new StatusLine(MEANING, signal);
    this.settings = new Settings(model, this.tools, () => this.mark(), (width) => this.zoom(width), (news) => this.status.tell(news), signal);
    this.buttons = new Buttons(signal);
    this.problems = new ProblemArea(signal);
    this.study = new LabStudy(model, (panel) => this.tools.watch(panel.frame, signal), () => this.fit(), (mask) => this.session.change(mask), signal);
    this.assemble();
    el.append(this.root);
    this.listenToModel();
    this.listenToPerson();
    this.draw();
  }

  private assemble(): void {
    const { model, signal, buttons, settings, root, study } = this;
    const catalogue = readCatalogue(model.get("catalogue"));
    const extra = [[this.compare], [this.remove]];
    for (const place of [0, 1]) {
      const made = (panel: Panel) => this.equip(panel, place);
      this.sides.push(new LabSide(place, catalogue, (said) => this.say(place, said), (news) => this.status.tell(news), made, extra[place]!, signal));
    }
    const files = new Files(root, model, this.session, (problem, news) => ((this.problems.local = problem), news && this.status.tell(news)), signal);
    const all = actions(this.session, this.tools, settings, files);
    const open = all.filter(({ name }) => name === "open");
    const row = (name: string, ...children: Node[]) => h("div", { class: `mv-row mv-${name}` }, ...children);
    this.shared.append();
    root.append(
      row("head", this.title, buttons.group("file", "Picture", open)),
      row("toolbar", buttons.group("tool", "Tool", all), settings.brush, buttons.group("edit", "History", all), buttons.group("mask", "Change the mask", all)),
      row("drawing", ...settings.drawing, buttons.group("draw", "Draw a mask", all), settings.statistics, settings.zoom),
      h("div", { class: "mv-panels mv-labshared" }, this.original.root, this.masked.root, this.shared.root),
      this.problems.root,
      ...this.sides.map((side) => side.root),
      new LabTraining(model, signal).root,
      study.root,
      this.status.root,
    );
    keyboard(root, this.tools, all, () => this.status.say(this.masked.text), signal);
  }

  private equip(panel: Panel, place: number): void {
    const { signal, tools } = this;
    tools.watch(panel.frame, signal);
    if (place || (panel.name !== "guess" && panel.name !== "loss")) return;
    listen(panel.frame, "click", () => {
      if (!this.study.asks || !tools.hover) return;
      this.model.set("query", indexOf(this.session.grid, tools.hover));
      this.model.save_changes();
    }, signal);
  }

  private say(place: number, said: Partial<Said> | null): void {
    const now: unknown[] = [...this.model.get("said")];
    if (said) now[place] = said;
    else now.splice(place, 1);
    this.model.set("said", now as Record<string, unknown>[]);
    this.model.save_changes();
    this.answered = -1;
    this.inform();
  }

  private listenToModel(): void {
    const { model, signal } = this;
    const originals = new Latest<Uint8Array<ArrayBuffer>>((bytes) => this.takeOriginal(bytes), signal);
    const answers = new Latest<Answer>((answer) => this.take(answer), signal);
    const on = (name: keyof RecipeLabTraits, read: () => void) => {
      follow(model, `change:${name}`, read, signal);
      read();
    };
    on("title", () => setText(this.title, model.get("title")));
    on("original", () => originals.put(asBytes(model.get("original")).slice()));
    on("forms", () => this.readForms());
    on("codes", () => model.get("codes").forEach((code, i) => this.sides[i]?.showCode(code)));
    on("curves", () => this.readCurves());
    on("problem", () => {
      this.problems.remote = readProblem(model.get("problem"));
      this.inform();
    });
    on("report", () => {
      const report = record(model.get("report"));
      if (number(report.stroke) === null || number(report.stroke)! < (number(this.report.stroke) ?? 0)) return; // late
      answers.put({ panels: readPanels(model.get("panels"), asBytes(model.get("pixels"))), report });
    });
    follow(model, "change:query", () => this.mark(), signal);
  }

  private listenToPerson(): void {
    const { tools, signal } = this;
    for (const panel of [this.masked, this.original]) {
      panel.frame.tabIndex = panel === this.masked ? 0 : -1;
      ownKeys(panel.frame);
      panel.frame.setAttribute("role", "application");
      panel.frame.setAttribute("aria-label", `Mask editor on the ${panel.name} picture: arrow keys move, Space hides or shows a patch, Shift and arrows paint`);
      panel.frame.classList.add("is-paintable");
      tools.attach(panel.frame, panel.name, signal);
      listen(panel.frame, "focus", () => panel.frame.matches(":focus-visible") && tools.showCursor(), signal);
      listen(panel.frame, "blur", () => tools.point(null), signal);
    }
    listen(this.compare, "click", () => this.say(1, { recipe: text(record(this.model.get("said")[0]).recipe) === "simmim" ? "mae" : "simmim" }), signal);
    listen(this.remove, "click", () => this.say(1, null), signal);
    watchSize(this.root, () => this.fit(), signal);
  }

  private readForms(): void {
    const said = readSaid(this.model.get("said"));
    const forms = list(this.model.get("forms")).map(readForm);
    this.sides.forEach((side, i) => {
      side.root.hidden = !said[i];
      if (said[i] && forms[i]) side.read(said[i], forms[i], said.length === 1);
    });
    this.compare.hidden = said.length > 1;
  }

  private readCurves(): void {
    const { losses, pace } = record(this.model.get("curves"));
    this.sides.forEach((side, i) => {
      const values = list(list(losses)[i]).flatMap((value) => number(value) ?? []);
      side.showCurve(values.length ? { losses: values, pace: number(pace) ?? 0 } : null);
    });
  }

  private async takeOriginal(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.picture = bytes.length ? await decode(new Blob([bytes])).catch(() => null) : null;
    if (!this.signal.aborted) this.fit();
  }

  private async take({ panels, report }: Answer): Promise<void> {
    const drawings = await decoded(panels);
    if (this.signal.aborted) return;
    const stroke = number(report.stroke) ?? 0;
    const whole = report.exact === true;
    const facts = list(report.sides).map(readFacts);
    this.report = report;
    this.session.answered(stroke);
    if (stroke >= this.session.stroke) this.answered = this.session.version;
    this.shared.draw(drawings.filter(({ said }) => said.place < 0), whole);
    this.sides.forEach((side, i) => this.fill(side, drawings.filter(({ said }) => said.place === i), whole, facts[i] ?? null));
    this.fit();
    this.measure(stroke);
    if (whole) this.status.say(`exact, ${count(this.session.mask)} patches hidden`);
  }

  /** A sentence that failed keeps the pictures of the last one that did not, faded. */
  private fill(side: LabSide, drawings: Parameters<LabPanels["draw"]>[0], whole: boolean, facts: Facts | null): void {
    if (drawings.length || !facts?.problem) side.panels.draw(drawings, whole);
    side.report(facts);
  }

  /** From the pointer event that asked for this answer until it is on the screen. */
  private measure(stroke: number): void {
    this.root.dataset.stroke = String(stroke);
    this.root.dataset.exact = String(this.report.exact === true);
    const start = `mimviz:stroke:${stroke}`;
    if (!performance.getEntriesByName(start, "mark").length) return;
    performance.measure("mimviz:latency", { start, detail: { stroke } });
    performance.clearMarks(start);
  }

  private repaint(): void {
    this.problems.local = null;
    this.draw();
  }

  private draw(): void {
    const { grid, mask } = this.session;
    this.original.show(this.picture, "open a picture, or drop one here");
    this.masked.show(this.picture && compose(this.picture, null, mask, grid));
    this.inform();
    this.mark();
  }

  private mark(): void {
    const { grid, mask } = this.session;
    const { hover: ring, footprint, over, painting } = this.tools;
    const at = this.model.get("query");
    const query = at >= 0 && this.study.asks ? { row: Math.floor(at / grid.cols), col: at % grid.cols } : null;
    for (const panel of [this.original, this.masked]) {
      const own = panel === this.masked;
      const brush = own || over === panel.name ? footprint : [];
      panel.mark({ grid, mask: this.picture && (own || (painting && over === panel.name)) ? mask : null, ring, brush, strong: !own });
    }
    for (const panels of [this.shared, ...this.sides.map((side) => side.panels)]) panels.mark(grid, ring, query);
    this.study.mark(grid, ring, query);
    this.masked.say(ring ? `row ${ring.row + 1}, col ${ring.col + 1}: ${mask[indexOf(grid, ring)] ? "hidden" : "visible"}` : `${count(mask)} of ${mask.length} hidden`);
    const { picture } = this;
    this.original.say(!picture ? "" : ring ? `RGB ${meanColour(picture, grid, ring).map((value) => value.toFixed(2)).join(" ")}` : `${picture.width} × ${picture.height} px`);
    this.buttons.update();
  }

  private inform(): void {
    const problem = readProblem(this.model.get("problem"));
    const exact = this.answered === this.session.version && this.report.exact === true;
    const failed = list(this.report.sides).length > 0 && list(this.report.sides).every((each) => readFacts(each).problem);
    const state = failed && exact ? "no result" : problem ? (problem.kind === "blank" ? "waiting for you" : "no result") : exact ? "exact" : this.session.dragging ? "coarse" : "computing …";
    const { events, runs, ms, device } = this.report;
    const parts = [text(device), number(ms) ? `${number(ms)!.toFixed(0)} ms` : "", `hidden ${count(this.session.mask)} of ${this.session.mask.length}`, exact ? text(this.report.reading) : ""];
    if (number(events)) parts.push(`${number(runs)} computations for ${number(events)} events`);
    this.status.show(state, parts.filter(Boolean));
  }

  private zoom(width: number | null): void {
    this.chosen = width;
    this.fit();
  }

  private fit(): void {
    const width = panelWidth(this.root.clientWidth - 2 * GAP, GAP, this.chosen);
    this.root.style.setProperty("--mv-width", `${width}px`);
    this.root.style.setProperty("--mv-aspect", `${this.model.get("width")} / ${this.model.get("height")}`);
    if (this.chosen === null && width > 0) this.settings.showWidth(width);
    const ratio = window.devicePixelRatio || 1;
    for (const panel of [this.original, this.masked]) panel.fit(ratio);
    for (const panels of [this.shared, this.study.panels, ...this.sides.map((side) => side.panels)]) panels.fit(ratio);
    this.draw();
  }
}

export default { render: renderer(RecipeLab) };
