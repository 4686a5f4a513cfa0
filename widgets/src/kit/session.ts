/** The mask of one view: painting, undo and what goes over the wire. No DOM. */
import type { AnyModel } from "@anywidget/types";
import type { PaintedTraits } from "../traits";
import { asBytes, toView } from "./binary";
import type { Grid } from "./grid";
import { History } from "./history";
import { follow } from "./lifetime";
import { type Mask, equal } from "./mask";

const PATIENCE = 400; // ms; a busy kernel shall at least have the newest mask waiting for it

export type PainterModel = AnyModel<PaintedTraits>;

export class MaskSession {
  grid: Grid = { rows: 0, cols: 0 };
  mask: Mask = new Uint8Array(0);
  stroke: number;
  version = 0; // counts every change of the mask, whoever made it
  private changed = (): void => {}; // silent until the constructor has read the first mask
  private readonly history = new History<Mask>();
  private before: Mask | null = null; // the mask when the gesture began, here or in another view
  private own = false; // the gesture is this view's
  private readonly asked = new Map<number, Mask>(); // masks on their way, by stroke
  private sent: { stroke: number; mask: Mask }; // the newest that the kernel was told of
  private flying = false; // a step of a drag was sent and has no answer yet
  private held = false; // the mask has moved on since
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly model: PainterModel,
    changed: () => void,
    signal: AbortSignal,
  ) {
    this.stroke = model.get("stroke");
    this.sent = { stroke: this.stroke, mask: this.mask };
    this.pull();
    this.changed = changed;
    for (const name of ["rows", "cols", "hidden"]) follow(model, `change:${name}`, () => this.pull(), signal);
    follow(model, "change:dragging", () => this.settle(), signal);
    follow(model, "change:report", () => this.landed(Number(model.get("report").stroke)), signal);
    signal.addEventListener("abort", () => clearTimeout(this.timer), { once: true });
  }

  get dragging(): boolean {
    return this.own;
  }
  get canUndo(): boolean {
    return this.history.canUndo;
  }
  get canRedo(): boolean {
    return this.history.canRedo;
  }

  /** The mask that an answer is about; the present one where this view did not ask. */
  answered(stroke: number): Mask {
    const mask = stroke === this.stroke ? this.mask : this.asked.get(stroke) ?? this.mask;
    for (const older of this.asked.keys()) if (older <= stroke) this.asked.delete(older);
    return mask;
  }

  begin(): void {
    this.before = this.mask;
    this.own = true;
  }

  /** One step of a drag: sent as soon as the step before it is answered, and only the newest. True when the mask changed. */
  drag(mask: Mask): boolean {
    if (!this.own || equal(mask, this.mask)) return false;
    this.put(mask, true);
    return true;
  }

  /** The end of a drag: from here on the exact result is wanted. */
  release(): void {
    if (!this.own) return;
    this.end();
    this.changed();
  }

  /** Take the whole drag back. */
  cancel(): void {
    const before = this.before;
    if (!this.own || !before) return;
    this.own = false;
    this.before = null;
    this.put(before, false);
  }

  /** A change that is not a drag: a button, a key, a loaded mask. True when the mask changed. */
  change(mask: Mask): boolean {
    if (this.own || equal(mask, this.mask)) return false;
    this.history.push(this.mask);
    this.put(mask, false);
    return true;
  }

  undo(): void {
    const mask = this.own ? undefined : this.history.undo(this.mask);
    if (mask) this.put(mask, false);
  }

  redo(): void {
    const mask = this.own ? undefined : this.history.redo(this.mask);
    if (mask) this.put(mask, false);
  }

  private put(mask: Mask, dragging: boolean): void {
    this.mask = mask;
    this.version++;
    this.stroke++;
    performance.mark(`mimviz:stroke:${this.stroke}`);
    if (dragging && this.flying) this.held = true;
    else this.send(dragging);
    this.changed();
  }

  private send(dragging: boolean): void {
    this.asked.set(this.stroke, this.mask);
    this.sent = { stroke: this.stroke, mask: this.mask };
    this.held = false;
    this.flying = dragging;
    clearTimeout(this.timer);
    if (dragging) this.timer = setTimeout(() => this.landed(this.stroke), PATIENCE);
    this.model.set("stroke", this.stroke); // before the mask: other views tell news from echoes by it
    if (dragging) this.model.set("dragging", true);
    this.model.set("hidden", toView(this.mask));
    this.model.set("dragging", dragging); // after the last mask: for other views it still belongs to the drag
    this.model.save_changes();
  }

  /** An answer has come, or none in time: the next step may go. Two in flight would only make each other wait. */
  private landed(stroke: number): void {
    if (!this.flying || stroke < this.sent.stroke) return;
    this.flying = false;
    clearTimeout(this.timer);
    if (this.held && this.own) this.send(true);
  }

  private end(): void {
    this.finish();
    if (this.held) return this.send(false);
    this.flying = false;
    this.model.set("dragging", false);
    this.model.save_changes();
  }

  private finish(): void {
    if (this.before && !equal(this.before, this.mask)) this.history.push(this.before);
    this.before = null;
    this.own = false;
  }

  /** A mask set by Python or by another view of the same model. */
  private pull(): void {
    const grid = { rows: this.model.get("rows"), cols: this.model.get("cols") };
    const mask = asBytes(this.model.get("hidden")).slice();
    if (!mask.length || mask.length !== grid.rows * grid.cols) return; // the rest of the change is still to come
    if (grid.rows !== this.grid.rows || grid.cols !== this.grid.cols) return this.restart(grid, mask);
    if (this.model.get("stroke") < this.sent.stroke) return; // a late echo of what was painted over since
    if (this.held && equal(mask, this.sent.mask)) return; // the echo of what was sent last
    this.stroke = Math.max(this.stroke, this.model.get("stroke"));
    if (equal(mask, this.mask)) return;
    this.held = false;
    if (this.own) this.end(); // Python's word ends the drag
    this.before ??= this.mask;
    this.mask = mask;
    this.version++;
    if (!this.model.get("dragging")) this.finish();
    this.changed();
  }

  private settle(): void {
    if (!this.own && !this.model.get("dragging")) {
      this.finish();
      this.changed();
    }
  }

  /** Another grid: masks of the old one cannot come back. */
  private restart(grid: Grid, mask: Mask): void {
    this.history.clear();
    this.before = null;
    this.own = false;
    this.grid = grid;
    this.mask = mask;
    this.version++;
    this.changed();
  }
}
