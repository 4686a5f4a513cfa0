/** Whether a model still tells things apart: gauges that turn red with the words of what has collapsed. */
import { brief } from "../../kit/norms";
import type { Collapse } from "../../kit/recipe_lab";
import { h, setText } from "./dom";

interface Gauge {
  root: HTMLElement;
  bar: HTMLElement;
  value: HTMLElement;
}

const MEANINGS = {
  "effective rank": "in how many directions features of the patches of several pictures lie, of as many as there could be",
  spread: "share of the features' squared length that is not common to all patches",
  content: "share of what differs between features that differs between pictures; the rest tells only where a patch is",
  "codes told apart": "how many of the teacher's prototypes say something about a patch, in effect",
};

export class LabMeter {
  readonly root: HTMLElement;
  private readonly badge = h("span", { class: "mv-ill", hidden: true }, "collapsed");
  private readonly words = h("div", { class: "mv-metersaid" });
  private readonly gauges = new Map<string, Gauge>();

  constructor() {
    const frame = h("div", { class: "mv-gauges" });
    for (const [name, meaning] of Object.entries(MEANINGS)) frame.append(this.gauge(name, meaning));
    const head = h("figcaption", { title: "how well the encoder's features still tell patches and pictures apart" }, h("span", {}, "collapse meter"), this.badge);
    this.root = h("figure", { class: "mv-panel mv-labmeter", hidden: true, "data-meter": "collapse" }, head, frame, this.words);
  }

  private gauge(name: string, meaning: string): HTMLElement {
    const bar = h("div", { class: "mv-gaugebar", role: "meter", "aria-label": `${name}: ${meaning}`, "aria-valuemin": 0, "aria-valuemax": 1 }, h("div", {}));
    const value = h("span", {});
    const root = h("div", { class: "mv-onegauge", title: meaning, "data-gauge": name }, h("span", {}, name), value, bar);
    this.gauges.set(name, { root, bar, value });
    return root;
  }

  show(collapse: Collapse | null): void {
    this.root.hidden = !collapse;
    if (!collapse) return;
    const { rank, most, spread, content, codes, why } = collapse;
    const percent = (share: number) => `${(100 * share).toPrecision(share < 0.1 ? 2 : 3)} %`;
    this.put("effective rank", rank / Math.max(1, most), `${brief(rank)} of ${most}`);
    this.put("spread", spread, percent(spread));
    this.put("content", content, percent(content));
    this.put("codes told apart", codes ? Math.log(codes[0]) / Math.log(Math.max(2, codes[1])) : null, codes ? `${brief(codes[0])} of ${codes[1]}` : "");
    const ill = why.length > 0;
    this.badge.hidden = !ill;
    this.root.classList.toggle("is-ill", ill);
    this.words.setAttribute("role", ill ? "alert" : "note");
    setText(this.words, ill ? why.join("; ") : "nothing has collapsed");
  }

  private put(name: string, share: number | null, said: string): void {
    const { root, bar, value } = this.gauges.get(name)!;
    root.hidden = share === null;
    setText(value, said);
    const full = Math.min(1, Math.max(0, share ?? 0));
    bar.setAttribute("aria-valuenow", full.toFixed(3));
    bar.setAttribute("aria-valuetext", said);
    (bar.firstChild as HTMLElement).style.width = `${100 * full}%`;
  }
}
