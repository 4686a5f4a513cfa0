/** Gradient and weights of each layer, with those that are dead, exploding or broken named. */
import { brief } from "../../kit/norms";
import { type Layer, type RunSaid, healthOf } from "../../kit/training";
import { h, setText } from "./dom";
import { swatch } from "./train_chart";

const MEANING: Record<string, string> = {
  broken: "holds NaN or infinite values",
  dead: "no gradient reaches it",
  exploding: "moved by more than a tenth of its size in one step",
  "": "",
};
const [LEAST, MOST] = [-6, 0]; // decades of update over weights

export class TrainHealth {
  readonly root: HTMLDetailsElement;
  private readonly summary = h("summary", {});
  private readonly body = h("div", { class: "mv-train-tables" });
  private shown = "";

  constructor() {
    this.root = h("details", { class: "mv-train-health", hidden: true }, this.summary, this.body);
  }

  show(runs: RunSaid[]): void {
    const known = runs.flatMap((run, i) => (run.health ? [{ i, run, ...run.health }] : []));
    this.root.hidden = !known.length;
    const said = known.map(({ run, step, layers }) => `${runs.length > 1 ? `${run.name}, ` : ""}step ${step}: ${healthOf(layers)}`).join(" · ");
    setText(this.summary, `Health of layers: ${said}`);
    this.root.classList.toggle("is-ill", known.some(({ layers }) => layers.some(({ state }) => state)));
    const key = known.map(({ run, step }) => `${run.name} ${step}`).join();
    if (key === this.shown) return;
    this.shown = key;
    this.body.replaceChildren(...known.map(({ i, layers }) => this.table(i, layers)));
  }

  private table(run: number, layers: Layer[]): HTMLElement {
    const head = h("tr", {}, ...[["layer", ""], ["gradient", "L2 norm before clipping"], ["update / weights", "how far the step moved the layer, in shares of its size; about 0.001 is usual"], ["silent", "share of weights whose gradient is exactly 0"], ["", ""]].map(([word, title]) => h("th", { title: title! }, word!)));
    const rows = layers.map((layer) => h("tr", { class: layer.state ? "is-ill" : "" },
      h("td", { title: layer.name }, layer.name), h("td", {}, said(layer.gradient)), h("td", {}, meter(layer.ratio), said(layer.ratio)),
      h("td", {}, layer.silent === null ? "" : `${(100 * layer.silent).toFixed(0)} %`), h("td", { title: MEANING[layer.state] ?? "" }, layer.state)));
    return h("div", { class: "mv-train-table" }, swatch(run), h("table", {}, h("thead", {}, head), h("tbody", {}, ...rows)));
  }
}

const said = (value: number | null): string => (value === null ? "not finite" : brief(value));

function meter(ratio: number | null): HTMLElement {
  const bar = h("span", { class: "mv-train-meter", "aria-hidden": "true" });
  const share = ratio ? (Math.log10(ratio) - LEAST) / (MOST - LEAST) : 0;
  bar.style.setProperty("--mv-train-share", String(Math.min(1, Math.max(0, share))));
  return bar;
}
