/** A picture whose patches fly from place to place. No DOM. */
import type { Pixels } from "./compose";
import type { Grid } from "./grid";
import type { Mask } from "./mask";

/** [patch, where it lies, where the model puts it], numbers of places row by row. */
export type Move = [number, number, number];
export type Stage = "lies" | "put" | "home";

export const STAGES: { stage: Stage; word: string; hint: string }[] = [
  { stage: "lies", word: "shuffled", hint: "The patches whose places are asked, in any order" },
  { stage: "put", word: "as guessed", hint: "Where the model puts them" },
  { stage: "home", word: "true", hint: "Where they belong" },
];

const placeOf = ([patch, lies, put]: Move, stage: Stage): number => ({ lies, put, home: patch })[stage];

/** The patch that lies at a place at this stage; null where none of the moving ones does. */
export function lyingAt(moves: Move[], place: number, stage: Stage): number | null {
  return moves.find((move) => placeOf(move, stage) === place)?.[0] ?? null;
}

/** The picture on the way between two stages, `part` 0..1 of the way; who moves is on top, what it leaves and what was not seen is grey. */
export function flying(picture: Pixels, grid: Grid, moves: Move[], from: Stage, to: Stage, part: number, unseen: Mask | null = null): Pixels {
  const { width, height } = picture;
  const data = picture.data.slice();
  const [w, h] = [width / grid.cols, height / grid.rows];
  const at = (place: number): [number, number] => [(place % grid.cols) * w, Math.floor(place / grid.cols) * h];
  unseen?.forEach((out, place) => out && fill(data, width, at(place), w, h));
  for (const [patch] of moves) fill(data, width, at(patch), w, h);
  for (const move of moves) {
    const [a, b] = [at(placeOf(move, from)), at(placeOf(move, to))];
    const [x, y] = [0, 1].map((i) => Math.round(a[i]! + (b[i]! - a[i]!) * part)) as [number, number];
    copy(picture, data, at(move[0]), [x, y], w, h);
  }
  return { data, width, height };
}

/** Slow, fast, slow: 0..1 -> 0..1. */
export const eased = (t: number): number => (t < 0.5 ? 2 * t * t : 1 - (2 - 2 * t) ** 2 / 2);

function fill(data: Uint8ClampedArray, width: number, [left, top]: [number, number], w: number, h: number): void {
  for (let y = Math.round(top); y < Math.round(top + h); y++) {
    for (let x = Math.round(left); x < Math.round(left + w); x++) data.set([128, 128, 128, 255], 4 * (y * width + x));
  }
}

function copy({ data: source, width, height }: Pixels, data: Uint8ClampedArray, [sx, sy]: [number, number], [tx, ty]: [number, number], w: number, h: number): void {
  const [left, top] = [Math.round(sx), Math.round(sy)];
  const cols = Math.min(Math.round(sx + w) - left, width - tx);
  for (let row = 0; row < Math.min(Math.round(sy + h) - top, height - ty); row++) {
    const start = 4 * ((top + row) * width + left);
    data.set(source.subarray(start, start + 4 * cols), 4 * ((ty + row) * width + tx));
  }
}
