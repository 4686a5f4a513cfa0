/** Norms of tokens, what parts them, and what stands above. No DOM. */
import { type Grid, type Patch, indexOf } from "./grid";
import { type Raw, list, number, record, text } from "./read";

export interface Mode {
  threshold: number | null; // null where nothing parts the norms
  confidence: number;
  why: string;
  ratio: number; // largest : median
}

export interface Bin {
  from: number;
  to: number;
  count: number;
}

export interface Span {
  min: number;
  max: number;
}

export function readModes(raw: Raw | null | undefined): Mode[] {
  return list(record(raw).list ?? record(raw).modes).map((each) => {
    const mode = record(each);
    return { threshold: number(mode.threshold), confidence: number(mode.confidence) ?? 0, why: text(mode.why), ratio: number(mode.ratio) ?? 0 };
  });
}

/** One layer of numbers that lie layer by layer; empty where there are none. */
export function layerOf(all: Float32Array, layer: number, size: number, skip = 0): Float32Array {
  const row = size + skip;
  return all.length >= (layer + 1) * row ? all.subarray(layer * row + skip, (layer + 1) * row) : new Float32Array(0);
}

/** Patches with a norm above the threshold. */
export function above(norms: Float32Array, threshold: number | null): number[] {
  if (threshold === null) return [];
  const found: number[] = [];
  norms.forEach((norm, i) => norm > threshold && found.push(i));
  return found;
}

/** The axis of a histogram: a little wider than the numbers, so that a threshold can stand beside them. */
export function axisOf(norms: Float32Array): Span | null {
  let [min, max] = [Infinity, 0];
  for (const norm of norms) {
    if (!(norm > 0) || !Number.isFinite(norm)) continue;
    min = Math.min(min, norm);
    max = Math.max(max, norm);
  }
  return max > 0 ? { min: min / 1.15, max: max * 1.15 } : null;
}

/** Where a norm stands on the axis, 0..1; it is logarithmic, as outliers may be a hundred times larger. */
export function placeOf(norm: number, axis: Span): number {
  return Math.min(1, Math.max(0, Math.log(norm / axis.min) / Math.log(axis.max / axis.min)));
}

/** The norm at a place 0..1 of the axis. */
export function normAt(place: number, axis: Span): number {
  return axis.min * (axis.max / axis.min) ** Math.min(1, Math.max(0, place));
}

export function histogram(norms: Float32Array, axis: Span, bins = 36): Bin[] {
  const made = Array.from({ length: bins }, (_, i) => ({ from: normAt(i / bins, axis), to: normAt((i + 1) / bins, axis), count: 0 }));
  for (const norm of norms) {
    if (!(norm > 0) || !Number.isFinite(norm)) continue;
    made[Math.min(bins - 1, Math.floor(placeOf(norm, axis) * bins))]!.count++;
  }
  return made;
}

/** Mean of a map over the two to four patches beside one. */
export function beside(values: Float32Array, grid: Grid, { row, col }: Patch): number | null {
  const near = [[-1, 0], [1, 0], [0, -1], [0, 1]]
    .map(([r, c]) => ({ row: row + r!, col: col + c! }))
    .filter((patch) => patch.row >= 0 && patch.col >= 0 && patch.row < grid.rows && patch.col < grid.cols)
    .map((patch) => values[indexOf(grid, patch)] ?? NaN)
    .filter((value) => Number.isFinite(value));
  return near.length ? near.reduce((sum, value) => sum + value, 0) / near.length : null;
}

/** The patches that a box of pixels (left, top, right, bottom) covers. */
export function inBox(box: number[], grid: Grid, width: number, height: number): number[] {
  const [left, top, right, bottom] = box;
  if (left === undefined || top === undefined || right === undefined || bottom === undefined) return [];
  const [w, h] = [width / grid.cols, height / grid.rows];
  const found: number[] = [];
  for (let row = 0; row < grid.rows; row++) {
    for (let col = 0; col < grid.cols; col++) {
      const [x, y] = [(col + 0.5) * w, (row + 0.5) * h];
      if (x > left && x < right && y > top && y < bottom) found.push(row * grid.cols + col);
    }
  }
  return found;
}

/** Three or so digits, whatever the size. */
export function brief(value: number): string {
  const size = Math.abs(value);
  if (size >= 1000 || (size > 0 && size < 0.001)) return value.toExponential(1);
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : value.toPrecision(3);
}
