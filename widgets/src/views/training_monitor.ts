/** TrainingMonitor: a training to be watched, paused, rewound and branched. */
import type { AnyModel } from "@anywidget/types";
import { asBytes, asFloats } from "../kit/binary";
import { toPoint } from "../kit/grid";
import type { Patch } from "../kit/grid";
import { panelWidth } from "../kit/layout";
import { follow, listen, watchSize } from "../kit/lifetime";
import { list, number, record } from "../kit/read";
import { readPanels } from "../kit/recipe_lab";
import { renderer } from "../kit/renderer";
import { readProblem } from "../kit/report";
import { type Curve, type RunSaid, heldCurve, momentsOf, nearest, progressOf, readCurves, readRuns } from "../kit/training";
import type { SaliencyComparerTraits, TrainingMonitorTraits } from "../traits";
import { MethodMenu } from "./parts/choices";
import { h, setText } from "./parts/dom";
import { slider } from "./parts/fields";
import { decoded } from "./parts/lab_panels";
import type { Panel } from "./parts/panel";
import { ProblemArea } from "./parts/problems";
import { StatusLine } from "./parts/status_line";
import { TrainChart } from "./parts/train_chart";
import { TrainHealth } from "./parts/train_health";
import { TrainPlaces, readPlaces } from "./parts/train_places";
import { type Ask, TrainRun } from "./parts/train_run";
import { LIVE, TrainTime } from "./parts/train_time";

const GAP = 12;

class TrainingMonitor {
  private readonly root = h("div", { class: "mv-widget mv-training" });
  private readonly title = h("div", { class: "mv-title" });
  private readonly rows = h("div", { class: "mv-train-runs" });
  private readonly empty = h("div", { class: "mv-train-blank", hidden: true });
  private readonly legend = h("span", { class: "mv-train-legend", title: "The loss on held-out pictures, in eval mode, at the same masks each time", hidden: true }, "held out");
  private runs: RunSaid[] = [];
  private curves: Curve[] = [];
  private parts: TrainRun[] = [];
  private born: AbortController | null = null; // of the rows on display
  private charts: TrainChart[] = [];
  private log = true;
  private keep = 0.8;
  private hover: number | null = null;
  private width: number | null = null; // of a panel in pixels, null = fit
  private frame = 0;
  private asked = LIVE; // the moment whose pictures are on display
  private steps: (number | null)[] = [];
  private order = 0; // of pictures that are being decoded
  private readonly health = new TrainHealth();
  private readonly time: TrainTime;
  private readonly places: TrainPlaces;
  private readonly problems: ProblemArea;
  private readonly status: StatusLine;

  constructor(
    private readonly model: AnyModel<TrainingMonitorTraits>,
    el: HTMLElement,
    private readonly signal: AbortSignal,
  ) {
    this.time = new TrainTime((step) => this.go(step), (value, lr) => this.ask({ do: "branch", run: 0, value, ...(lr ? { lr } : {}) }), signal);
    this.places = new TrainPlaces((panel, place) => this.equip(panel, place), signal);
    this.problems = new ProblemArea(signal);
    this.status = new StatusLine({ training: "Numbers come a few times a second, pictures in a small share of the time" }, signal);
    this.assemble();
    el.append(this.root);
    this.connect();
    signal.addEventListener("abort", () => (this.born?.abort(), cancelAnimationFrame(this.frame)), { once: true });
  }

  private assemble(): void {
    const { signal } = this;
    const chart = (...[column, caption, meaning, instead]: [ConstructorParameters<typeof TrainChart>[0], string, string, string]) =>
      new TrainChart(column, caption, meaning, instead, (step) => this.point(step), (step) => this.go(this.momentAt(step)), signal);
    this.charts = [
      chart("loss", "loss", "the loss of every step, thin, or its range; smoothed, thick", "no step yet"),
      chart("lr", "learning rate", "what each step used", ""),
      chart("norm", "gradient", "L2 norm of the whole gradient before it is clipped", ""),
      chart("accuracy", "accuracy, held out", "the share of held-out pictures that is named right", ""),
    ];
    const log = h("button", { type: "button", class: "mv-toggle", "aria-pressed": String(this.log), title: "Logarithmic axes for loss and gradient" }, "log");
    listen(log, "click", () => {
      this.log = !this.log;
      log.setAttribute("aria-pressed", String(this.log));
      this.draw();
    }, signal);
    this.charts[0]!.chart.head.append(this.legend, log);
    const smoothing = slider("Smooth", "Smoothing of the loss", "0 shows the raw loss alone", { min: 0, max: 0.99, step: 0.01 }, signal, (value) => {
      this.keep = value;
      this.draw();
    });
    smoothing.show(this.keep);
    const size = slider("Panels", "Panel size", "Width of every panel in pixels", { min: 72, max: 480, step: 4 }, signal, (value) => {
      this.width = value;
      this.fit();
    });
    size.show(140);
    const menu = new MethodMenu(this.model as unknown as AnyModel<SaliencyComparerTraits>, signal); // the same two traits
    this.root.append(
      h("div", { class: "mv-row mv-head" }, this.title, h("div", { class: "mv-group" }, menu.root, smoothing.root, size.root)),
      this.rows,
      h("div", { class: "mv-train-charts" }, ...this.charts.map(({ root }) => root)),
      this.time.root, this.health.root, this.empty, this.places.root, this.problems.root, this.status.root,
    );
  }

  private connect(): void {
    const { model, signal } = this;
    const on = (names: (keyof TrainingMonitorTraits)[], read: () => void) => {
      for (const name of names) follow(model, `change:${name}`, read, signal);
      read();
    };
    on(["title"], () => setText(this.title, model.get("title")));
    on(["report", "curves"], () => this.takeNumbers());
    on(["frame"], () => void this.takeFrame());
    on(["moment", "branching"], () => this.draw());
    on(["problem"], () => (this.problems.remote = readProblem(model.get("problem"))));
    watchSize(this.root, () => this.fit(), signal);
  }

  private ask(what: Parameters<Ask>[0] & { lr?: number }): void {
    this.put("command", { ...what, count: (number(this.model.get("command").count) ?? 0) + 1 });
  }

  private put<K extends "command" | "moment">(name: K, value: TrainingMonitorTraits[K]): void {
    this.model.set(name, value as never);
    this.model.save_changes();
  }

  private go(step: number): void {
    if (step === this.model.get("moment")) return;
    this.put("moment", step);
    this.places.stale = true;
    this.draw();
  }

  /** The kept moment nearest to a step. */
  private momentAt(step: number): number {
    const all = momentsOf(this.runs);
    return all[nearest(all, step)] ?? LIVE;
  }

  private takeNumbers(): void {
    const report = this.model.get("report");
    const floats = asFloats(this.model.get("curves"));
    const rows = list(report.points).reduce<number>((sum, each) => sum + (number(each) ?? 0), 0);
    if (floats.length !== 6 * rows) return; // the other half of the message is to come
    const before = this.runs.map(({ state }) => state).join();
    this.runs = readRuns(report);
    this.curves = readCurves(report, floats);
    if (this.parts.length !== this.runs.length) this.rebuild();
    this.runs.forEach((run, i) => this.parts[i]!.show(run));
    this.health.show(this.runs);
    const now = this.runs.map(({ state }) => state).join();
    if (before && before !== now) this.status.say(this.runs.map(({ name, state }) => `${name} is ${state}`).join(", "));
    this.draw();
  }

  private rebuild(): void {
    this.born?.abort();
    const born = (this.born = new AbortController());
    this.parts = this.runs.map((_, i) => new TrainRun(i, (what) => this.ask(what), born.signal));
    this.rows.replaceChildren(...this.parts.map(({ root }) => root));
  }

  private async takeFrame(): Promise<void> {
    const frame = record(this.model.get("frame"));
    const mine = ++this.order;
    const places = readPlaces(frame.places);
    const panels = readPanels(frame.panels, asBytes(this.model.get("pictures")));
    const drawings = await decoded(panels);
    if (mine !== this.order || this.signal.aborted) return;
    this.asked = number(frame.asked) ?? LIVE;
    this.steps = list(frame.steps).map(number);
    this.places.draw(places, drawings, this.runs.map(({ name }, i) => `${name}, step ${this.steps[i] ?? 0}`));
    this.places.stale = this.asked !== this.model.get("moment");
    this.empty.hidden = places.length > 0 || frame.asked === undefined;
    setText(this.empty, "No picture is watched, or the run was opened without its model: Run(model, batches, watch=[picture]), TrainingMonitor(run, pictures=[picture]), Run.open(folder, model).");
    this.time.arrived(this.asked);
    this.fit();
    this.draw(); // the line says no longer that they are on their way
  }

  private equip(panel: Panel, place: number): void {
    const { frame } = panel;
    const at = (event: PointerEvent): Patch | null => {
      const grid = this.places.grid(place);
      if (!grid) return null;
      const { x, y } = toPoint(grid, frame.getBoundingClientRect(), event.clientX, event.clientY);
      return { row: Math.floor(y), col: Math.floor(x) };
    };
    listen(frame, "pointermove", (event) => this.places.mark(at(event)), this.signal);
    listen(frame, "pointerleave", () => this.places.mark(null), this.signal);
  }

  private point(step: number | null): void {
    this.hover = step;
    this.draw();
  }

  /** Once a frame at most. */
  private draw(): void {
    if (this.frame || this.signal.aborted) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      const moment = this.model.get("moment");
      const { curves, log, keep, hover } = this;
      const end = Math.max(1, ...this.runs.map(({ steps }) => steps));
      const cursors = moment === LIVE ? [] : this.runs.map((run) => run.moments.filter((step) => step <= moment).at(-1) ?? null);
      const held = this.runs.map((run) => heldCurve(run.held));
      const [loss, lr, norm, accuracy] = this.charts as [TrainChart, TrainChart, TrainChart, TrainChart];
      for (const chart of [loss, lr, norm]) chart.draw({ curves, held, end, log, keep, cursors, hover });
      accuracy.root.hidden = !held.some((curve) => curve.accuracy.some(Number.isFinite));
      accuracy.draw({ curves: held, held, end, log, keep, cursors, hover });
      this.legend.hidden = !held.some(({ step }) => step.length);
      this.time.show(this.runs, moment, this.model.get("branching"));
      this.inform(moment);
    });
  }

  private inform(moment: number): void {
    const ms = number(record(this.model.get("frame")).ms);
    const states = this.runs.map(({ state }) => state);
    const state = !states.length ? "waiting" : states.includes("failed") ? "failed" : states.includes("running") ? "training" : states.every((each) => each === "finished") ? "exact" : states[0]!;
    const said = this.runs.length === 1 ? progressOf(this.runs[0]!) : this.runs.map((run) => `${run.name}: step ${run.done}`);
    const kept = this.runs.map((run) => `${(run.bytes / 1e6).toFixed(1)} of ${(run.budget / 1e6).toFixed(0)} MB`).join(" and ");
    const shown = this.asked === moment ? [] : ["pictures are on their way"];
    this.status.show(state === "exact" ? "finished" : state, [...said, `kept ${kept}`, ...(ms ? [`pictures took ${ms.toFixed(0)} ms`] : []), ...shown]);
  }

  private fit(): void {
    const width = this.width ?? Math.min(140, panelWidth(this.root.clientWidth - 24, GAP, null));
    this.root.style.setProperty("--mv-width", `${width}px`);
    this.places.fit(window.devicePixelRatio || 1);
    this.places.mark(null);
  }
}

export default { render: renderer(TrainingMonitor) };
