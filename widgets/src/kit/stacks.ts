/** The models of an explorer, their layers, and where a token lies in each. */
import type { Grid, Patch } from "./grid";
import { type Raw, list, number, record, text } from "./read";

export interface LayerShape extends Grid {
  heads: number;
  front: number; // tokens before the patches
  queries: Grid; // the patches that look; where a layer pools, they are fewer than those that are looked at
  pool?: boolean; // learnt queries look, whichever token is asked for
}

/** An encoder or a decoder: `front` names its tokens before the patches; `rows`, `cols` is its finest grid. */
export interface Stack extends Grid {
  front: string[];
  layers: LayerShape[];
}

export interface Side {
  name: string;
  parts: Record<string, Stack>;
}

export const patchesOf = (grid: Grid): number => grid.rows * grid.cols;
export const keysOf = (shape: LayerShape): number => shape.front + patchesOf(shape);
export const queriesOf = (shape: LayerShape): number => shape.front + patchesOf(shape.queries);

/** Bytes of `count` rows of a layer as Python encodes them: ranges, front tokens, patches, padded to four. */
export function bytesOf(shape: LayerShape, count: number): number {
  const exact = shape.heads * count * (8 + 2 * shape.front + patchesOf(shape));
  return exact + ((4 - (exact % 4)) % 4);
}

export function readSides(raw: Raw[] | undefined): Side[] {
  return (raw ?? []).map((side) => ({
    name: text(side.name),
    parts: Object.fromEntries(Object.entries(record(side.parts)).map(([name, part]) => [name, readStack(record(part))])),
  }));
}

function readStack(raw: Raw): Stack {
  const count = (source: Raw, name: string) => number(source[name]) ?? 0;
  const layers = list(raw.layers).map((each) => {
    const layer = record(each);
    const queries = { rows: count(layer, "query_rows"), cols: count(layer, "query_cols") };
    return { heads: count(layer, "heads"), front: count(layer, "front"), rows: count(layer, "rows"), cols: count(layer, "cols"), queries, pool: layer.pool === true };
  });
  return { front: list(raw.front).map(text), rows: count(raw, "rows"), cols: count(raw, "cols"), layers };
}

/** Tokens go by name: "CLS", "reg 1", or "3,5" for the patch in row 3, column 5 of the first model's grid, counted from 0. */
export const nameOf = (patch: Patch): string => `${patch.row},${patch.col}`;

export function patchOf(token: string): Patch | null {
  const match = /^(\d+),(\d+)$/.exec(token);
  return match ? { row: Number(match[1]), col: Number(match[2]) } : null;
}

/** For people, who count from 1. */
export function saidOf(token: string): string {
  const patch = patchOf(token);
  return patch ? `patch ${patch.row + 1},${patch.col + 1}` : token;
}

/** What is on display, for people: a layer and who looks. */
export function placeOf(shape: LayerShape | null, layer: number, token: string, depth?: number): string {
  if (shape?.pool) return `Attention pooling · from its learnt quer${patchesOf(shape.queries) > 1 ? "ies" : "y"}`;
  return `Layer ${layer + 1}${depth ? ` of ${depth}` : ""} · from ${saidOf(token)}`;
}

/** The cell of another grid at the middle of a patch. */
export function across(from: Grid, patch: Patch, to: Grid): Patch {
  return {
    row: Math.min(to.rows - 1, Math.floor(((patch.row + 0.5) / from.rows) * to.rows)),
    col: Math.min(to.cols - 1, Math.floor(((patch.col + 0.5) / from.cols) * to.cols)),
  };
}

/** The number of a token in a layer; null where the layer has none of that name. `reference`: the grid that names patches. */
export function find(reference: Grid, stack: Stack, layer: number, token: string): number | null {
  const shape = stack.layers[layer];
  const patch = patchOf(token);
  if (!shape) return null;
  if (shape.pool && !patch) return shape.front;
  if (!patch) {
    const at = stack.front.indexOf(token);
    return at >= 0 && at < shape.front ? at : null;
  }
  if (patch.row >= reference.rows || patch.col >= reference.cols) return null;
  const { row, col } = across(reference, patch, shape.queries);
  return shape.front + row * shape.queries.cols + col;
}
