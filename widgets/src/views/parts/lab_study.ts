/** A closer look at the first sentence: one study at a time, its panels and its words. */
import type { AnyModel } from "@anywidget/types";
import { asBytes } from "../../kit/binary";
import type { Grid, Patch } from "../../kit/grid";
import { type Mask, fromRle } from "../../kit/mask";
import { Latest } from "../../kit/latest";
import { follow, listen } from "../../kit/lifetime";
import { type PanelSaid, readCatalogue, readPanels } from "../../kit/recipe_lab";
import { record, text } from "../../kit/read";
import { readProblem } from "../../kit/report";
import type { RecipeLabTraits } from "../../traits";
import { h, setText } from "./dom";
import { field } from "./fields";
import { LabPanels, decoded } from "./lab_panels";
import type { Panel } from "./panel";
import { ProblemArea } from "./problems";

export class LabStudy {
  readonly root: HTMLElement;
  readonly panels: LabPanels;
  private readonly menu = h("select", { "aria-label": "Closer look" });
  private readonly hint = h("span", { class: "mv-labnews" });
  private readonly words = h("div", { class: "mv-labfacts" });
  private readonly problems: ProblemArea;
  private readonly wear = h("button", { type: "button", class: "mv-button", "data-action": "wear", hidden: true, title: "Hide the patches that the search has found; Undo brings the old mask back" }, "Put this mask on");
  private readonly catalogue;
  private found = ""; // a mask as run lengths

  constructor(
    private readonly model: AnyModel<RecipeLabTraits>,
    made: (panel: Panel) => void,
    private readonly drawn: () => void,
    putOn: (mask: Mask) => void,
    private readonly signal: AbortSignal,
  ) {
    this.panels = new LabPanels(made, signal);
    this.problems = new ProblemArea(signal);
    this.catalogue = readCatalogue(model.get("catalogue"));
    this.menu.append(h("option", { value: "" }, "none"), ...this.catalogue.studies.map(({ name, hint }) => h("option", { value: name, title: hint }, name)));
    listen(this.menu, "change", () => {
      model.set("study", this.menu.value);
      model.save_changes();
    }, signal);
    listen(this.wear, "click", () => putOn(fromRle(this.found, { rows: model.get("rows"), cols: model.get("cols") })), signal);
    this.root = h("section", { class: "mv-labside", "aria-label": "A closer look" },
      h("div", { class: "mv-row" }, h("strong", {}, "Look closer"), field("Study", this.menu), this.wear, this.hint), this.problems.root, this.panels.root, this.words);
    const latest = new Latest<PanelSaid[]>((said) => this.draw(said), signal);
    follow(model, "change:studied", () => latest.put(this.read()), signal);
    follow(model, "change:study", () => latest.put(this.read()), signal);
    latest.put(this.read());
  }

  /** Whether a click on a patch is a question to the study on display. */
  get asks(): boolean {
    return this.catalogue.studies.some(({ name, asks }) => asks && name === this.model.get("study"));
  }

  private read(): PanelSaid[] {
    const wanted = this.model.get("study");
    const studied = record(this.model.get("studied"));
    const here = wanted !== "" && text(studied.name) === wanted;
    this.menu.value = wanted;
    setText(this.hint, this.catalogue.studies.find(({ name }) => name === wanted)?.hint ?? "what takes more than one pass: choose a study");
    setText(this.words, here ? text(studied.words) : wanted ? "computing …" : "");
    this.found = here ? text(studied.mask) : "";
    this.wear.hidden = !this.found;
    this.problems.remote = here ? readProblem(record(studied.problem)) : null;
    return here ? readPanels(studied.panels, asBytes(this.model.get("study_pixels"))) : [];
  }

  private async draw(said: PanelSaid[]): Promise<void> {
    const drawings = await decoded(said);
    if (this.signal.aborted) return;
    this.panels.draw(drawings, true);
    this.panels.root.hidden = !drawings.length;
    this.drawn();
  }

  mark(grid: Grid, hover: Patch | null, query: Patch | null): void {
    this.panels.mark(grid, hover, this.asks ? query : null);
  }
}
