/** What a repair has come to, step by step. */
import { type Raw, list, number, record } from "./read";

export interface Curve {
  loss: (number | null)[]; // null: this picture had too few defective patches
  ratio: number[];
  cosine: number[];
  of: number;
  running: boolean;
}

export function readCurve(raw: Raw | null | undefined): Curve | null {
  const curve = record(raw);
  const numbers = (name: string) => list(curve[name]).map((value) => number(value) ?? 0);
  const loss = list(curve.loss).map(number);
  return loss.length ? { loss, ratio: numbers("ratio"), cosine: numbers("cosine"), of: number(curve.of) ?? loss.length, running: curve.running === true } : null;
}

/** "12,80 14,75": points in a box 100 wide and 100 high, on a logarithmic scale if told; gaps where a value is missing. */
export function points(values: (number | null)[], of: number, low: number, high: number, log = false): string[] {
  const scale = (value: number) => (log ? Math.log(Math.max(value, 1e-12)) : value);
  const [bottom, top] = [scale(low), scale(high)];
  const runs: string[][] = [[]];
  values.forEach((value, i) => {
    if (value === null) return void runs.push([]);
    const y = top > bottom ? 100 - (100 * (scale(value) - bottom)) / (top - bottom) : 50;
    runs.at(-1)!.push(`${((100 * i) / Math.max(1, of - 1)).toFixed(2)},${y.toFixed(2)}`);
  });
  return runs.filter((run) => run.length).map((run) => run.join(" "));
}
