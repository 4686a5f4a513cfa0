/** Patches under pointers and brushes. Positions are in patch units: x in 0..cols, y in 0..rows. */

export interface Grid {
  rows: number;
  cols: number;
}
export interface Point {
  x: number;
  y: number;
}
export interface Patch {
  row: number;
  col: number;
}
export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** Where a pointer is, in patch units; not clamped, so a drag may leave the panel. */
export function toPoint(grid: Grid, box: Box, clientX: number, clientY: number): Point {
  return {
    x: ((clientX - box.left) / box.width) * grid.cols,
    y: ((clientY - box.top) / box.height) * grid.rows,
  };
}

export function patchAt(grid: Grid, point: Point): Patch | null {
  const row = Math.floor(point.y);
  const col = Math.floor(point.x);
  return row >= 0 && row < grid.rows && col >= 0 && col < grid.cols ? { row, col } : null;
}

export function clampPatch(grid: Grid, patch: Patch): Patch {
  return {
    row: Math.min(grid.rows - 1, Math.max(0, patch.row)),
    col: Math.min(grid.cols - 1, Math.max(0, patch.col)),
  };
}

export function centre(patch: Patch): Point {
  return { x: patch.col + 0.5, y: patch.row + 0.5 };
}

export function indexOf(grid: Grid, patch: Patch): number {
  return patch.row * grid.cols + patch.col;
}

/** All patches that the straight way from a to b crosses (supercover: consecutive ones share an edge). */
export function line(a: Point, b: Point): Patch[] {
  let col = Math.floor(a.x);
  let row = Math.floor(a.y);
  const endCol = Math.floor(b.x);
  const endRow = Math.floor(b.y);
  const stepX = Math.sign(b.x - a.x);
  const stepY = Math.sign(b.y - a.y);
  const perX = 1 / Math.abs(b.x - a.x);
  const perY = 1 / Math.abs(b.y - a.y);
  let nextX = stepX > 0 ? (col + 1 - a.x) * perX : stepX < 0 ? (a.x - col) * perX : Infinity;
  let nextY = stepY > 0 ? (row + 1 - a.y) * perY : stepY < 0 ? (a.y - row) * perY : Infinity;
  const crossed: Patch[] = [{ row, col }];
  for (let steps = Math.abs(endCol - col) + Math.abs(endRow - row); steps > 0; steps--) {
    // the end cell is known: rounding must not make the walk miss it
    if (row === endRow || (col !== endCol && nextX < nextY)) {
      col += stepX;
      nextX += perX;
    } else {
      row += stepY;
      nextY += perY;
    }
    crossed.push({ row, col });
  }
  return crossed;
}

/** Offsets of a disc `size` patches wide; an even disc is centred on a corner between patches. */
function disc(size: number): Patch[] {
  const offsets: Patch[] = [];
  const first = -Math.floor(size / 2);
  const middle = size % 2 ? 0 : 0.5;
  for (let row = first; row < first + size; row++) {
    for (let col = first; col < first + size; col++) {
      if (Math.hypot(row + middle, col + middle) <= size / 2) offsets.push({ row, col });
    }
  }
  return offsets;
}

/** Indices of all patches that a round brush touches on its way from a to b. */
export function brush(grid: Grid, a: Point, b: Point, size: number): number[] {
  const shift = size % 2 ? 0 : 0.5; // an even brush snaps to the nearest corner
  const move = (p: Point): Point => ({ x: p.x + shift, y: p.y + shift });
  const touched = new Set<number>();
  const offsets = disc(size);
  for (const at of line(move(a), move(b))) {
    for (const offset of offsets) {
      const row = at.row + offset.row;
      const col = at.col + offset.col;
      if (row >= 0 && row < grid.rows && col >= 0 && col < grid.cols) touched.add(row * grid.cols + col);
    }
  }
  return [...touched];
}

/** Indices of the rectangle of patches between two points, both included. */
export function rectangle(grid: Grid, a: Point, b: Point): number[] {
  const left = Math.max(0, Math.floor(Math.min(a.x, b.x)));
  const right = Math.min(grid.cols - 1, Math.floor(Math.max(a.x, b.x)));
  const top = Math.max(0, Math.floor(Math.min(a.y, b.y)));
  const bottom = Math.min(grid.rows - 1, Math.floor(Math.max(a.y, b.y)));
  const inside: number[] = [];
  for (let row = top; row <= bottom; row++) {
    for (let col = left; col <= right; col++) inside.push(row * grid.cols + col);
  }
  return inside;
}
