/** Behind one number: its curve, and the removal as a film to scrub through. */
import { type Detail, brief } from "../../kit/board";
import type { Pixels } from "../../kit/compose";
import { points } from "../../kit/curve";
import { decode } from "../../kit/decode";
import { Chart } from "./chart";
import { h, setText } from "./dom";
import { slider } from "./fields";
import { Panel } from "./panel";
import { s } from "./svg";

export class BoardFilm {
  private readonly heading = h("div", { class: "mv-judge-heading" });
  private readonly note = h("div", { class: "mv-note" });
  private readonly chart = new Chart("judge-curve", "curve", "the score at each step; the line marks the step of the film");
  private readonly panels = h("div", { class: "mv-panels" });
  private readonly scrub: ReturnType<typeof slider>;
  private films: { panel: Panel; top: HTMLElement; stills: (Pixels | null)[] }[] = [];
  private detail: Detail | null = null;
  private step = 0;
  readonly root = h("section", { class: "mv-judge-film", "aria-label": "What is behind the number", hidden: true });

  constructor(
    picker: HTMLElement,
    private readonly signal: AbortSignal,
  ) {
    const span = { min: 0, max: 1, step: 1 };
    this.scrub = slider("Step", "Step of the removal", "Scrub through the removal: arrow keys go step by step", span, signal, (value) => this.go(value));
    this.root.append(h("div", { class: "mv-row" }, this.heading, picker, this.scrub.root), this.note, this.panels);
  }

  /** A cell was clicked; its pictures are on their way. */
  wait(text: string): void {
    this.root.hidden = !text;
    setText(this.heading, text);
    setText(this.note, "");
    this.root.classList.toggle("is-waiting", !!text);
  }

  async show(detail: Detail | null, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.detail = detail;
    this.root.hidden = !detail;
    if (!detail) return;
    this.root.classList.remove("is-waiting");
    const [method, judge] = detail.selected;
    setText(this.heading, `${method} judged by ${judge}: ${brief(detail.value)}`);
    const nothing = detail.films.length || detail.x.length ? "" : "This judge gives one number: there are no steps to look at.";
    setText(this.note, [detail.note, nothing].filter(Boolean).join(" · "));
    this.films = detail.films.map((film, i) => {
      const what = film.exact ? "what the model really gets" : "the model gets nothing there: grey only shows where";
      const panel = new Panel(`film ${i}`, film.name, what);
      panel.frame.style.aspectRatio = `${film.width} / ${film.height}`;
      const top = h("ol", { class: "mv-judge-top", "aria-label": "Best classes" });
      panel.root.append(top);
      return { panel, top, stills: film.frames.map(() => null) };
    });
    this.panels.replaceChildren(...(detail.x.length ? [this.chart.root] : []), ...this.films.map(({ panel }) => panel.root));
    const steps = Math.max(0, ...detail.films.map((film) => film.frames.length - 1));
    this.scrub.root.hidden = !steps;
    this.scrub.limit(Math.max(1, steps));
    this.step = Math.min(this.step || Math.round(steps / 4), steps);
    this.scrub.show(this.step);
    this.go(this.step);
    await Promise.all(detail.films.map(async (film, i) => {
      const decoded = film.frames.map(({ start, size }) => decode(new Blob([bytes.slice(start, start + size)])).catch(() => null));
      const stills = await Promise.all(decoded);
      if (this.detail === detail && !this.signal.aborted) this.films[i]!.stills = stills;
    }));
    if (this.detail === detail && !this.signal.aborted) this.go(this.step);
  }

  fit(): void {
    for (const { panel } of this.films) panel.fit(window.devicePixelRatio || 1);
  }

  private go(step: number): void {
    const { detail } = this;
    if (!detail) return;
    this.step = step;
    this.films.forEach(({ panel, top, stills }, i) => {
      const still = detail.films[i]!.frames[Math.min(step, detail.films[i]!.frames.length - 1)];
      if (!still) return;
      panel.show(stills[Math.min(step, stills.length - 1)] ?? null, "opening …");
      panel.say(`${Math.round(100 * still.share)} % gone · ${detail.asked || "asked for"} ${(100 * still.score).toFixed(1)} %`);
      top.replaceChildren(...still.top.map(([name, p]) => h("li", {}, h("span", {}, name), h("span", {}, `${(100 * p).toFixed(1)} %`))));
    });
    this.curve(detail, step);
    this.fit();
  }

  private curve({ x, y, xLabel, yLabel, films }: Detail, step: number): void {
    if (!x.length) return;
    const known = y.filter(Number.isFinite);
    const [low, high] = [Math.min(0, ...known), Math.max(...known)];
    const lines = points(y.map((value) => (Number.isFinite(value) ? value : null)), x.length, low, high).map((run) => s("polyline", { points: run, class: "is-loss", "vector-effect": "non-scaling-stroke" }));
    const steps = Math.max(0, ...films.map((film) => film.frames.length - 1));
    if (steps) lines.push(s("line", { x1: (100 * step) / steps, x2: (100 * step) / steps, y1: 0, y2: 100, class: "is-cursor", "vector-effect": "non-scaling-stroke" }) as unknown as SVGPolylineElement);
    this.chart.draw(lines);
    this.chart.label(brief(x[0] ?? 0), `${xLabel} →`, brief(x.at(-1) ?? 1));
    this.chart.say(`${yLabel} ${brief(low)} to ${brief(high)} ↑`);
  }
}
