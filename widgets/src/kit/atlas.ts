/** Where the small maps of an overview lie: a row for each layer, a column for each head. Positions in CSS pixels. */
import type { Stack } from "./stacks";

export interface Cell {
  layer: number;
  head: number;
}

export const LABEL = 22; // for the number of the layer
const GAP = 3;
const BAR = 4; // for the statistic under a map

export interface Atlas {
  cell: number;
  aspect: number; // height of a map for a width of 1
  width: number;
  height: number;
  order: number[][]; // heads of each layer, as they stand from left to right
}

/** The largest cells that fit `width`, within reason. `order` of `sorted` heads; null leaves them by number. */
export function layOut(stack: Stack, width: number, order: number[][], aspect: number): Atlas {
  const most = Math.max(1, ...stack.layers.map((layer) => layer.heads));
  const room = Math.floor((width - LABEL) / most) - GAP;
  const cell = Math.max(12, Math.min(room, stack.layers.length > 16 ? 26 : 34));
  const tall = Math.round(cell * aspect) + BAR + GAP;
  return { cell, aspect, width: LABEL + most * (cell + GAP), height: stack.layers.length * tall, order };
}

export function boxOf({ cell, aspect }: Atlas, layer: number, column: number) {
  const height = Math.round(cell * aspect);
  return { left: LABEL + column * (cell + GAP), top: layer * (height + BAR + GAP), width: cell, height };
}

/** The map under a pointer; the gap to its right and below belongs to it. */
export function cellAt(atlas: Atlas, x: number, y: number): Cell | null {
  const first = boxOf(atlas, 0, 0);
  const layer = Math.floor(y / (first.height + BAR + GAP));
  const column = Math.floor((x - LABEL) / (atlas.cell + GAP));
  const head = x >= LABEL ? atlas.order[layer]?.[column] : undefined;
  return head === undefined ? null : { layer, head };
}

/** The next map in a direction, from where `head` stands; stays within the atlas. */
export function step({ order }: Atlas, { layer, head }: Cell, rows: number, cols: number): Cell {
  const to = Math.max(0, Math.min(order.length - 1, layer + rows));
  const column = (order[layer]?.indexOf(head) ?? 0) + cols;
  const heads = order[to] ?? [];
  return { layer: to, head: heads[Math.max(0, Math.min(heads.length - 1, column))] ?? 0 };
}

/** Heads of every layer, by number, or by a statistic from large to small (layers × heads). */
export function sortHeads(stack: Stack, values: Float32Array[] | null): number[][] {
  return stack.layers.map(({ heads }, layer) => {
    const all = Array.from({ length: heads }, (_, head) => head);
    const by = values?.[layer];
    return by ? all.sort((a, b) => by[b]! - by[a]! || a - b) : all;
  });
}
