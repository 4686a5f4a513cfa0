/** A rectangle drawn on any panel, in whole patches, by pointer or by keys. */
import { type Grid, type Patch, clampPatch, patchAt, toPoint } from "../../kit/grid";
import { listen } from "../../kit/lifetime";
import type { Region } from "../../kit/saliency";

const STEPS: Record<string, [number, number]> = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

export class RegionTool {
  hover: { x: number; y: number } | null = null; // shares of the picture
  region: Region | null = null;
  private anchor: Patch | null = null;
  private dragging = false;

  constructor(
    private readonly moved: () => void,
    private readonly drawn: (region: Region | null) => void,
  ) {}

  attach(frame: HTMLElement, grid: Grid, signal: AbortSignal): void {
    const at = (event: PointerEvent) => toPoint(grid, frame.getBoundingClientRect(), event.clientX, event.clientY);
    listen(frame, "pointerdown", (event) => {
      if (!event.isPrimary || event.button !== 0) return;
      this.anchor = clampPatch(grid, floor(at(event)));
      this.dragging = false;
      frame.setPointerCapture?.(event.pointerId);
    }, signal);
    listen(frame, "pointermove", (event) => {
      const point = at(event);
      const inside = patchAt(grid, point);
      this.hover = inside ? { x: point.x / grid.cols, y: point.y / grid.rows } : null;
      const to = clampPatch(grid, floor(point));
      if (this.anchor && event.buttons && (this.dragging || to.row !== this.anchor.row || to.col !== this.anchor.col)) {
        this.dragging = true;
        this.region = between(grid, this.anchor, to);
      }
      this.moved();
    }, signal);
    listen(frame, "pointerup", () => {
      if (this.dragging) this.drawn(this.region);
      this.anchor = null;
      this.dragging = false;
    }, signal);
    listen(frame, "pointerleave", () => {
      this.hover = null;
      this.moved();
    }, signal);
    listen(frame, "keydown", (event) => this.key(event, grid), signal);
    listen(frame, "blur", () => {
      this.hover = null;
      this.moved();
    }, signal);
  }

  /** Arrows move the cursor; Space or Enter sets one corner, then the other; Escape takes the region away. */
  private key(event: KeyboardEvent, grid: Grid): void {
    const step = STEPS[event.key];
    const now = this.hover ? clampPatch(grid, floor({ x: this.hover.x * grid.cols, y: this.hover.y * grid.rows })) : { row: 0, col: 0 };
    if (step) {
      const to = this.hover ? clampPatch(grid, { row: now.row + step[0], col: now.col + step[1] }) : now;
      this.hover = { x: (to.col + 0.5) / grid.cols, y: (to.row + 0.5) / grid.rows };
      if (this.anchor) this.region = between(grid, this.anchor, to);
    } else if (event.key === " " || event.key === "Enter") {
      if (this.anchor) this.drawn((this.region = between(grid, this.anchor, now)));
      this.anchor = this.anchor ? null : now;
    } else if (event.key === "Escape" && (this.region || this.anchor)) {
      this.anchor = null;
      this.drawn((this.region = null));
    } else return;
    event.preventDefault();
    event.stopPropagation();
    this.moved();
  }
}

const floor = ({ x, y }: { x: number; y: number }): Patch => ({ row: Math.floor(y), col: Math.floor(x) });

function between(grid: Grid, a: Patch, b: Patch): Region {
  const [top, bottom] = [Math.min(a.row, b.row) / grid.rows, (Math.max(a.row, b.row) + 1) / grid.rows];
  return [top, Math.min(a.col, b.col) / grid.cols, bottom, (Math.max(a.col, b.col) + 1) / grid.cols];
}
