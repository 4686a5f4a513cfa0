/** A leaderboard as it came from Python: cells, their order, their place between the worst and the best. No DOM. */
import { type Raw, list, number, record, text } from "./read";

export interface Judge {
  name: string;
  higher: boolean; // better
  words: string;
  film: boolean;
}

export interface Cell {
  method: string;
  judge: string;
  mean: number | null;
  low: number | null;
  high: number | null;
  count: number;
  seconds: number;
  error: string;
}

export interface Board {
  cells: Map<string, Cell>;
  differ: Map<string, number>;
  done: number;
  of: number;
  seconds: number;
}

export interface Still {
  share: number;
  score: number;
  top: [string, number][];
  start: number; // of its PNG
  size: number;
}

export interface Film {
  name: string;
  exact: boolean;
  width: number;
  height: number;
  frames: Still[];
}

export interface Detail {
  selected: string[];
  value: number | null;
  note: string;
  asked: string; // class
  x: number[];
  y: number[];
  xLabel: string;
  yLabel: string;
  films: Film[];
}

export const keyOf = (a: string, b: string): string => `${a}\n${b}`;

export function readJudges(raw: unknown): Judge[] {
  return Object.entries(record(raw)).map(([name, each]) => {
    const one = record(each);
    return { name, higher: one.better !== "lower", words: text(one.words), film: one.film === true };
  });
}

export function readBoard(raw: Raw): Board {
  const cells = new Map<string, Cell>();
  for (const row of list(raw.cells).map(list)) {
    const [method, judge] = [text(row[0]), text(row[1])];
    const numbers = { mean: number(row[2]), low: number(row[3]), high: number(row[4]), count: number(row[5]) ?? 0, seconds: number(row[6]) ?? 0 };
    cells.set(keyOf(method, judge), { method, judge, ...numbers, error: text(row[7]) });
  }
  const differ = new Map(list(raw.differ).map(list).flatMap(([a, b, value]) => (number(value) === null ? [] : [[keyOf(text(a), text(b)), number(value)!] as const])));
  return { cells, differ, done: number(raw.done) ?? 0, of: number(raw.of) ?? 0, seconds: number(raw.seconds) ?? 0 };
}

export function readDetail(raw: Raw): Detail | null {
  const selected = list(raw.selected).map(text);
  if (selected.length !== 3) return null;
  const curve = record(raw.curve);
  const numbers = (value: unknown) => list(value).map((each) => number(each) ?? NaN);
  return {
    selected, value: number(raw.value), note: text(raw.note), asked: text(raw.asked),
    x: numbers(curve.x), y: numbers(curve.y), xLabel: text(curve.x_label), yLabel: text(curve.y_label), films: list(raw.films).map(readFilm),
  };
}

function readFilm(raw: unknown): Film {
  const film = record(raw);
  const frames = list(film.frames).map(record).map((each) => ({
    share: number(each.share) ?? 0, score: number(each.score) ?? 0, start: number(each.start) ?? 0, size: number(each.size) ?? 0,
    top: list(each.top).map(list).map(([name, p]) => [text(name), number(p) ?? 0] as [string, number]),
  }));
  return { name: text(film.name), exact: film.exact === true, width: number(film.width) ?? 1, height: number(film.height) ?? 1, frames };
}

/** A column: its range, over intervals too, and where each method stands in it: 0 the worst, 1 the best. */
export function column(board: Board, judge: Judge, methods: string[]): { min: number; max: number; best: string | null } {
  const found = methods.flatMap((method) => board.cells.get(keyOf(method, judge.name)) ?? []).filter((cell) => cell.mean !== null);
  const ends = found.flatMap((cell) => [cell.mean!, cell.low ?? cell.mean!, cell.high ?? cell.mean!]);
  const sign = judge.higher ? 1 : -1;
  const best = found.reduce<Cell | null>((top, cell) => (top === null || sign * cell.mean! > sign * top.mean! ? cell : top), null);
  return { min: Math.min(...ends), max: Math.max(...ends), best: best?.method ?? null };
}

/** Methods by one judge, the best first; those of which nothing is known last. Without a judge, as they are. */
export function sorted(board: Board, methods: string[], judge: Judge | null): string[] {
  if (!judge) return methods;
  const sign = judge.higher ? -1 : 1;
  const value = (method: string) => board.cells.get(keyOf(method, judge.name))?.mean ?? null;
  return [...methods].sort((a, b) => {
    const [left, right] = [value(a), value(b)];
    if (left === null || right === null) return Number(left === null) - Number(right === null);
    return sign * (left - right);
  });
}

/** Seconds that a method took, maps and judges together, for one picture. */
export function pace(board: Board, method: string, judges: Judge[]): number | null {
  const cells = judges.flatMap(({ name }) => board.cells.get(keyOf(method, name)) ?? []);
  const count = Math.max(0, ...cells.map((cell) => cell.count));
  return count ? cells.reduce((sum, cell) => sum + cell.seconds, 0) / count : null;
}

/** Three digits that matter. */
export function brief(value: number | null): string {
  if (value === null) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 1000 || size < 0.001 ? value.toExponential(1) : value.toPrecision(3).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}
