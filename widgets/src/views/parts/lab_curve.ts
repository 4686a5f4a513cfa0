/** The loss while a model is trained here: every step, and what the eye would draw through them. */
import { points } from "../../kit/curve";
import { brief } from "../../kit/norms";
import { smoothed } from "../../kit/recipe_lab";
import { Chart } from "./chart";
import { s } from "./svg";

export interface Curve {
  losses: number[];
  pace: number; // steps a second
}

export class LabCurve {
  private readonly chart = new Chart("curve", "training", "the loss of every step trained here, thin; smoothed, thick");

  constructor() {
    this.chart.root.hidden = true;
  }

  get root(): HTMLElement {
    return this.chart.root;
  }

  show(curve: Curve | null): void {
    const { chart } = this;
    const losses = curve?.losses ?? [];
    chart.root.hidden = losses.length < 2;
    if (!curve || losses.length < 2) return;
    const [low, high] = [Math.min(...losses), Math.max(...losses)];
    const line = (values: number[], name: string) =>
      points(values, values.length, low, high).map((at) => s("polyline", { points: at, class: name, fill: "none" }));
    chart.draw([...line(losses, "mv-thin"), ...line(smoothed(losses), "mv-thick")]);
    chart.label("step 1", `${brief(low)} … ${brief(high)}`, String(losses.length));
    chart.say(`loss ${brief(smoothed(losses).at(-1)!)}, ${curve.pace >= 10 ? curve.pace.toFixed(0) : curve.pace.toFixed(1)} steps/s`);
  }
}
