/** Panels as Python describes them: pictures and maps, hatched or blank where there is nothing to see. */
import { asFloats } from "../../kit/binary";
import { type Pixels, meanColour } from "../../kit/compose";
import { decode, fromRgb } from "../../kit/decode";
import type { Grid, Patch } from "../../kit/grid";
import { indexOf } from "../../kit/grid";
import { invert } from "../../kit/mask";
import { type PanelSaid, sameplace } from "../../kit/recipe_lab";
import { h } from "./dom";
import { Panel } from "./panel";
import { ValuePanel } from "./value_panel";

export interface Drawing {
  said: PanelSaid;
  pixels: Pixels | null; // of a picture
}

/** Pictures into pixels, all of one answer together, so that they change at once. */
export function decoded(all: PanelSaid[]): Promise<Drawing[]> {
  return Promise.all(
    all.map(async (said) => {
      if (said.map) return { said, pixels: null };
      const raw = fromRgb(said.data, said);
      return { said, pixels: raw ?? (await decode(new Blob([said.data])).catch(() => null)) };
    }),
  );
}

interface Shown {
  panel: Panel;
  values: ValuePanel | null;
  drawing: Drawing;
}

export class LabPanels {
  readonly root = h("div", { class: "mv-panels" });
  private readonly shown = new Map<string, Shown>();
  private after: Node[] = [];

  /** `made` is called once for each new panel, to give it hands. */
  constructor(private readonly made: (panel: Panel) => void = () => {}) {}

  /** What came; `whole`: what did not come is gone. */
  draw(drawings: Drawing[], whole: boolean): void {
    const keys = new Set(drawings.map(({ said }) => said.key));
    if (whole) for (const key of [...this.shown.keys()]) if (!keys.has(key)) this.shown.delete(key);
    for (const drawing of drawings) this.put(drawing);
    if (whole) this.root.replaceChildren(...drawings.map(({ said }) => this.shown.get(said.key)!.panel.root), ...this.after);
  }

  /** Further figures at the end of the row. */
  append(...figures: Node[]): void {
    this.after = figures;
    this.root.append(...figures);
  }

  get panels(): Panel[] {
    return [...this.shown.values()].map(({ panel }) => panel);
  }

  private put(drawing: Drawing): void {
    const { said } = drawing;
    let shown = this.shown.get(said.key);
    if (!shown || (shown.values === null) === said.map || shown.drawing.said.signed !== said.signed || shown.drawing.said.caption !== said.caption) {
      const values = said.map ? new ValuePanel(said.key, said.caption, said.meaning, said.unit, said.signed) : null;
      shown = { panel: values?.panel ?? new Panel(said.key, said.caption, said.meaning), values, drawing };
      this.shown.set(said.key, shown);
      this.made(shown.panel);
    }
    shown.drawing = drawing;
    shown.panel.head.title = said.meaning;
    shown.panel.frame.style.aspectRatio = `${said.width} / ${said.height}`;
    if (shown.values) {
      const floats = asFloats(said.data);
      shown.values.draw(floats, said, said.unit.includes("loss") ? "magma" : "viridis", shown.values.rangeOf(floats), "nothing to show");
    } else shown.panel.show(drawing.pixels, "cannot be drawn");
  }

  mark(grid: Grid, hover: Patch | null, query: Patch | null): void {
    for (const { panel, values, drawing } of this.shown.values()) {
      const { said, pixels } = drawing;
      const ring = sameplace(grid, hover, said);
      const blank = said.blank;
      panel.mark({
        grid: said, mask: blank && said.hatched ? blank : null, veil: blank && !said.hatched ? invert(blank) : null, strong: true, ring, brush: [],
        query: panel.name === "guess" || panel.name === "loss" ? sameplace(grid, query, said) : null,
      });
      if (values) values.say(said, ring, said.say);
      else panel.say(ring ? this.under(pixels, said, ring) : said.say);
    }
  }

  private under(pixels: Pixels | null, said: PanelSaid, ring: Patch): string {
    if (said.blank?.[indexOf(said, ring)]) return said.hatched ? "left out" : "no guess wanted here";
    return pixels ? `RGB ${meanColour(pixels, said, ring).map((value) => value.toFixed(2)).join(" ")}` : "";
  }

  fit(ratio: number): void {
    for (const panel of this.panels) panel.fit(ratio);
  }

  set stale(value: boolean) {
    for (const panel of this.panels) panel.stale = value;
  }
}
