/** What lies over a picture at the screen's own resolution: hatch, brush outline and the linked double ring. */
import type { Grid, Patch } from "../../kit/grid";
import type { Mask } from "../../kit/mask";

export interface Marks {
  grid: Grid;
  mask: Mask | null; // hatched patches; null = no hatch in this panel
  veil?: Mask | null; // where this is 0 the panel is blank: a guess that no loss ever looked at
  strong: boolean; // the hatch lies on a picture, not on grey
  ring: Patch | null;
  brush: number[]; // patches the tool would touch, outlined
  contour?: number[]; // patches that hold most of the attention, outlined
  query?: Patch | null; // the patch whose row is shown
  out?: Patch[]; // knocked out, crossed
}

export function drawMarks(context: CanvasRenderingContext2D, scale: number, marks: Marks): void {
  const { width, height } = context.canvas;
  const { grid } = marks;
  const cell = { width: width / grid.cols, height: height / grid.rows };
  context.clearRect(0, 0, width, height);
  if (marks.veil) blank(context, marks.veil, grid, cell);
  if (marks.mask) hatch(context, scale, marks, cell);
  if (marks.brush.length > 1) outline(context, scale, new Set(marks.brush), grid, cell);
  if (marks.contour) outline(context, scale, new Set(marks.contour), grid, cell);
  for (const patch of marks.out ?? []) cross(context, scale, patch, cell);
  if (marks.query) dot(context, scale, marks.query, cell);
  if (marks.ring) ring(context, scale, marks.ring, cell);
}

type Cell = { width: number; height: number };

/** Visible patches in the colour that an empty panel has. */
function blank(context: CanvasRenderingContext2D, mask: Mask, grid: Grid, cell: Cell): void {
  context.fillStyle = getComputedStyle(context.canvas.parentElement ?? context.canvas).backgroundColor;
  mask.forEach((hidden, i) => {
    if (hidden) return;
    const [left, top] = [(i % grid.cols) * cell.width, Math.floor(i / grid.cols) * cell.height].map(Math.floor);
    context.fillRect(left!, top!, Math.ceil(cell.width) + 1, Math.ceil(cell.height) + 1);
  });
}

/** The hatch, cut from a sheet run by run: a clip of hundreds of rectangles would cost more than a frame allows. */
function hatch(context: CanvasRenderingContext2D, scale: number, { mask, grid, strong }: Marks, cell: Cell): void {
  const { width, height } = context.canvas;
  const sheet = hatchSheet(width, height, scale, strong);
  for (let row = 0; row < grid.rows; row++) {
    const [top, bottom] = [row, row + 1].map((r) => Math.round(r * cell.height)) as [number, number];
    for (let col = 0; col < grid.cols; col++) {
      const start = col;
      while (col < grid.cols && mask![row * grid.cols + col]) col++;
      if (col === start) continue;
      const [left, right] = [start, col].map((c) => Math.round(c * cell.width)) as [number, number];
      context.drawImage(sheet, left, top, right - left, bottom - top, left, top, right - left, bottom - top);
    }
  }
}

const sheets = new Map<string, HTMLCanvasElement>();

/** Light and dark diagonals side by side: one of the two shows on any picture, in either theme. */
function hatchSheet(width: number, height: number, scale: number, strong: boolean): HTMLCanvasElement {
  const key = [width, height, scale, strong].join();
  const known = sheets.get(key);
  if (known) return known;
  const sheet = Object.assign(document.createElement("canvas"), { width, height });
  const context = sheet.getContext("2d");
  const share = strong ? "65%" : "26%";
  for (const [shift, colour] of [[0, `rgb(255 255 255 / ${share})`], [1.4 * scale, `rgb(0 0 0 / ${share})`]] as const) {
    context?.beginPath();
    for (let at = shift - height; at < width; at += 9 * scale) {
      context?.moveTo(at, height);
      context?.lineTo(at + height, 0);
    }
    if (context) Object.assign(context, { strokeStyle: colour, lineWidth: 1.2 * scale });
    context?.stroke();
  }
  if (sheets.size > 8) sheets.clear(); // panels have few sizes, but a slider has many
  sheets.set(key, sheet);
  return sheet;
}

/** The border of a set of patches, white on black. */
function outline(context: CanvasRenderingContext2D, scale: number, inside: Set<number>, grid: Grid, cell: Cell): void {
  context.beginPath();
  for (const i of inside) {
    const col = i % grid.cols;
    const [x, y] = [col * cell.width, Math.floor(i / grid.cols) * cell.height];
    const edge = (open: boolean, x0: number, y0: number, x1: number, y1: number) => {
      if (!open) return;
      context.moveTo(x0, y0);
      context.lineTo(x1, y1);
    };
    edge(!inside.has(i - grid.cols), x, y, x + cell.width, y);
    edge(!inside.has(i + grid.cols), x, y + cell.height, x + cell.width, y + cell.height);
    edge(col === 0 || !inside.has(i - 1), x, y, x, y + cell.height);
    edge(col === grid.cols - 1 || !inside.has(i + 1), x + cell.width, y, x + cell.width, y + cell.height);
  }
  stroke(context, scale);
}

function ring(context: CanvasRenderingContext2D, scale: number, patch: Patch, cell: Cell): void {
  for (const [inset, colour] of [[0.5, "#000"], [1.5, "#fff"]] as const) {
    const gap = inset * 1.5 * scale;
    context.strokeStyle = colour;
    context.lineWidth = 1.5 * scale;
    context.strokeRect(
      patch.col * cell.width + gap,
      patch.row * cell.height + gap,
      cell.width - 2 * gap,
      cell.height - 2 * gap,
    );
  }
}

/** Both diagonals of a patch, white on black. */
function cross(context: CanvasRenderingContext2D, scale: number, patch: Patch, cell: Cell): void {
  const inset = Math.min(cell.width, cell.height) * 0.2;
  const [left, top] = [patch.col * cell.width + inset, patch.row * cell.height + inset];
  const [right, bottom] = [left + cell.width - 2 * inset, top + cell.height - 2 * inset];
  context.beginPath();
  context.moveTo(left, top);
  context.lineTo(right, bottom);
  context.moveTo(right, top);
  context.lineTo(left, bottom);
  stroke(context, scale);
}

/** A point in the middle of a patch, white in black: small enough to leave the colour of the patch to be seen. */
function dot(context: CanvasRenderingContext2D, scale: number, patch: Patch, cell: Cell): void {
  const [x, y] = [(patch.col + 0.5) * cell.width, (patch.row + 0.5) * cell.height];
  for (const [radius, colour] of [[3.5, "#000"], [2, "#fff"]] as const) {
    context.beginPath();
    context.arc(x, y, radius * scale, 0, 2 * Math.PI);
    context.fillStyle = colour;
    context.fill();
  }
}

function stroke(context: CanvasRenderingContext2D, scale: number): void {
  for (const [colour, width] of [["rgb(0 0 0 / 70%)", 3], ["rgb(255 255 255 / 90%)", 1]] as const) {
    context.strokeStyle = colour;
    context.lineWidth = width * scale;
    context.stroke();
  }
}
