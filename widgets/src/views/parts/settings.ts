/** Sliders with numeric entry, the strategy menu, the seed and the statistics switch. */
import { follow, listen } from "../../kit/lifetime";
import type { PainterModel } from "../../kit/session";
import { h } from "./dom";
import { field, slider } from "./fields";
import type { Tools } from "./tools";

export class Settings {
  readonly brush: HTMLElement;
  readonly drawing: HTMLElement[];
  readonly statistics: HTMLElement;
  readonly zoom: HTMLElement;
  private drawn = ""; // what the last mask was drawn with
  private readonly ratio;
  private readonly size;
  private readonly width;
  private readonly fitted: HTMLButtonElement;
  private readonly seed = h("input", { type: "number", min: 0, step: 1, class: "mv-seed", "aria-label": "Seed", title: "The same seed draws the same mask again" });
  private readonly strategy = h("select", { "aria-label": "Strategy", title: "How Draw chooses the hidden patches" });
  private readonly choice = h("select", { "aria-label": "Statistics of hidden patches" });

  constructor(
    private readonly model: PainterModel,
    private readonly tools: Tools,
    private readonly updated: () => void,
    zoomed: (width: number | null) => void,
    private readonly tell: (news: string) => void,
    private readonly signal: AbortSignal,
  ) {
    this.size = slider("Size", "Brush size", "Width of the brush in patches ([ and ])", { min: 1, max: 8, step: 1 }, signal, (value) => {
      tools.size = Math.round(value);
      updated();
    });
    this.size.show(tools.size);
    this.brush = this.size.root;
    this.brush.classList.add("mv-short");
    this.ratio = slider("Ratio", "Ratio", "Share of patches that Draw hides", { min: 0, max: 1, step: 0.01 }, signal, (value) => this.put("ratio", value));
    this.width = slider("Panels", "Panel size", "Width of every panel in pixels", { min: 96, max: 480, step: 4 }, signal, (value) => {
      this.fitted.setAttribute("aria-pressed", "false");
      zoomed(value);
    });
    this.fitted = h("button", { type: "button", class: "mv-button", "aria-pressed": "true", title: "Let the panels fill the width" }, "Fit");
    listen(this.fitted, "click", () => {
      this.fitted.setAttribute("aria-pressed", "true");
      zoomed(null);
    }, signal);
    this.zoom = h("div", { class: "mv-group mv-zoom" }, this.width.root, this.fitted);
    this.drawing = [field("Strategy", this.strategy), this.ratio.root, field("Seed", this.seed)];
    this.statistics = field("Statistics", this.choice);
    this.choice.append(h("option", { value: "visible" }, "of visible patches"), h("option", { value: "true" }, "true (leaks)"));
    this.choice.title = "This model predicts patches up to their mean and contrast. Honest: taken from visible patches. True: read from the hidden pixels.";
    this.connect();
    this.drawn = this.recipe;
  }

  /** Something was chosen that Draw has not drawn yet. */
  get due(): boolean {
    return this.drawn !== this.recipe;
  }

  private get recipe(): string {
    return ["strategy", "ratio", "seed"].map((name) => this.model.get(name as "seed")).join(" ");
  }

  draw(): void {
    if (!this.due) this.tell("drawn again with the same seed; Next seed draws another mask");
    this.drawn = this.recipe;
    this.model.set("draw", this.model.get("draw") + 1);
    this.model.save_changes();
    this.updated();
  }

  drawNext(): void {
    this.model.set("seed", this.model.get("seed") + 1);
    this.draw();
  }

  resize(by: number): void {
    this.tools.size = Math.max(1, Math.min(this.largest, this.tools.size + by));
    this.size.show(this.tools.size);
    this.updated();
  }

  showWidth(width: number): void {
    this.width.show(Math.round(width));
  }

  private get largest(): number {
    return Math.max(2, Math.ceil(Math.max(this.model.get("rows"), this.model.get("cols")) / 2));
  }

  private put<K extends "ratio" | "seed" | "strategy" | "statistics">(name: K, value: K extends "ratio" | "seed" ? number : string): void {
    this.model.set(name, value as never);
    this.model.save_changes();
    this.updated();
  }

  private connect(): void {
    const { model, signal } = this;
    listen(this.strategy, "change", () => this.put("strategy", this.strategy.value), signal);
    listen(this.choice, "change", () => this.put("statistics", this.choice.value), signal);
    listen(this.seed, "change", () => this.put("seed", Math.max(0, Math.round(Number(this.seed.value)) || 0)), signal);
    for (const name of ["strategy", "strategies", "ratio", "seed", "statistics", "normalized", "rows", "cols"]) {
      follow(model, `change:${name}`, () => this.read(), signal);
    }
    this.read();
  }

  private read(): void {
    const { model } = this;
    this.strategy.replaceChildren(...model.get("strategies").map((name) => h("option", { value: name }, WORDS[name] ?? name)));
    this.strategy.value = model.get("strategy");
    this.ratio.show(Number(model.get("ratio").toFixed(4)));
    this.seed.value = String(model.get("seed"));
    this.choice.value = model.get("statistics");
    this.statistics.hidden = !model.get("normalized");
    this.size.limit(this.largest);
  }
}

const WORDS: Record<string, string> = {
  random: "random",
  block: "blocks",
  grid: "grid",
  simmim: "SimMIM units",
  "multi-block": "I-JEPA blocks",
  regions: "regions of the picture",
  parts: "parts of a figure",
};
