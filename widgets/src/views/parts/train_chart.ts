/** A curve of one or two trainings over their steps: hover reads it, a click goes there in time. */
import { listen } from "../../kit/lifetime";
import { brief } from "../../kit/norms";
import { type Column, type Curve, type Span, band, height, line, nearest, smooth, spanOf } from "../../kit/training";
import { Chart } from "./chart";
import { h } from "./dom";
import { s } from "./svg";

export interface Drawn {
  curves: Curve[];
  held: Curve[]; // of held-out pictures, one for each run, beside the loss
  end: number; // step at the right end
  log: boolean;
  keep: number; // smoothing, 0..1
  cursors: (number | null)[]; // step that each run shows
  hover: number | null;
}

export class TrainChart {
  readonly chart: Chart;
  private span: Span | null = null;
  private drawn: Drawn | null = null;

  constructor(
    private readonly column: Column,
    caption: string,
    meaning: string,
    private readonly instead: string,
    hovered: (step: number | null) => void,
    chosen: (step: number) => void,
    signal: AbortSignal,
  ) {
    this.chart = new Chart(`train-${column}`, caption, meaning);
    this.chart.root.classList.add("mv-train-chart");
    const { frame } = this.chart;
    const at = (event: PointerEvent | MouseEvent) => {
      const box = frame.getBoundingClientRect();
      return box.width && this.drawn ? Math.round(((event.clientX - box.left) / box.width) * this.drawn.end) : null;
    };
    listen(frame, "pointermove", (event) => hovered(at(event)), signal);
    listen(frame, "pointerleave", () => hovered(null), signal);
    listen(frame, "click", (event) => {
      const step = at(event);
      if (step !== null) chosen(step);
    }, signal);
  }

  get root(): HTMLElement {
    return this.chart.root;
  }

  draw(drawn: Drawn): void {
    this.drawn = drawn;
    const { curves, end, keep } = drawn;
    const log = drawn.log && this.column !== "lr" && this.column !== "accuracy";
    const all = curves.map((curve) => curve[this.column]);
    const smoothing = keep > 0 && this.column === "loss";
    const held = this.column === "loss" ? drawn.held : [];
    this.span = spanOf(this.column === "loss" ? [...curves, ...held].flatMap((curve) => [curve.least, curve.most]) : all, log);
    const { span } = this;
    if (!span) {
      this.chart.label("", "", "");
      this.chart.say("");
      return this.chart.draw([], this.instead);
    }
    const marks: SVGElement[] = [];
    curves.forEach((curve, i) => {
      const between = this.column === "loss" ? band(curve, span, end) : "";
      if (between) marks.push(s("polygon", { points: between, class: `mv-train-band is-run${i}` }));
      const values = all[i]!;
      const thin = (data: Float32Array, name: string) => line(curve.step, data, span, end).map((points) => s("polyline", { points, class: `${name} is-run${i}` }));
      if (smoothing) marks.push(...thin(values, "mv-train-raw"), ...thin(smooth(values, keep), "mv-train-line"));
      else marks.push(...thin(values, "mv-train-line"));
    });
    const far = this.column === "accuracy" ? curves : held; // whose points are few
    far.forEach((curve, i) => {
      for (const points of line(curve.step, curve[this.column], span, end)) {
        if (curve !== curves[i]) marks.push(s("polyline", { points, class: `mv-train-held is-run${i}` }));
        marks.push(s("path", { d: points.split(" ").map((point) => `M${point}h0`).join(""), class: `mv-train-dot is-run${i}` }));
      }
    });
    drawn.cursors.forEach((step, i) => {
      if (step !== null) marks.push(s("line", { x1: (100 * step) / Math.max(1, end), x2: (100 * step) / Math.max(1, end), y1: 0, y2: 100, class: `mv-train-cursor is-run${i}` }));
    });
    if (drawn.hover !== null) marks.push(s("line", { x1: (100 * drawn.hover) / Math.max(1, end), x2: (100 * drawn.hover) / Math.max(1, end), y1: 0, y2: 100, class: "mv-train-hover" }));
    this.chart.draw(marks);
    this.chart.label("0", `${this.word(span.low)} … ${this.word(span.high)}${log ? ", log" : ""}`, String(end));
    this.read(drawn);
  }

  /** The values under the cursor, or of the newest step. */
  private read({ curves, held, hover, keep }: Drawn): void {
    const smoothing = keep > 0 && this.column === "loss";
    const said = curves.flatMap((curve, i) => {
      const values = curve[this.column];
      const at = hover === null ? values.length - 1 : nearest(curve.step, hover);
      if (at < 0) return [];
      const raw = values[at]!;
      const value = Number.isFinite(raw) ? this.word(raw) : "not finite";
      const tested = this.column === "loss" ? held[i] : undefined;
      const point = tested ? nearest(tested.step, hover ?? tested.step.at(-1) ?? 0) : -1;
      const beside = point < 0 ? "" : `, held out ${brief(tested!.loss[point]!)}${hover === null ? "" : ` at ${tested!.step[point]}`}`;
      return [`${value}${smoothing ? ` (smoothed ${brief(smooth(values, keep)[at]!)})` : ""}${beside}`];
    });
    const step = hover === null ? "" : `step ${hover}: `;
    this.chart.say(`${step}${said.join(" · ")}`);
  }

  private word(value: number): string {
    return this.column === "accuracy" ? `${(100 * value).toFixed(1)} %` : brief(value);
  }

  /** For tests: where a value lies. */
  place(value: number): number | null {
    return this.span && height(value, this.span);
  }
}

/** A swatch in the colour of a run. */
export function swatch(run: number): HTMLElement {
  return h("span", { class: `mv-train-swatch is-run${run}`, "aria-hidden": "true" });
}
