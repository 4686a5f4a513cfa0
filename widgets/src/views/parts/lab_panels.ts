/** Panels as Python describes them, in the order in which they came. */
import { decode, fromRgb } from "../../kit/decode";
import type { Grid, Patch } from "../../kit/grid";
import { invert } from "../../kit/mask";
import { type PanelSaid, sameplace } from "../../kit/recipe_lab";
import { h } from "./dom";
import { type Drawing, type LabFigure, figureFor } from "./lab_figures";
import type { Panel } from "./panel";

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
  figure: LabFigure;
  said: PanelSaid;
  end: AbortController; // of its own listeners: a figure may leave long before the view does
}

const kindOf = ({ map, signed, caption, figure }: PanelSaid): string => [map, signed, caption, figure].join();

export class LabPanels {
  readonly root = h("div", { class: "mv-panels" });
  private readonly shown = new Map<string, Shown>();
  private after: Node[] = [];

  /** `made` is called once for each new panel that lies on the picture, to give it hands. */
  constructor(private readonly made: (panel: Panel) => void, signal: AbortSignal) {
    signal.addEventListener("abort", () => [...this.shown.values()].forEach(({ end }) => end.abort()), { once: true });
  }

  /** What came; `whole`: what did not come is gone. */
  draw(drawings: Drawing[], whole: boolean): void {
    const keys = new Set(drawings.map(({ said }) => said.key));
    if (whole) for (const key of [...this.shown.keys()]) if (!keys.has(key)) this.drop(key);
    for (const drawing of drawings) this.put(drawing);
    if (whole) this.root.replaceChildren(...drawings.map(({ said }) => this.shown.get(said.key)!.figure.root), ...this.after);
  }

  /** Further figures at the end of the row. */
  append(...figures: Node[]): void {
    this.after = figures;
    this.root.append(...figures);
  }

  get panels(): Panel[] {
    return [...this.shown.values()].flatMap(({ figure }) => figure.panel ?? []);
  }

  private drop(key: string): void {
    this.shown.get(key)?.end.abort();
    this.shown.delete(key);
  }

  private put(drawing: Drawing): void {
    const { said } = drawing;
    let shown = this.shown.get(said.key);
    if (!shown || kindOf(shown.said) !== kindOf(said)) {
      this.drop(said.key);
      const end = new AbortController();
      shown = { figure: figureFor(said, end.signal), said, end };
      this.shown.set(said.key, shown);
      if (shown.figure.panel) this.made(shown.figure.panel);
    }
    shown.said = said;
    shown.figure.head.title = said.meaning;
    if (shown.figure.panel) shown.figure.panel.frame.style.aspectRatio = `${said.width} / ${said.height}`;
    shown.figure.draw(drawing);
  }

  mark(grid: Grid, hover: Patch | null, query: Patch | null): void {
    for (const { figure, said } of this.shown.values()) {
      const ring = sameplace(grid, hover, said);
      const blank = said.figure === "jigsaw" ? null : said.blank; // its patches may lie on places that were not seen
      figure.say(ring);
      figure.panel?.mark({
        grid: said, mask: blank && said.hatched ? blank : null, veil: blank && !said.hatched ? invert(blank) : null, strong: true, ring, brush: [],
        query: figure.panel.name === "guess" || figure.panel.name === "loss" ? sameplace(grid, query, said) : null,
      });
    }
  }

  fit(ratio: number): void {
    for (const panel of this.panels) panel.fit(ratio);
  }

  set stale(value: boolean) {
    for (const { figure } of this.shown.values()) figure.root.classList.toggle("is-stale", value);
  }
}
