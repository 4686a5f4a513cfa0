/** The watched pictures as the runs see them: a row of panels for each picture and run. */
import type { Grid, Patch } from "../../kit/grid";
import { list, number, record, text } from "../../kit/read";
import { type PanelSaid } from "../../kit/recipe_lab";
import { readProblem } from "../../kit/report";
import { h, setText } from "./dom";
import type { Drawing } from "./lab_figures";
import { LabPanels } from "./lab_panels";
import type { Panel } from "./panel";
import { swatch } from "./train_chart";

export interface PlaceSaid {
  run: number;
  picture: number;
  classes: [string, number][];
  problems: string[];
}

export function readPlaces(raw: unknown): PlaceSaid[] {
  return list(raw).map((each) => {
    const place = record(each);
    const problems = list(place.problems).flatMap((one) => readProblem(record(one)) ?? []).map(({ title, text: why }) => `${title}. ${why}`);
    const classes = list(place.classes).map((pair) => [text(list(pair)[0]), number(list(pair)[1]) ?? 0] as [string, number]);
    return { run: number(place.run) ?? 0, picture: number(place.picture) ?? 0, classes, problems };
  });
}

interface Row {
  root: HTMLElement;
  label: HTMLElement;
  panels: LabPanels;
  classes: HTMLElement;
  problems: HTMLElement;
  grid: Grid | null;
}

export class TrainPlaces {
  readonly root = h("div", { class: "mv-train-places" });
  private rows: Row[] = [];
  private order = "";

  constructor(
    private readonly hands: (panel: Panel, place: number) => void,
    private readonly signal: AbortSignal,
  ) {}

  draw(places: PlaceSaid[], drawings: Drawing[], labels: string[]): void {
    const order = places.map(({ run, picture }) => `${run}.${picture}`).join();
    if (order !== this.order) this.rebuild(places);
    this.order = order;
    const several = new Set(places.map(({ run }) => run)).size > 1;
    places.forEach((place, i) => {
      const row = this.rows[i]!;
      const mine = drawings.filter(({ said }) => said.place === i);
      row.grid = (mine[0]?.said as PanelSaid | undefined) ?? null;
      row.panels.draw(mine, true);
      row.label.replaceChildren(...(several ? [swatch(place.run)] : []), `picture ${place.picture + 1}${several ? ` · ${labels[place.run] ?? ""}` : ""}`);
      row.label.hidden = places.length < 2;
      row.problems.hidden = !place.problems.length;
      setText(row.problems, place.problems.join(" "));
      row.classes.replaceChildren(...place.classes.map(([name, share]) => {
        const bar = h("span", { class: "mv-train-bar" });
        bar.style.setProperty("--mv-train-share", String(share));
        return h("div", { class: "mv-train-class" }, h("span", { title: name }, name), bar, h("span", {}, `${(100 * share).toFixed(1)} %`));
      }));
      row.classes.hidden = !place.classes.length;
    });
    this.mark(null);
  }

  mark(hover: Patch | null): void {
    for (const { panels, grid } of this.rows) if (grid) panels.mark(grid, hover, null);
  }

  grid(place: number): Grid | null {
    return this.rows[place]?.grid ?? null;
  }

  fit(ratio: number): void {
    for (const { panels } of this.rows) panels.fit(ratio);
  }

  set stale(value: boolean) {
    for (const { panels } of this.rows) panels.stale = value;
  }

  private rebuild(places: PlaceSaid[]): void {
    this.rows = places.map((place, i) => {
      const panels = new LabPanels((panel) => this.hands(panel, i), this.signal);
      const label = h("div", { class: "mv-train-label" });
      const classes = h("div", { class: "mv-train-classes", hidden: true, "aria-label": "most probable classes" });
      const problems = h("div", { class: "mv-train-wrong", hidden: true, role: "note" });
      const root = h("section", { "data-place": `${place.run}.${place.picture}` }, label, panels.root, classes, problems);
      return { root, label, panels, classes, problems, grid: null };
    });
    // one picture of both runs together
    const order = [...this.rows.keys()].sort((a, b) => places[a]!.picture - places[b]!.picture || places[a]!.run - places[b]!.run);
    this.root.replaceChildren(...order.map((i) => this.rows[i]!.root));
  }
}
