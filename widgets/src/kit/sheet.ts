/** Rows of attention: read from the bytes that Python sends, with the error that comes with them. */
import { asFloats } from "./binary";
import type { Range } from "./compose";
import { type LayerShape, bytesOf, keysOf, patchesOf } from "./stacks";

const STEPS = 255;
const SQUARES = Float32Array.from({ length: 256 }, (_, code) => (code / STEPS) ** 2);

/** What one head gives from one token: to every patch, and to the tokens in front of them. */
export interface Row {
  patches: Float32Array;
  front: Float32Array;
  exact: boolean;
}

/** `count` rows of every head of a layer, as Python's `encode` makes them; a row is decoded when it is asked for. */
export class Sheet {
  private readonly ranges: Float32Array; // smallest value and spread of each row
  private readonly firsts: DataView;
  private readonly codes: Uint8Array;

  constructor(
    bytes: Uint8Array<ArrayBuffer>,
    readonly shape: LayerShape,
    readonly count: number,
  ) {
    const rows = shape.heads * count;
    this.ranges = asFloats(bytes.subarray(0, 8 * rows));
    this.firsts = new DataView(bytes.buffer, bytes.byteOffset + 8 * rows, 2 * rows * shape.front);
    this.codes = bytes.subarray(rows * (8 + 2 * shape.front), rows * (8 + 2 * shape.front + patchesOf(shape)));
  }

  /** null where the pass had no such token. */
  row(head: number, query: number): Row | null {
    const { front } = this.shape;
    const at = head * this.count + query;
    const [low, spread] = [this.ranges[2 * at] ?? NaN, this.ranges[2 * at + 1] ?? NaN];
    if (!(query < this.count) || Number.isNaN(low)) return null;
    const patches = new Float32Array(patchesOf(this.shape));
    const start = at * patches.length;
    for (let i = 0; i < patches.length; i++) patches[i] = low + spread * SQUARES[this.codes[start + i]!]!;
    const first = Float32Array.from({ length: front }, (_, i) => this.firsts.getUint16(2 * (at * front + i), true) / 65535);
    return { patches, front: first, exact: false };
  }
}

/** Sheets that lie one behind the other, one for each shape; null where a model has no such layer. */
export function split(bytes: Uint8Array<ArrayBuffer>, shapes: (LayerShape | null)[], count: (shape: LayerShape) => number): (Sheet | null)[] {
  let at = 0;
  return shapes.map((shape) => {
    if (!shape) return null;
    const size = bytesOf(shape, count(shape));
    at += size;
    return new Sheet(bytes.subarray(at - size, at), shape, count(shape));
  });
}

/** One row of every head as Python computed it: float32 (heads, tokens); null where it has none. */
export function exactRow(floats: Float32Array, shape: LayerShape, head: number): Row | null {
  const tokens = keysOf(shape);
  const all = floats.subarray(head * tokens, (head + 1) * tokens);
  if (all.length !== tokens || Number.isNaN(all[tokens - 1])) return null;
  return { front: all.slice(0, shape.front), patches: all.slice(shape.front), exact: true };
}

/** The largest error of a value that was read from a byte: half a step of its code. `range` is the row's. */
export function halfStep(value: number, { min, max }: Range): number {
  const spread = max - min;
  if (!(spread > 0)) return 0;
  const code = Math.round(Math.sqrt((value - min) / spread) * STEPS);
  return (spread * (code + 0.25)) / STEPS ** 2;
}

/** Several heads as one. Exact when all of them are. */
export function combine(rows: Row[], how: "mean" | "max"): Row | null {
  const [first] = rows;
  if (!first) return null;
  const join = (part: "patches" | "front") => {
    return first[part].map((_, i) => {
      const values = rows.map((row) => row[part][i]!);
      return how === "max" ? Math.max(...values) : values.reduce((sum, value) => sum + value, 0) / rows.length;
    });
  };
  return { patches: join("patches"), front: join("front"), exact: rows.every((row) => row.exact) };
}

export function total(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

/** The fewest patches that together hold `share` (0..1) of what the patches get; none for 0 and where there is nothing to share. */
export function massSet(values: Float32Array, share: number): number[] {
  const all = total(values);
  if (!(share > 0) || !(all > 0)) return [];
  const order = Array.from(values.keys()).sort((a, b) => values[b]! - values[a]!);
  const kept: number[] = [];
  for (let sum = 0, i = 0; i < order.length && sum < share * all * (1 - 1e-6); i++) {
    kept.push(order[i]!);
    sum += values[order[i]!]!;
  }
  return kept;
}

/** A weight in few letters. */
export function weight(value: number): string {
  if (value === 0) return "0";
  return value >= 0.001 ? value.toPrecision(3) : value.toExponential(1).replace("e-", "e−");
}
