/** How many patches have which norm, with the threshold to be dragged. */
import { plural } from "../../kit/inspection";
import { listen } from "../../kit/lifetime";
import { type Mode, type Span, above, axisOf, brief, histogram, normAt, placeOf } from "../../kit/norms";
import { Chart } from "./chart";
import { h, ownKeys } from "./dom";
import { s } from "./svg";

export class NormHistogram {
  readonly chart: Chart;
  private readonly handle = h("div", { class: "mv-handle", role: "slider", tabindex: 0, "aria-label": "Threshold of the norm", title: "Drag: patches to the right are outliers. Arrow keys move it" });
  private readonly auto = h("button", { type: "button", class: "mv-toggle", title: "Let the fit of two modes choose the threshold again" }, "auto");
  private axis: Span | null = null;
  private threshold: number | null = null;
  private dragging = false;

  constructor(
    name: string,
    private readonly moved: ((norm: number | null, done: boolean) => void) | null, // null = to be read only
    signal: AbortSignal,
  ) {
    this.chart = new Chart(name, "norm histogram", "how many patches have which norm, on a logarithmic axis; the line is the threshold");
    this.chart.frame.append(this.handle);
    this.handle.classList.toggle("is-fixed", !moved);
    if (!moved) {
      this.handle.removeAttribute("tabindex");
    } else {
      this.chart.head.append(this.auto);
      ownKeys(this.handle);
      this.listen(signal);
    }
  }

  draw(norms: Float32Array, mode: Mode | null, byHand: number | null): void {
    this.axis = axisOf(norms);
    this.threshold = byHand ?? mode?.threshold ?? null;
    const { axis, threshold } = this;
    this.handle.hidden = !axis || (!this.moved && threshold === null);
    this.auto.hidden = byHand === null;
    if (!axis) {
      this.chart.label("", "", "");
      return this.chart.draw([], "waiting for the model …");
    }
    const bins = histogram(norms, axis);
    const most = Math.max(...bins.map((bin) => bin.count));
    const bars = bins.map((bin, i) => {
      const height = bin.count ? 4 + (88 * Math.log1p(bin.count)) / Math.log1p(most) : 0; // one patch among a thousand is to be seen
      const high = threshold !== null && Math.sqrt(bin.from * bin.to) > threshold;
      const bar = s("rect", { x: (100 * i) / bins.length + 0.2, y: 100 - height, width: 100 / bins.length - 0.4, height, class: high ? "is-high" : "is-low" });
      bar.append(s("title", {}, `${brief(bin.from)} to ${brief(bin.to)}: ${plural(bin.count, "patch")}`));
      return bar;
    });
    this.chart.draw(bars);
    this.place();
    this.chart.label(brief(axis.min), "norm, log axis", brief(axis.max));
    const count = above(norms, threshold).length;
    const sure = byHand === null && mode?.threshold != null ? ` · confidence ${(100 * mode.confidence).toFixed(0)} %` : byHand === null ? "" : " · by hand";
    this.chart.say(threshold === null ? mode?.why ?? "" : `above ${brief(threshold)}: ${count} of ${norms.length}${sure}`);
  }

  private place(): void {
    if (!this.axis) return;
    const at = this.threshold ?? this.axis.max;
    this.handle.style.left = `${100 * placeOf(at, this.axis)}%`;
    this.handle.classList.toggle("is-none", this.threshold === null);
    this.handle.setAttribute("aria-valuenow", at.toPrecision(4));
    this.handle.setAttribute("aria-valuemin", this.axis.min.toPrecision(4));
    this.handle.setAttribute("aria-valuemax", this.axis.max.toPrecision(4));
    this.handle.setAttribute("aria-valuetext", this.threshold === null ? "no threshold" : `outliers above ${brief(at)}`);
  }

  private listen(signal: AbortSignal): void {
    const { frame } = this.chart;
    const at = (event: PointerEvent): number => {
      const box = frame.getBoundingClientRect();
      return normAt((event.clientX - box.left) / box.width, this.axis!);
    };
    listen(frame, "pointerdown", (event) => {
      if (!event.isPrimary || event.button !== 0 || !this.axis) return;
      frame.setPointerCapture?.(event.pointerId);
      this.dragging = true;
      this.moved!(at(event), false);
    }, signal);
    listen(frame, "pointermove", (event) => this.dragging && this.axis && this.moved!(at(event), false), signal);
    const end = () => {
      if (this.dragging) this.moved!(this.threshold, true);
      this.dragging = false;
    };
    listen(frame, "pointerup", end, signal);
    listen(frame, "pointercancel", end, signal);
    listen(this.handle, "keydown", (event) => {
      const step = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02 }[event.key];
      if (!step || !this.axis) return;
      event.preventDefault();
      this.moved!(normAt(placeOf(this.threshold ?? this.axis.max, this.axis) + step, this.axis), true);
    }, signal);
    listen(this.auto, "click", () => this.moved!(null, true), signal);
  }
}
