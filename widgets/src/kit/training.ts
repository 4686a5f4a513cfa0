/** What Python says of trainings: states, curves, health; and where their points lie in a drawing. No DOM. */
import { type Raw, list, number, record, text } from "./read";

export const COLUMNS = 6;
export type Column = "loss" | "least" | "most" | "lr" | "norm" | "accuracy";
export type Curve = { step: Float32Array } & Record<Column, Float32Array>;

/** What a model made of held-out pictures after a step; accuracy null where it names nothing. */
export interface Held {
  step: number;
  loss: number | null;
  accuracy: number | null;
}

export interface Layer {
  name: string;
  gradient: number | null;
  weights: number | null;
  ratio: number | null;
  silent: number | null;
  broken: number;
  state: string; // "broken", "dead", "exploding" or ""
}

export interface Chip {
  step: number;
  title: string;
  text: string;
}

export interface RunSaid {
  name: string;
  state: string;
  message: string;
  done: number;
  steps: number;
  loss: number | null;
  rate: number | null;
  peak: number | null;
  drives: boolean;
  speed: number | null;
  left: number | null;
  seconds: number;
  moments: number[];
  exact: Set<number>;
  bytes: number;
  budget: number;
  changes: [number, number][];
  warnings: Chip[];
  held: Held[];
  health: { step: number; layers: Layer[] } | null;
}

const numbers = (value: unknown): number[] => list(value).flatMap((each) => number(each) ?? []);

function readLayer(raw: unknown): Layer {
  const [name, gradient, weights, ratio, silent, broken, state] = list(raw);
  return { name: text(name), gradient: number(gradient), weights: number(weights), ratio: number(ratio), silent: number(silent), broken: number(broken) ?? 0, state: text(state) };
}

export function readRuns(report: Raw): RunSaid[] {
  return list(report.runs).map((raw) => {
    const run = record(raw);
    const count = (name: string) => number(run[name]) ?? 0;
    const health = record(run.health);
    const layers = list(health.layers).map(readLayer);
    return {
      name: text(run.name), state: text(run.state), message: text(run.message), done: count("done"), steps: count("steps"),
      loss: number(run.loss), rate: number(run.rate), peak: number(run.peak), drives: run.drives === true, speed: number(run.speed),
      left: number(run.left), seconds: count("seconds"), moments: numbers(run.moments), exact: new Set(numbers(run.exact)),
      bytes: count("bytes"), budget: count("budget"), changes: list(run.changes).map((pair) => numbers(pair) as [number, number]),
      warnings: list(run.warnings).map((each) => ({ step: number(record(each).step) ?? 0, title: text(record(each).title), text: text(record(each).text) })),
      held: list(run.validation).map((each) => {
        const [step, loss, accuracy] = list(each);
        return { step: number(step) ?? 0, loss: number(loss), accuracy: number(accuracy) };
      }),
      health: layers.length ? { step: number(health.step) ?? 0, layers } : null,
    };
  });
}

/** Rows of six numbers, one run after another, as columns. */
export function readCurves(report: Raw, values: Float32Array): Curve[] {
  let start = 0;
  return numbers(report.points).map((count) => {
    const rows = values.subarray(COLUMNS * start, COLUMNS * (start + count));
    start += count;
    const column = (at: number) => Float32Array.from({ length: rows.length / COLUMNS }, (_, i) => rows[COLUMNS * i + at]!);
    return { step: column(0), loss: column(1), least: column(2), most: column(3), lr: column(4), norm: column(5), accuracy: NONE };
  });
}

const NONE = new Float32Array(0);

/** The points of held-out pictures as a curve of its own. */
export function heldCurve(points: Held[]): Curve {
  const loss = Float32Array.from(points, (each) => each.loss ?? NaN);
  const accuracy = Float32Array.from(points, (each) => each.accuracy ?? NaN);
  return { step: Float32Array.from(points, ({ step }) => step), loss, least: loss, most: loss, lr: NONE, norm: NONE, accuracy };
}

/** "held out 0.612, 43.3 % right" of the last point up to a step; "" where there is none. */
export function sayHeld(points: Held[], step: number): string {
  const last = points.filter((each) => each.step <= step).at(-1);
  if (!last) return "";
  const right = last.accuracy === null ? "" : `, ${(100 * last.accuracy).toFixed(1)} % right`;
  return `held out ${last.loss === null ? "not finite" : last.loss.toPrecision(3)}${right}`;
}

export interface Span {
  low: number;
  high: number;
  log: boolean;
}

/** Least and greatest of the finite values (above 0 on a logarithmic scale) of all curves; null where there is none. */
export function spanOf(all: Float32Array[], log: boolean): Span | null {
  let [low, high] = [Infinity, -Infinity];
  for (const values of all) {
    for (const value of values) {
      if (!Number.isFinite(value) || (log && value <= 0)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return low <= high ? { low, high, log } : null;
}

/** 0 at the top of a drawing 100 high; null for what cannot be drawn. */
export function height(value: number, { low, high, log }: Span): number | null {
  if (!Number.isFinite(value) || (log && value <= 0)) return null;
  const scale = (each: number) => (log ? Math.log(each) : each);
  const share = high > low ? (scale(value) - scale(low)) / (scale(high) - scale(low)) : 0.5;
  return 96 - 92 * Math.min(1, Math.max(0, share));
}

/** "x,y x,y" for each stretch without a gap, in a drawing 100 wide whose right end is step `end`. */
export function line(steps: Float32Array, values: ArrayLike<number>, span: Span, end: number): string[] {
  const runs: string[][] = [[]];
  steps.forEach((step, i) => {
    const y = height(values[i]!, span);
    if (y === null) return void (runs.at(-1)!.length && runs.push([]));
    runs.at(-1)!.push(`${((100 * step) / Math.max(1, end)).toFixed(2)},${y.toFixed(2)}`);
  });
  return runs.filter((run) => run.length).map((run) => run.join(" "));
}

/** The stretch between least and most as one polygon; "" where nothing lies between. */
export function band(curve: Curve, span: Span, end: number): string {
  if (curve.least.every((value, i) => value === curve.most[i])) return "";
  const above = line(curve.step, curve.most, span, end)[0] ?? "";
  const below = (line(curve.step, curve.least, span, end)[0] ?? "").split(" ").reverse().join(" ");
  return above && below ? `${above} ${below}` : "";
}

/** An exponential mean that starts without bias; values that are not finite are passed over. keep 0 changes nothing. */
export function smooth(values: Float32Array, keep: number): Float32Array {
  let [mean, weight] = [0, 0];
  return values.map((value) => {
    if (!Number.isFinite(value)) return NaN;
    mean = keep * mean + (1 - keep) * value;
    weight = keep * weight + (1 - keep);
    return mean / weight;
  });
}

/** Number of the point nearest to a step; −1 where there is none. */
export function nearest(steps: ArrayLike<number>, step: number): number {
  let best = -1;
  for (let i = 0; i < steps.length; i++) if (best < 0 || Math.abs(steps[i]! - step) < Math.abs(steps[best]! - step)) best = i;
  return best;
}

/** All steps that can be gone back to, in order. */
export function momentsOf(runs: RunSaid[]): number[] {
  return [...new Set(runs.flatMap((run) => run.moments))].sort((a, b) => a - b);
}

export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** The state of a run in the words of the page. */
export function progressOf(run: RunSaid): string[] {
  const said = [`step ${run.done} of ${run.steps}`];
  if (run.loss !== null) said.push(`loss ${run.loss.toPrecision(3)}`);
  if (run.held.length) said.push(sayHeld(run.held, run.done));
  if (run.speed !== null) said.push(`${run.speed >= 100 ? run.speed.toFixed(0) : run.speed.toPrecision(2)} pictures/s`);
  if (run.state === "running" && run.left !== null) said.push(`about ${duration(run.left)} left`);
  else if (run.seconds) said.push(`${duration(run.seconds)} of training`);
  return said;
}

/** "all well", or which layers are not. */
export function healthOf(layers: Layer[]): string {
  const ill = layers.filter(({ state }) => state);
  if (!ill.length) return "all well";
  return ill.slice(0, 3).map(({ name, state }) => `${name} is ${state}`).join(", ") + (ill.length > 3 ? ` and ${ill.length - 3} more` : "");
}
