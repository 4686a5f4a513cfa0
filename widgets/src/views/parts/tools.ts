/** What the pointer and the keys do to the mask: the tool in hand, drags and the patch cursor. */
import { type Grid, type Patch, type Point, brush, centre, clampPatch, indexOf, patchAt, rectangle, toPoint } from "../../kit/grid";
import { listen } from "../../kit/lifetime";
import { paint } from "../../kit/mask";
import type { MaskSession } from "../../kit/session";

export type ToolName = "brush" | "rectangle" | "erase";

export class Tools {
  name: ToolName = "brush";
  size = 1;
  hover: Patch | null = null;
  over = ""; // the panel the pointer is on
  painting = false;
  private cursor: Patch = { row: 0, col: 0 };

  constructor(
    private readonly session: MaskSession,
    private readonly moved: () => void,
  ) {}

  /** The patches that the tool would touch at the hovered patch. */
  get footprint(): number[] {
    if (!this.hover || this.name === "rectangle") return [];
    const at = this.at ?? centre(this.hover);
    return brush(this.session.grid, at, at, this.size);
  }

  private at: Point | null = null;

  point(patch: Patch | null, at: Point | null = null, over = ""): void {
    this.over = over;
    this.hover = patch;
    this.at = at;
    if (patch) this.cursor = patch;
    this.moved();
  }

  take(name: ToolName): void {
    this.name = name;
    this.moved();
  }

  /** Move the keyboard's cursor; with `painting` the tool touches every patch on the way. */
  step(rows: number, cols: number, painting: boolean): void {
    const from = clampPatch(this.session.grid, this.cursor);
    const to = clampPatch(this.session.grid, { row: from.row + rows, col: from.col + cols });
    if (painting) this.touch(from, to);
    this.point(this.hover || painting ? to : from);
  }

  toggle(): void {
    const { grid, mask } = this.session;
    const i = indexOf(grid, clampPatch(grid, this.cursor));
    this.session.change(paint(mask, [i], mask[i] ? 0 : 1));
    this.point(clampPatch(grid, this.cursor));
  }

  showCursor(): void {
    this.point(clampPatch(this.session.grid, this.cursor));
  }

  private touch(from: Patch, to: Patch): void {
    const { grid, mask } = this.session;
    const touched = brush(grid, centre(from), centre(to), this.name === "rectangle" ? 1 : this.size);
    this.session.change(paint(mask, touched, this.name === "erase" ? 0 : 1));
  }

  /** Hover without painting. */
  watch(frame: HTMLElement, signal: AbortSignal): void {
    listen(frame, "pointermove", (event) => {
      this.point(patchAt(this.session.grid, this.place(frame, event)));
    }, signal);
    listen(frame, "pointerleave", () => this.point(null), signal);
  }

  private place(frame: HTMLElement, event: PointerEvent): Point {
    return toPoint(this.session.grid, frame.getBoundingClientRect(), event.clientX, event.clientY);
  }

  /** Painting by pointer on one frame. Right button, pen eraser and Alt do the opposite of the tool. */
  attach(frame: HTMLElement, name: string, signal: AbortSignal): void {
    let drag: Drag | null = null;
    const point = (event: PointerEvent) => this.place(frame, event);
    const hover = (at: Point) => this.point(patchAt(this.session.grid, at), at, name);

    listen(frame, "pointerdown", (event) => {
      if (!event.isPrimary || drag || !this.session.mask.length || event.button === 1) return;
      const opposite = event.button !== 0 || event.altKey;
      frame.classList.add("by-pointer"); // no focus ring for those who see the pointer
      frame.focus({ preventScroll: true });
      frame.setPointerCapture?.(event.pointerId);
      const at = point(event);
      drag = new Drag(this.session, this, at, (this.name === "erase") === opposite ? 1 : 0);
      this.painting = true;
      drag.to(at);
      hover(at);
    }, signal);
    listen(frame, "pointermove", (event) => {
      const path = drag ? event.getCoalescedEvents?.() ?? [] : [];
      if (drag?.over) drag = this.drop();
      if (drag) drag.through((path.length ? path : [event]).map(point));
      hover(point(event));
    }, signal);
    const end = (done: () => void) => {
      if (!drag) return;
      drag = this.drop();
      done();
      this.moved();
    };
    listen(frame, "pointerup", () => end(() => this.session.release()), signal);
    listen(frame, "pointercancel", () => end(() => this.session.cancel()), signal);
    listen(frame, "lostpointercapture", () => end(() => this.session.release()), signal);
    listen(frame, "pointerleave", () => drag || this.point(null), signal);
    listen(frame, "contextmenu", (event) => event.shiftKey || event.preventDefault(), signal);
    listen(frame, "blur", () => frame.classList.remove("by-pointer"), signal);
    listen(frame, "keydown", (event) => {
      frame.classList.remove("by-pointer");
      if (event.key === "Escape") end(() => this.session.cancel());
    }, signal);
    signal.addEventListener("abort", () => end(() => this.session.release()), { once: true });
  }

  private drop(): null {
    this.painting = false;
    return null;
  }
}

class Drag {
  private last: Point;
  private readonly anchor: Point;
  private readonly base: Uint8Array;

  constructor(
    private readonly session: MaskSession,
    private readonly tools: Tools,
    start: Point,
    private readonly value: 0 | 1,
  ) {
    this.base = session.mask;
    this.anchor = this.last = start;
    session.begin();
  }

  /** Ended from elsewhere: Python set another mask. */
  get over(): boolean {
    return !this.session.dragging;
  }

  to(point: Point): void {
    this.through([point]);
  }

  /** All samples since the last event make one change. */
  through(points: Point[]): void {
    const grid: Grid = this.session.grid;
    const touched: number[] = [];
    for (const point of points) {
      if (this.tools.name !== "rectangle") touched.push(...brush(grid, this.last, point, this.tools.size));
      this.last = point;
    }
    if (this.tools.name === "rectangle") {
      this.session.drag(paint(this.base, rectangle(grid, this.anchor, this.last), this.value));
    } else if (touched.length) {
      this.session.drag(paint(this.session.mask, touched, this.value));
    }
  }
}
