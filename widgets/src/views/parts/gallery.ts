/** The five linked panels: original, masked, reconstruction, pasted, error. */
import { saysMap } from "../../kit/alt";
import { colourMap } from "../../kit/colours";
import { type Pixels, type Range, colourize, compose, meanColour, rangeOf, valueAt } from "../../kit/compose";
import { type Grid, type Patch, indexOf } from "../../kit/grid";
import { listen } from "../../kit/lifetime";
import { type Mask, count } from "../../kit/mask";
import { Bar } from "./bar";
import { h } from "./dom";
import { Panel } from "./panel";

export interface Scene {
  grid: Grid;
  mask: Mask;
  answered: Mask; // the mask that picture and error are about; while the hand moves, an older one
  original: Pixels | null;
  picture: Pixels | null;
  error: Float32Array;
  waiting: string; // why there is no reconstruction yet
}

export class Gallery {
  readonly root = h("div", { class: "mv-panels" });
  readonly original = new Panel("original", "original", "the picture as the model sees it");
  readonly masked = new Panel("masked", "masked", "what the model is shown; hatched patches are hidden");
  readonly reconstruction = new Panel("reconstruction", "reconstruction", "what the model predicts for the hidden patches");
  readonly pasted = new Panel("pasted", "pasted", "visible patches kept, hidden ones from the reconstruction");
  readonly error = new Panel("error", "error", "root mean square error of every patch of the pasted picture");
  readonly paintable = [this.masked, this.original, this.pasted];
  private readonly all = [this.original, this.masked, this.reconstruction, this.pasted, this.error];
  private readonly outputs = [this.reconstruction, this.pasted, this.error];
  private readonly bar = new Bar("from the smallest to the largest error", (value) => value.toFixed(3));
  private everywhere = false;
  private changed = true; // all panels are to be marked anew
  private readonly toggle = h(
    "button",
    { type: "button", class: "mv-toggle", "aria-pressed": "false", title: "Show also what the model says about visible patches. No loss ever looked there, so it may be anything" },
    "all",
  );
  private scene: Scene | null = null;
  private range: Range | null = null;

  constructor(updated: () => void, signal: AbortSignal) {
    this.toggle.setAttribute("aria-label", "Reconstruction of visible patches too");
    this.reconstruction.head.firstElementChild?.after(this.toggle);
    listen(this.toggle, "click", () => {
      this.everywhere = !this.everywhere;
      this.toggle.setAttribute("aria-pressed", String(this.everywhere));
      updated();
    }, signal);
    this.error.root.append(this.bar.root);
    this.root.append(...this.all.map((panel) => panel.root));
  }

  draw(scene: Scene): void {
    this.scene = scene;
    const { grid, mask, answered, original, picture, error, waiting } = scene;
    this.range = picture && error.length === mask.length ? rangeOf(error) : null;
    const shown = picture && original ? compose(original, picture, answered, grid) : null;
    this.original.show(original, "open a picture, or drop one here");
    this.masked.show(original && compose(original, null, mask, grid));
    this.reconstruction.show(picture, waiting);
    this.pasted.show(shown);
    this.error.show(this.range && colourize(error, grid, colourMap("magma"), this.range));
    this.bar.show(this.range, "magma");
    this.masked.describe(`${count(mask)} of ${mask.length} patches hidden`);
    for (const panel of [this.reconstruction, this.pasted]) panel.describe(picture ? `${count(answered)} of ${answered.length} patches guessed` : waiting);
    this.error.describe(this.range ? saysMap(error, grid, (value) => value.toFixed(3)) : waiting);
    this.changed = true;
  }

  /** While the hand moves: what it paints at once, all that follows from it with the next answer. */
  sketch(mask: Mask): void {
    if (!this.scene) return;
    this.scene = { ...this.scene, mask };
    const { original, grid } = this.scene;
    this.masked.show(original && compose(original, null, mask, grid));
  }

  mark(tools: { hover: Patch | null; footprint: number[]; over: string; painting: boolean }): void {
    if (!this.scene) return;
    const { grid, mask, answered, original } = this.scene;
    const { hover: ring, footprint, over, painting } = tools;
    const near = (panel: Panel) => panel === this.masked || panel.name === over;
    const panels = painting && !this.changed ? this.all.filter(near) : this.all;
    this.changed = false;
    for (const panel of panels) {
      const hatched = original && (panel === this.masked || (painting && panel.name === over));
      const brush = near(panel) ? footprint : [];
      const veil = panel === this.reconstruction && !this.everywhere && this.scene.picture ? answered : null;
      panel.mark({ grid, mask: hatched ? mask : null, veil, ring, brush, strong: panel !== this.masked });
    }
    this.say(ring);
  }

  fit(ratio: number): void {
    for (const panel of this.all) panel.fit(ratio);
  }

  leaks(value: boolean): void {
    for (const panel of this.outputs) panel.leaks = value;
  }

  stale(value: boolean): void {
    for (const panel of this.outputs) panel.stale = value;
  }

  /** Value lines: the numbers under the cursor, or what the whole panel holds. */
  private say(ring: Patch | null): void {
    const { grid, mask, answered, original, picture, error } = this.scene!;
    if (!ring) {
      this.original.say(original ? `${original.width} × ${original.height} px` : "");
      this.masked.say(`${count(mask)} of ${mask.length} hidden`);
      this.reconstruction.say(!picture ? "" : this.everywhere ? "valid where hidden" : "hidden patches only");
      this.pasted.say(picture ? "hidden patches filled in" : "");
      this.error.say(this.range ? "RMSE, RGB 0..1" : "");
      return;
    }
    const hidden = mask[indexOf(grid, ring)] === 1;
    const shade = (pixels: Pixels | null) => {
      return pixels ? `RGB ${meanColour(pixels, grid, ring).map((value) => value.toFixed(2)).join(" ")}` : "";
    };
    const value = this.range ? valueAt(error, grid, ring) : null;
    this.original.say(shade(original));
    this.masked.say(`row ${ring.row + 1}, col ${ring.col + 1}: ${hidden ? "hidden" : "visible"}`);
    const guessed = answered[indexOf(grid, ring)] === 1;
    this.reconstruction.say(guessed || this.everywhere ? shade(picture) : "visible, no guess");
    this.pasted.say(shade(guessed ? picture : picture && original));
    this.error.say(value === null ? "" : `RMSE ${value.toFixed(3)}`);
  }
}
