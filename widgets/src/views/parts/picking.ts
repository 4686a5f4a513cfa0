/** One hover over all panels, and the patch that a click or Enter chooses. */
import { type Grid, type Patch, clampPatch, indexOf, patchAt, toPoint } from "../../kit/grid";
import { listen } from "../../kit/lifetime";
import { ownKeys } from "./dom";
import type { Panel } from "./panel";

const STEPS: Record<string, [number, number]> = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

export class Picking {
  hover: Patch | null = null;
  private cursor: Patch = { row: 0, col: 0 };

  constructor(
    private readonly grid: () => Grid,
    private readonly moved: () => void,
    private readonly chosen: (token: string) => void,
    private readonly said: () => void,
    private readonly signal: AbortSignal,
  ) {}

  /** `keys`: this panel takes the focus. */
  attach({ frame }: Panel, keys: boolean): void {
    const { signal } = this;
    const patch = (event: MouseEvent) => patchAt(this.grid(), toPoint(this.grid(), frame.getBoundingClientRect(), event.clientX, event.clientY));
    frame.classList.add("is-asked");
    listen(frame, "pointermove", (event) => this.point(patch(event)), signal);
    listen(frame, "pointerleave", () => this.point(null), signal);
    listen(frame, "click", (event) => {
      const at = patch(event);
      if (at) this.chosen(String(indexOf(this.grid(), at)));
    }, signal);
    if (!keys) return;
    frame.tabIndex = 0;
    ownKeys(frame);
    frame.setAttribute("role", "application");
    frame.setAttribute("aria-label", "Picture: arrow keys move to a patch, Enter asks about it");
    listen(frame, "keydown", (event) => this.key(event), signal);
    listen(frame, "blur", () => this.point(null), signal);
  }

  private key(event: KeyboardEvent): void {
    const step = STEPS[event.key];
    if (step) {
      if (this.hover) this.cursor = clampPatch(this.grid(), { row: this.cursor.row + step[0], col: this.cursor.col + step[1] });
    } else if (event.key === "Enter" || event.key === " ") {
      this.chosen(String(indexOf(this.grid(), this.cursor)));
    } else return;
    event.preventDefault();
    this.point(this.cursor);
    this.said();
  }

  private point(patch: Patch | null): void {
    this.hover = patch;
    if (patch) this.cursor = patch;
    this.moved();
  }
}
