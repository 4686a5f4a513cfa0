/** A map of raw numbers with its colour bar: the number under the cursor, the true range. */
import { saysMap } from "../../kit/alt";
import { type MapName, colourMap } from "../../kit/colours";
import { type Range, colourize, rangeOf, valueAt } from "../../kit/compose";
import type { Grid, Patch } from "../../kit/grid";
import { brief } from "../../kit/norms";
import { Bar } from "./bar";
import { Panel } from "./panel";

export class ValuePanel {
  readonly panel: Panel;
  private readonly bar;
  private values: Float32Array = new Float32Array(0);
  private known = false;

  constructor(
    name: string,
    caption: string,
    meaning: string,
    private readonly unit: string,
    private readonly signed = false,
  ) {
    this.panel = new Panel(name, caption, meaning);
    this.bar = new Bar("from the smallest to the largest value", brief);
    this.panel.root.append(this.bar.root);
  }

  get root(): HTMLElement {
    return this.panel.root;
  }

  /** The range of these values, symmetric around 0 where signs count. */
  rangeOf(...all: Float32Array[]): Range | null {
    const ranges = all.map(rangeOf).filter((range) => range !== null);
    if (!ranges.length) return null;
    const [min, max] = [Math.min(...ranges.map((r) => r.min)), Math.max(...ranges.map((r) => r.max))];
    const most = Math.max(Math.abs(min), Math.abs(max));
    return this.signed ? { min: -most, max: most } : { min, max };
  }

  draw(values: Float32Array, grid: Grid, map: MapName, range: Range | null, instead: string): void {
    this.values = values;
    this.known = range !== null && values.length > 0;
    const name = this.signed ? "diverging" : map;
    this.panel.show(this.known ? colourize(values, grid, colourMap(name), range!) : null, instead);
    this.panel.describe(this.known ? `${this.unit} ${saysMap(values, grid, brief)}` : instead);
    this.bar.show(this.known ? range : null, name);
  }

  say(grid: Grid, ring: Patch | null, otherwise = ""): void {
    const value = ring && this.known ? valueAt(this.values, grid, ring) : null;
    this.panel.say(value === null || !Number.isFinite(value) ? (this.known ? otherwise || this.unit : "") : `${this.unit} ${brief(value)}`);
  }
}
