/** The panels of one model's tokens at one layer: as it is, or treated. */
import type { MapName } from "../../kit/colours";
import type { Grid, Patch } from "../../kit/grid";
import { NOTHING, type Told, plural } from "../../kit/inspection";
import { above, beside, layerOf } from "../../kit/norms";
import { NormHistogram } from "./norm_histogram";
import { Panel } from "./panel";
import { ValuePanel } from "./value_panel";

export class TokenRow {
  readonly norms: ValuePanel;
  readonly histogram: NormHistogram;
  readonly cosine: ValuePanel;
  readonly from: ValuePanel;
  readonly to: ValuePanel;
  readonly features: Panel;
  private outliers: number[] = [];
  private told = NOTHING;

  constructor(
    key: string,
    moved: ((norm: number | null, done: boolean) => void) | null,
    signal: AbortSignal,
  ) {
    this.norms = new ValuePanel(`${key}norms`, "token norms", "L2 norm of every patch's token behind this block; outliers are outlined", "norm");
    this.histogram = new NormHistogram(`${key}histogram`, moved, signal);
    this.cosine = new ValuePanel(`${key}cosine`, "cosine", "cosine of every patch's token to the chosen one", "cosine", true);
    this.from = new ValuePanel(`${key}from`, "attention from it", "what the chosen token gives to every patch, mean over heads", "attention");
    this.to = new ValuePanel(`${key}to`, "attention to it", "what every patch gives to the chosen token, mean over heads", "attention");
    this.features = new Panel(`${key}features`, "features", "first three components of the tokens as red, green and blue; the outline is the object that LOST finds");
  }

  get panels(): Panel[] {
    return [...this.maps.map((map) => map.panel), this.features];
  }

  private get maps(): ValuePanel[] {
    return [this.norms, this.cosine, this.from, this.to];
  }

  /** The ranges are those of `other` too, so that before and after can be compared. */
  draw(told: Told, other: Told, grid: Grid, layer: number, byHand: number | null, map: MapName, waiting: string): void {
    const count = grid.rows * grid.cols;
    this.told = told;
    const norms = layerOf(told.norms, layer, count, told.prefix);
    const threshold = byHand ?? told.modes[layer]?.threshold ?? null;
    this.outliers = above(norms, threshold);
    const others = [layerOf(other.norms, layer, count, other.prefix), ...this.parts(other, layer, count)];
    [norms, ...this.parts(told, layer, count)].forEach((values, i) => {
      const panel = this.maps[i]!;
      const none = told.about.length && values.length && !values.some(Number.isFinite) ? "nothing at this layer" : waiting;
      const seen = values.some(Number.isFinite) ? panel.rangeOf(values, others[i]!) : null;
      panel.draw(values, grid, map, seen, none);
    });
    this.histogram.draw(norms, told.modes[layer] ?? null, byHand);
    this.features.show(told.features, waiting);
  }

  private parts({ about }: Told, layer: number, count: number): Float32Array[] {
    const depth = about.length / (3 * count);
    return [0, 1, 2].map((part) => layerOf(about, part * depth + layer, count));
  }

  mark(grid: Grid, ring: Patch | null, query: Patch | null, layer: number): void {
    for (const panel of this.panels) {
      const contour = panel === this.features ? this.told.box : this.outliers;
      panel.mark({ grid, mask: null, strong: true, ring, brush: [], contour, query });
    }
    for (const map of this.maps) map.say(grid, ring);
    this.features.say(this.told.box.length ? `object: a box of ${plural(this.told.box.length, "patch")}` : "");
    const near = !ring && query ? beside(this.parts(this.told, layer, grid.rows * grid.cols)[0]!, grid, query) : null;
    if (near !== null) this.cosine.say(grid, null, `its neighbours: ${near.toFixed(2)}`);
  }

  hide(value: boolean): void {
    for (const root of [...this.panels.map((panel) => panel.root), this.histogram.chart.root]) root.hidden = value;
  }

  get outlined(): number[] {
    return this.outliers;
  }
}
