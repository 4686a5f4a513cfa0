/** Patches whose places a model was asked: shuffled, flown to where it puts them, or to where they belong. */
import { type Pixels } from "../../kit/compose";
import { type Patch, indexOf } from "../../kit/grid";
import { STAGES, type Stage, eased, flying, lyingAt } from "../../kit/jigsaw";
import { listen } from "../../kit/lifetime";
import type { PanelSaid } from "../../kit/recipe_lab";
import { h } from "./dom";
import type { Drawing, LabFigure } from "./lab_figures";
import { Panel } from "./panel";

const FLIGHT = 600; // ms: this motion is what is to be seen, not how the page gets there; none where less motion is wished

export class LabJigsaw implements LabFigure {
  readonly panel: Panel;
  private readonly buttons = new Map<Stage, HTMLButtonElement>();
  private said: PanelSaid;
  private pixels: Pixels | null = null;
  private stage: Stage = "put";
  private frame = 0;

  constructor(said: PanelSaid, private readonly signal: AbortSignal) {
    this.said = said;
    this.panel = new Panel(said.key, said.caption, said.meaning);
    for (const { stage, word, hint } of STAGES) {
      const button = h("button", { type: "button", class: "mv-toggle", "data-stage": stage, title: hint, "aria-pressed": "false" }, word);
      listen(button, "click", () => this.go(stage), signal);
      this.buttons.set(stage, button);
    }
    this.panel.root.append(h("div", { class: "mv-group mv-stages", role: "group", "aria-label": "Where the patches lie" }, ...this.buttons.values()));
    signal.addEventListener("abort", () => cancelAnimationFrame(this.frame), { once: true });
  }

  get root(): HTMLElement {
    return this.panel.root;
  }

  get head(): HTMLElement {
    return this.panel.head;
  }

  /** A new answer flies together at once: from the heap to where the model puts the patches. */
  draw({ said, pixels }: Drawing): void {
    const again = this.pixels !== null && JSON.stringify(said.moves) === JSON.stringify(this.said.moves);
    [this.said, this.pixels] = [said, pixels];
    if (again || this.stage !== "put") return this.paint(this.stage, this.stage, 1);
    this.fly("lies", "put");
  }

  private go(stage: Stage): void {
    const from = this.stage;
    this.stage = stage;
    this.fly(from, stage);
  }

  private fly(from: Stage, to: Stage): void {
    cancelAnimationFrame(this.frame);
    for (const [stage, button] of this.buttons) button.setAttribute("aria-pressed", String(stage === to));
    if (window.matchMedia?.("(prefers-reduced-motion: reduce)").matches) return this.paint(from, to, 1);
    const began = performance.now();
    const step = (): void => {
      const part = Math.min(1, (performance.now() - began) / FLIGHT);
      this.paint(from, to, eased(part));
      if (part < 1 && !this.signal.aborted) this.frame = requestAnimationFrame(step);
    };
    step();
  }

  private paint(from: Stage, to: Stage, part: number): void {
    const { pixels, said } = this;
    this.panel.show(pixels && flying(pixels, said, said.moves, from, to, part, said.blank), "cannot be drawn");
  }

  say(ring: Patch | null): void {
    const { said, stage } = this;
    if (!ring) return this.panel.say(said.say);
    const place = indexOf(said, ring);
    const patch = lyingAt(said.moves, place, stage);
    if (patch === null) return this.panel.say(said.blank?.[place] ? "left out" : "its place was told");
    const [row, col] = [Math.floor(patch / said.cols) + 1, (patch % said.cols) + 1];
    this.panel.say(patch === place ? "in its place" : `belongs to row ${row}, col ${col}`);
  }
}
