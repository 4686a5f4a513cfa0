/** What Python has said of a model's tokens, as it is and treated. */
import type { RegisterInspectorTraits } from "../traits";
import { asBytes, asFloats } from "./binary";
import type { Pixels } from "./compose";
import { fromRgb } from "./decode";
import { type Mode, inBox, readModes } from "./norms";
import { list, number, record } from "./read";

/** `norms` of all layers behind `prefix` others each; `about`: cosines and attention of the chosen token. */
export interface Told {
  norms: Float32Array;
  prefix: number;
  modes: Mode[];
  about: Float32Array;
  features: Pixels | null;
  box: number[]; // patches of the object
}

export const NOTHING: Told = { norms: new Float32Array(0), prefix: 0, modes: [], about: new Float32Array(0), features: null, box: [] };

interface Model {
  get<K extends keyof RegisterInspectorTraits>(name: K): RegisterInspectorTraits[K];
}

/** [as it is, treated]; the second is NOTHING where nothing was treated. */
export function readTold(model: Model): [Told, Told] {
  const grid = { rows: model.get("rows"), cols: model.get("cols") };
  const size = { width: grid.cols, height: grid.rows };
  const bytes = asBytes(model.get("features"));
  const one = 3 * grid.rows * grid.cols;
  const box = (pixels: unknown) => inBox(list(pixels).map((edge) => number(edge) ?? 0), grid, model.get("width"), model.get("height"));
  const before: Told = {
    norms: asFloats(model.get("norms")), prefix: model.get("prefix"), modes: readModes(model.get("modes")), about: asFloats(model.get("about")),
    features: fromRgb(bytes.subarray(0, one), size), box: box(model.get("box")),
  };
  const info = record(model.get("after_info"));
  const norms = asFloats(model.get("after"));
  if (!norms.length) return [before, NOTHING];
  return [before, {
    norms, prefix: list(info.names).length, modes: readModes(info), about: asFloats(model.get("after_about")),
    features: fromRgb(bytes.subarray(one), size), box: box(info.box),
  }];
}

/** A token in words: its name, or where the patch lies. */
export function sayToken(token: string, names: string[], cols: number): string {
  return names.includes(token) ? token : `patch row ${Math.floor(Number(token) / cols) + 1}, col ${(Number(token) % cols) + 1}`;
}

/** The patch that a token is; null for a name. */
export function patchOf(token: string, cols: number): { row: number; col: number } | null {
  const index = /^\d+$/.test(token) ? Number(token) : null;
  return index === null ? null : { row: Math.floor(index / cols), col: index % cols };
}

export const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? "" : word.endsWith("ch") ? "es" : "s"}`;
