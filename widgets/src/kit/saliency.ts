/** Saliency maps as they came from Python, their scales, and their pixels. No DOM. */
import { type MapName, colourMap } from "./colours";
import { type Pixels, type Range, rangeOf } from "./compose";
import { type Grid, rectangle } from "./grid";
import { type Raw, list, number, record, text } from "./read";
import { type Problem, readProblem } from "./report";

export interface Subject extends Grid {
  label: string;
  width: number;
  height: number;
  start: number; // of its PNG
  size: number;
}

export interface Entry extends Grid {
  key: string;
  method: string;
  by: string;
  signed: boolean;
  done: number;
  passes: number;
  batch: number;
  seconds: number;
  finished: boolean;
  best: string;
  words: string;
  warning: string;
  error: Problem | null;
  values: Float32Array;
}

/** Top, left, bottom, right as shares of the picture. */
export type Region = [number, number, number, number];

export type Scale = "each" | "shared" | "relative";

export function readSubjects(raw: unknown): Subject[] {
  return list(record(raw).list).map((each) => {
    const one = record(each);
    const count = (name: string) => number(one[name]) ?? 0;
    return {
      label: text(one.label), width: count("width"), height: count("height"), rows: count("rows"), cols: count("cols"),
      start: count("start"), size: count("size"),
    };
  });
}

/** An entry that is `kept` brings new words for a map that is known already, and nothing else. */
export function readEntry(raw: Raw, values: Float32Array, known?: Entry): Entry | null {
  if (!text(raw.key)) return null;
  if (raw.kept === true) return known ? { ...known, words: text(raw.words) } : null;
  const count = (name: string) => number(raw[name]) ?? 0;
  return {
    key: text(raw.key), method: text(raw.method), by: text(raw.by), rows: count("rows"), cols: count("cols"), signed: raw.signed === true,
    done: count("done"), passes: count("passes"), batch: count("batch"), seconds: count("seconds"), finished: raw.finished === true,
    best: text(raw.best), words: text(raw.words), warning: text(raw.warning), error: readProblem(record(raw.error)), values,
  };
}

export const keyOf = (method: string, column: string): string => `${method}|${column}`;

export function readRegion(raw: unknown): Region | null {
  const numbers = list(raw).map(number);
  return numbers.length === 4 && numbers.every((each) => each !== null) ? (numbers as Region) : null;
}

/** The range that a map is coloured by: its own, one for all maps of its kind, or its own share of the largest magnitude. */
export function rangesOf(entries: Entry[], scale: Scale): Map<string, Range> {
  const own = new Map<string, Range>();
  for (const entry of entries) {
    const range = rangeOf(entry.values);
    if (range) own.set(entry.key, entry.signed ? symmetric(range) : range);
  }
  if (scale !== "shared") return own;
  for (const signed of [true, false]) {
    const kin = entries.filter((entry) => entry.signed === signed && own.has(entry.key));
    const all = kin.map((entry) => own.get(entry.key)!);
    const joint = { min: Math.min(...all.map((range) => range.min)), max: Math.max(...all.map((range) => range.max)) };
    for (const entry of kin) own.set(entry.key, joint);
  }
  return own;
}

/** Zero in the middle. */
export function symmetric({ min, max }: Range): Range {
  const reach = Math.max(Math.abs(min), Math.abs(max));
  return { min: -reach, max: reach };
}

/** The numbers of a bar: raw, or as shares of the largest magnitude. */
export function saidRange(range: Range, scale: Scale): Range {
  const reach = Math.max(Math.abs(range.min), Math.abs(range.max));
  return scale === "relative" && reach > 0 ? { min: range.min / reach, max: range.max / reach } : range;
}

/** Where a place of one grid lies in another: index of the cell around its middle. */
const cellOf = (at: number, of: number, cells: number): number => Math.min(cells - 1, Math.floor(((at + 0.5) * cells) / of));

/** The map in colours over a picture; `opacity` 1 hides the picture. */
export function paintMap(entry: Entry, range: Range, map: MapName, picture: Pixels, opacity: number): Pixels {
  const { width, height } = picture;
  const table = colourMap(entry.signed ? "diverging" : map);
  const scale = range.max > range.min ? 255 / (range.max - range.min) : 0;
  const none = entry.signed && scale === 0 ? 127.5 : 0; // a signed map of zeros is neither for nor against
  const data = new Uint8ClampedArray(picture.data);
  for (let y = 0, to = 0; y < height; y++) {
    const row = cellOf(y, height, entry.rows) * entry.cols;
    for (let x = 0; x < width; x++, to += 4) {
      const value = entry.values[row + cellOf(x, width, entry.cols)]!;
      const at = 3 * Math.round(Math.min(255, Math.max(0, none + (value - range.min) * scale)));
      for (let c = 0; c < 3; c++) data[to + c] = data[to + c]! * (1 - opacity) + table[at + c]! * opacity;
    }
  }
  return { data, width, height };
}

/** The raw value under a point given as shares of the picture. */
export function valueUnder(entry: Entry, x: number, y: number): number | null {
  const row = Math.min(entry.rows - 1, Math.floor(y * entry.rows));
  const col = Math.min(entry.cols - 1, Math.floor(x * entry.cols));
  return entry.values[row * entry.cols + col] ?? null;
}

/** Share 0..1 of a map's mass Σ|value| inside a region: places whose middle lies in it. */
export function massIn(entry: Entry, [top, left, bottom, right]: Region): number | null {
  let inside = 0;
  let all = 0;
  entry.values.forEach((value, i) => {
    const y = (Math.floor(i / entry.cols) + 0.5) / entry.rows;
    const x = ((i % entry.cols) + 0.5) / entry.cols;
    all += Math.abs(value);
    if (y >= top && y < bottom && x >= left && x < right) inside += Math.abs(value);
  });
  return all > 0 ? inside / all : null;
}

/** The patches of a region. */
export function patchesIn([top, left, bottom, right]: Region, { rows, cols }: Grid): number[] {
  const near = 1e-6;
  return rectangle({ rows, cols }, { x: left * cols + near, y: top * rows + near }, { x: right * cols - near, y: bottom * rows - near });
}

/** A number in few letters, as short as it may be without lying. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (value === 0) return "0";
  return size >= 0.001 && size < 10_000 ? String(Number(value.toPrecision(3))) : value.toExponential(1).replace("e-", "e−").replace("e+", "e");
}

/** How far a map is: "12 of 50 passes · 1.2 s". */
export function progress(entry: Entry): string {
  const time = `${entry.seconds < 10 ? entry.seconds.toFixed(2) : Math.round(entry.seconds)} s`;
  if (entry.finished) return entry.passes > 1 ? `${entry.passes} passes · ${time}` : time;
  return `${entry.done} of ${entry.passes} passes · ${time}`;
}

/** All values, one in a line, as text that gives the same float32 back; empty where there are none. */
export function toTable(maps: { label: string; entry: Entry }[]): string {
  const quoted = (words: string) => `"${words.replaceAll('"', '""')}"`;
  const lines = maps.flatMap(({ label, entry }) => {
    const { method, best, done, passes, cols } = entry;
    const about = [quoted(method), quoted(best ? `${label}: ${best}` : label), done, passes].join(",");
    return Array.from(entry.values, (value, i) => `${about},${Math.floor(i / cols)},${i % cols},${value}`);
  });
  return lines.length ? `${["method,subject,done,passes,row,col,value", ...lines].join("\n")}\n` : "";
}

/** Names that hold all words of a query; those that begin with it first. */
export function search(names: string[], query: string, most: number): number[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const hits = names.flatMap((name, i) => (words.every((word) => name.toLowerCase().includes(word)) ? [i] : []));
  const early = (i: number) => (names[i]!.toLowerCase().startsWith(words[0]!) ? 0 : 1);
  return hits.sort((a, b) => early(a) - early(b) || a - b).slice(0, most);
}
