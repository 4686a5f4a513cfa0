/** Pixel work without a DOM: RGBA bytes in, RGBA bytes out. */
import { type Grid, type Patch, indexOf } from "./grid";
import type { Mask } from "./mask";

export interface Pixels {
  data: Uint8ClampedArray<ArrayBuffer>;
  width: number;
  height: number;
}

/** Hidden patches from `under` (or one grey when null), visible ones from `original`. */
export function compose(original: Pixels, under: Pixels | null, mask: Mask, grid: Grid, grey = 128): Pixels {
  const { width, height } = original;
  const data = original.data.slice();
  const target = new Uint32Array(data.buffer);
  const fits = under && under.width === width && under.height === height;
  const source = fits ? new Uint32Array(under.data.slice().buffer) : null;
  const flat = new Uint32Array(new Uint8ClampedArray([grey, grey, grey, 255]).buffer)[0]!;
  for (let y = 0, i = 0; y < height; y++) {
    const row = Math.floor((y * grid.rows) / height) * grid.cols;
    for (let x = 0; x < width; x++, i++) {
      if (mask[row + Math.floor((x * grid.cols) / width)]) target[i] = source ? source[i]! : flat;
    }
  }
  return { data, width, height };
}

/** Mean colour of one patch, RGB 0..1. */
export function meanColour(pixels: Pixels, grid: Grid, patch: Patch): [number, number, number] {
  const [top, bottom] = [patch.row, patch.row + 1].map((r) => Math.floor((r * pixels.height) / grid.rows));
  const [left, right] = [patch.col, patch.col + 1].map((c) => Math.floor((c * pixels.width) / grid.cols));
  const sum: [number, number, number] = [0, 0, 0];
  let n = 0;
  for (let y = top!; y < bottom!; y++) {
    for (let x = left!; x < right!; x++, n++) {
      const i = 4 * (y * pixels.width + x);
      for (let c = 0; c < 3; c++) sum[c]! += pixels.data[i + c]! / 255;
    }
  }
  return n ? [sum[0] / n, sum[1] / n, sum[2] / n] : [0, 0, 0];
}

export interface Range {
  min: number;
  max: number;
}

/** True minimum and maximum of the finite values; null when there is none. */
export function rangeOf(values: Float32Array): Range | null {
  let min = Infinity;
  let max = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  return min <= max ? { min, max } : null;
}

/** One pixel per value through a colour map of 256 RGB triples; values that are not finite stay transparent. */
export function colourize(values: Float32Array, grid: Grid, map: Uint8Array, range: Range): Pixels {
  const data = new Uint8ClampedArray(4 * grid.rows * grid.cols);
  const scale = range.max > range.min ? 255 / (range.max - range.min) : 0;
  values.forEach((value, i) => {
    if (!Number.isFinite(value)) return;
    const at = 3 * Math.round((value - range.min) * scale);
    const to = 4 * i;
    data[to] = map[at]!;
    data[to + 1] = map[at + 1]!;
    data[to + 2] = map[at + 2]!;
    data[to + 3] = 255;
  });
  return { data, width: grid.cols, height: grid.rows };
}

export function valueAt(values: Float32Array, grid: Grid, patch: Patch): number | null {
  return values[indexOf(grid, patch)] ?? null;
}
