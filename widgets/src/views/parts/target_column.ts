/** One target: what it is, what it calls alike, and the nearest patches of all pictures. */
import type { Pixels } from "../../kit/compose";
import type { Grid, Patch } from "../../kit/grid";
import { listen } from "../../kit/lifetime";
import { type Near, type Neighbour, piece } from "../../kit/target_explorer";
import { h, setText } from "./dom";
import type { Drawing } from "./lab_figures";
import { LabPanels } from "./lab_panels";
import type { Panel } from "./panel";
import { ProblemArea } from "./problems";

const AROUND = 1;

export class TargetColumn {
  readonly root: HTMLElement;
  readonly panels: LabPanels;
  private readonly strip = h("div", { class: "mv-pieces", role: "group", "aria-label": "The nearest patches" });
  private readonly words = h("div", { class: "mv-value" });
  private readonly problems: ProblemArea;
  private shown: Neighbour[] = [];
  private inside = new AbortController(); // of the pieces on display

  constructor(
    readonly name: string,
    made: (panel: Panel) => void,
    private readonly go: (picture: number, patch: number) => void,
    entered: (over: boolean) => void,
    signal: AbortSignal,
  ) {
    this.panels = new LabPanels(made, signal);
    this.problems = new ProblemArea(signal);
    this.root = h("section", { class: "mv-target", "aria-label": name, "data-target": name }, h("h4", { title: name }, name), this.problems.root, this.panels.root, this.words, this.strip);
    listen(this.root, "pointerenter", () => entered(true), signal);
    listen(this.root, "pointerleave", () => entered(false), signal);
    signal.addEventListener("abort", () => this.inside.abort(), { once: true });
  }

  get near(): Neighbour[] {
    return this.shown;
  }

  draw(drawings: Drawing[], { near, tied, problem }: Near, pictures: (Pixels | null)[], captions: string[], grid: Grid): void {
    this.problems.remote = problem;
    this.panels.draw(drawings, true);
    this.panels.root.hidden = !drawings.length;
    this.shown = near;
    setText(this.words, problem ? "" : !near.length ? "asking the target …" : tied > 1 ? `${tied} equally alike, of them` : "nearest, of all pictures");
    this.inside.abort();
    this.inside = new AbortController();
    this.strip.replaceChildren(...near.map((each) => this.piece(each, pictures[each.picture] ?? null, captions[each.picture] ?? "", grid)));
  }

  private piece({ picture, patch, similarity }: Neighbour, pixels: Pixels | null, caption: string, grid: Grid): HTMLElement {
    const said = `row ${Math.floor(patch / grid.cols) + 1}, col ${(patch % grid.cols) + 1} of ${caption}: ${similarity.toFixed(2)}`;
    const button = h("button", { type: "button", class: "mv-piece", title: `${said}. Ask about it`, "aria-label": said, "data-picture": picture, "data-patch": patch });
    if (pixels) {
      const { data, width, height } = piece(pixels, grid, patch, AROUND);
      const canvas = h("canvas", { width, height, "aria-hidden": "true" });
      canvas.getContext("2d")?.putImageData(new ImageData(data, width, height), 0, 0);
      button.append(canvas, h("i", {}));
    }
    button.append(h("span", {}, similarity.toFixed(2)));
    listen(button, "click", () => this.go(picture, patch), this.inside.signal);
    return button;
  }

  mark(grid: Grid, hover: Patch | null): void {
    this.panels.mark(grid, hover, null);
  }
}
