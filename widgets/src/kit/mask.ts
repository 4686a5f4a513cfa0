/** Masks as bytes, one per patch, row by row: 1 = hidden. Every function returns a new mask. */
import type { Grid } from "./grid";

export type Mask = Uint8Array;

export function count(mask: Mask): number {
  let hidden = 0;
  for (const value of mask) hidden += value ? 1 : 0;
  return hidden;
}

export function equal(a: Mask, b: Mask): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

export function fill(grid: Grid, value: 0 | 1): Mask {
  return new Uint8Array(grid.rows * grid.cols).fill(value);
}

export function invert(mask: Mask): Mask {
  return mask.map((value) => (value ? 0 : 1));
}

export function paint(mask: Mask, patches: Iterable<number>, value: 0 | 1): Mask {
  const painted = mask.slice();
  for (const i of patches) painted[i] = value;
  return painted;
}

/** Hide also the (up to four) neighbours of every hidden patch. */
export function grow(mask: Mask, grid: Grid): Mask {
  const { cols } = grid;
  return mask.map((value, i) => {
    const col = i % cols;
    const beside = (col > 0 && mask[i - 1]) || (col < cols - 1 && mask[i + 1]) || mask[i - cols] || mask[i + cols];
    return value || beside ? 1 : 0;
  });
}

/** Show also the hidden patches beside a visible one; the border of the picture does not count. */
export function shrink(mask: Mask, grid: Grid): Mask {
  return invert(grow(invert(mask), grid));
}

/** "8x8:5 3 56": rows x cols, then run lengths row by row, the first one visible (it may be 0). */
export function toRle(mask: Mask, grid: Grid): string {
  const runs: number[] = [];
  let value = 0;
  let length = 0;
  for (const bit of mask) {
    if (bit !== value) {
      runs.push(length);
      value = bit;
      length = 0;
    }
    length++;
  }
  runs.push(length);
  return `${grid.rows}x${grid.cols}:${runs.join(" ")}`;
}

export function looksLikeRle(text: string): boolean {
  return /^\s*\d+\s*x\s*\d+\s*:/i.test(text);
}

/** Reads `toRle`; throws with value, wish and cause when the text is not a mask for this grid. */
export function fromRle(text: string, grid: Grid): Mask {
  const match = /^\s*(\d+)\s*x\s*(\d+)\s*:([\d\s]*)$/i.exec(text);
  assertMask(match, `mask text "${text.trim().slice(0, 40)}" is not of the form "8x8:5 3 56" (rows x cols : run lengths)`);
  checkGrid(Number(match[1]), Number(match[2]), grid);
  const runs = match[3]!.trim() ? match[3]!.trim().split(/\s+/).map(Number) : [];
  const total = runs.reduce((sum, run) => sum + run, 0);
  const wanted = grid.rows * grid.cols;
  assertMask(total === wanted, `mask text speaks of ${total} patches in runs, but ${grid.rows} x ${grid.cols} makes ${wanted}: it was cut or edited`);
  const mask = new Uint8Array(wanted);
  let at = 0;
  runs.forEach((run, i) => {
    mask.fill(i % 2, at, at + run);
    at += run;
  });
  return mask;
}

/** From the RGBA pixels of a picture with one pixel per patch; brighter than half = hidden. */
export function fromPixels(pixels: Uint8ClampedArray, rows: number, cols: number, grid: Grid): Mask {
  checkGrid(rows, cols, grid);
  return Uint8Array.from({ length: rows * cols }, (_, i) => {
    const [r, g, b] = pixels.subarray(4 * i, 4 * i + 3);
    return (19595 * r! + 38470 * g! + 7471 * b! + 32768) >> 16 >= 128 ? 1 : 0; // Pillow's grey, exactly
  });
}

export class MaskError extends Error {}

function checkGrid(rows: number, cols: number, grid: Grid): void {
  assertMask(
    rows === grid.rows && cols === grid.cols,
    `mask has ${rows} x ${cols} patches, but this model's grid is ${grid.rows} x ${grid.cols}: the mask was made for another model`,
  );
}

function assertMask(condition: unknown, message: string): asserts condition {
  if (!condition) throw new MaskError(message);
}
