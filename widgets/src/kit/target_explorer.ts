/** What Python says of targets: who is alike, what they see; and pieces of pictures. No DOM. */
import type { Pixels } from "./compose";
import type { Grid } from "./grid";
import { type Raw, list, number, record } from "./read";
import { type Problem, readProblem } from "./report";

export interface Neighbour {
  picture: number;
  patch: number;
  similarity: number;
}

export interface Near {
  near: Neighbour[];
  tied: number; // how many are as alike as the first
  problem: Problem | null;
}

export const QUESTIONS = [
  { name: "edges", unit: "R²", base: 0, hint: "how much of the strength of edges in a patch a ridge regression reads off the target, on pictures that it has not seen" },
  { name: "directions", unit: "R²", base: 0, hint: "the same of the direction of edges" },
  { name: "colour", unit: "R²", base: 0, hint: "the same of hue and saturation" },
  { name: "parts", unit: "AUC", base: 0.5, hint: "chance that two patches of one region are more alike than two of different regions, equally far apart; 0.5 is chance" },
] as const;

export type Answers = Record<(typeof QUESTIONS)[number]["name"], number | null>;

export function readNear(raw: unknown): Near[] {
  return list(raw).map((each) => {
    const { near, tied, problem } = record(each);
    const found = list(near).map((one) => {
      const [picture, patch, similarity] = list(one).map((value) => number(value) ?? 0);
      return { picture: picture ?? 0, patch: patch ?? 0, similarity: similarity ?? 0 };
    });
    return { near: found, tied: number(tied) ?? 0, problem: readProblem(record(problem)) };
  });
}

/** {target: answers}; a target that was not measured yet is missing, what cannot be measured is null. */
export function readAnswers(raw: Raw): Map<string, Answers> {
  return new Map(Object.entries(raw).map(([name, value]) => [name, Object.fromEntries(QUESTIONS.map((each) => [each.name, number(record(value)[each.name])])) as Answers]));
}

/** How full a bar is, 0..1, from its base up: below the base there is nothing to show. */
export const fullness = (value: number, base: number): number => Math.min(1, Math.max(0, (value - base) / (1 - base)));

/** A patch with `around` patches on each side; what lies beyond the picture stays transparent. */
export function piece(picture: Pixels, grid: Grid, patch: number, around: number): Pixels {
  const [w, h] = [picture.width / grid.cols, picture.height / grid.rows].map(Math.round) as [number, number];
  const [left, top] = [(patch % grid.cols) - around, Math.floor(patch / grid.cols) - around];
  const [width, height] = [w * (2 * around + 1), h * (2 * around + 1)];
  const data = new Uint8ClampedArray(4 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [from, row] = [left * w + x, top * h + y];
      if (from < 0 || row < 0 || from >= picture.width || row >= picture.height) continue;
      const at = 4 * (row * picture.width + from);
      data.set(picture.data.subarray(at, at + 4), 4 * (y * width + x));
    }
  }
  return { data, width, height };
}
