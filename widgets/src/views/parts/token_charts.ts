/** Massive channels as bars, norms against defects as dots, a repair as curves. */
import type { Curve } from "../../kit/curve";
import { points } from "../../kit/curve";
import { axisOf, brief, placeOf } from "../../kit/norms";
import { list, number, record, text } from "../../kit/read";
import { Chart } from "./chart";
import { s } from "./svg";

const SHOWN = 8;

/** The largest channels of a layer. */
export class Channels {
  readonly chart = new Chart("channels", "massive channels", "the channels with the largest magnitude of any token; massive: above 100 and above 1000 times the median");

  draw(raw: unknown, layer: number): void {
    const found = list(list(record(raw).list)[layer]).slice(0, SHOWN).map(record);
    const most = Math.max(...found.map((each) => Math.abs(number(each.value) ?? 0)), 1e-12);
    const step = 100 / SHOWN;
    const bars = found.map((each, i) => {
      const value = number(each.value) ?? 0;
      const width = (96 * Math.abs(value)) / most;
      const bar = s("rect", { x: 2, y: i * step + 1.5, width: Math.max(0.5, width), height: step - 3, class: each.massive ? "is-high" : "is-low" });
      bar.append(s("title", {}, `channel ${String(each.index)}: ${brief(value)} at ${text(each.token)}, ${brief(number(each.ratio) ?? 0)} × the median`));
      return bar;
    });
    this.chart.draw(bars, "waiting for the model …");
    const first = found[0];
    const massive = found.filter((each) => each.massive).length;
    this.chart.say(first ? `${massive ? `${massive} massive` : "none massive"} · largest: ${String(first.index)} at ${text(first.token)}` : "");
    this.chart.label("0", "|value|", first ? brief(most) : "");
  }
}

/** Every patch by its norm and its |cos| to the defect direction. */
export class Scatter {
  readonly chart = new Chart("scatter", "norm against defect", "every patch: its norm to the right (logarithmic), |cos| to the defect direction upwards");

  draw(norms: Float32Array, cosines: Float32Array, outliers: number[], waiting: string): void {
    const axis = axisOf(norms);
    if (!axis || !cosines.length) return this.chart.draw([], waiting);
    const high = new Set(outliers);
    const dots = Array.from(norms, (norm, i) => {
      const at = { cx: 3 + 94 * placeOf(norm, axis), cy: 97 - 94 * (cosines[i] ?? 0), rx: 1.6, ry: 1.6 };
      return s("ellipse", { ...at, class: high.has(i) ? "is-high" : "is-low" });
    });
    this.chart.draw(dots);
    this.chart.label(brief(axis.min), "norm →, |cos| 0..1 ↑", brief(axis.max));
    this.chart.say("");
  }
}

/** Loss of a repair (logarithmic) and how alike the class token has stayed. */
export class RepairCurves {
  readonly chart = new Chart("curve", "repair", "the loss at each step, logarithmic (solid), and the class token's cosine to the unrepaired model, from 0 to 1 (dashed)");

  draw(curve: Curve | null): void {
    const known = (curve?.loss ?? []).filter((value) => value !== null);
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const line = (runs: string[], name: string) => runs.map((run) => s("polyline", { points: run, class: name, "vector-effect": "non-scaling-stroke" }));
    const lines = curve ? [...line(points(curve.loss, curve.of, low, high, true), "is-loss"), ...line(points(curve.cosine, curve.of, 0, 1), "is-cosine")] : [];
    this.chart.draw(lines, "Run mends a copy of the model; its loss is drawn here");
    if (!curve) return this.chart.say("");
    const [loss, ratio, cosine] = [curve.loss.at(-1), curve.ratio.at(-1) ?? 0, curve.cosine.at(-1) ?? 0];
    this.chart.label(known.length ? brief(low) : "", known.length ? "loss, log axis" : "", known.length ? brief(high) : "");
    const said = !known.length ? "nothing to repair so far" : loss == null ? "no defective patches left" : `loss ${brief(loss)}`;
    this.chart.say(`step ${curve.loss.length} of ${curve.of} · ${said} · max : median ${brief(ratio)} · CLS cos ${cosine.toFixed(3)}`);
  }
}
