/** The time machine: a slider over the kept moments, play, back to live, and a branch from the moment on display. */
import { listen } from "../../kit/lifetime";
import { type RunSaid, momentsOf, nearest, sayHeld } from "../../kit/training";
import { h, setText } from "./dom";
import { field } from "./fields";
import { s } from "./svg";

export const LIVE = -1;
const BEAT = 280; // ms between two moments while playing, at least

export class TrainTime {
  readonly root: HTMLElement;
  private moments: number[] = [];
  private runs: RunSaid[] = [];
  private moment = LIVE;
  private end = 1;
  private playing = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly range = h("input", { type: "range", min: 0, max: 1, step: 1, value: 0, "aria-label": "Moment of the training", title: "Kept moments: long ticks are exact, short ones are near. Arrow keys go from one to the next" });
  private readonly ticks = s("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", class: "mv-train-ticks", "aria-hidden": "true" });
  private readonly play = h("button", { type: "button", class: "mv-button", "data-action": "play", title: "Go through all kept moments" }, "Play");
  private readonly live = h("button", { type: "button", class: "mv-button", "data-action": "live", title: "Show the newest state, as it trains" }, "Live");
  private readonly words = h("span", { class: "mv-train-when" });
  private readonly rate = h("input", { type: "number", min: 0, step: "any", placeholder: "as it was", "aria-label": "Learning rate of the branch", title: "Peak of the learning rate in the branch; empty: as it was" });
  private readonly fork = h("button", { type: "button", class: "mv-button", "data-action": "branch" }, "Branch here");

  constructor(
    private readonly choose: (step: number) => void,
    branch: (step: number, lr: number) => void,
    signal: AbortSignal,
  ) {
    listen(this.range, "input", () => this.take(this.moments[nearest(this.moments, Number(this.range.value))] ?? LIVE), signal);
    listen(this.range, "keydown", (event) => this.key(event), signal);
    listen(this.live, "click", () => (this.halt(), this.take(LIVE)), signal);
    listen(this.play, "click", () => (this.playing ? this.halt() : this.begin()), signal);
    listen(this.fork, "click", () => this.fork.getAttribute("aria-disabled") !== "true" && branch(this.moment === LIVE ? this.runs[0]?.done ?? 0 : this.moment, Number(this.rate.value) || 0), signal);
    signal.addEventListener("abort", () => clearTimeout(this.timer), { once: true });
    this.root = h("div", { class: "mv-train-time", role: "group", "aria-label": "Time machine" },
      h("div", { class: "mv-group" }, this.play, this.live),
      h("div", { class: "mv-train-rail" }, this.range, this.ticks), this.words,
      h("div", { class: "mv-group mv-train-fork" }, this.fork, field("with rate", this.rate)));
  }

  show(runs: RunSaid[], moment: number, branching: boolean): void {
    [this.runs, this.moment] = [runs, moment];
    this.moments = momentsOf(runs);
    this.end = Math.max(1, ...runs.map((run) => run.steps));
    this.range.max = String(this.end);
    const newest = Math.max(0, ...runs.map((run) => run.done));
    if (!this.playing || moment !== LIVE) this.range.value = String(moment === LIVE ? newest : moment);
    this.range.disabled = this.moments.length < 2;
    const exact = new Set(runs.flatMap((run) => [...run.exact]));
    this.ticks.replaceChildren(...this.moments.map((step) => {
      const x = (100 * step) / this.end;
      return s("line", { x1: x, x2: x, y1: 0, y2: exact.has(step) ? 10 : 5 });
    }));
    this.live.setAttribute("aria-pressed", String(moment === LIVE));
    this.play.setAttribute("aria-disabled", String(this.moments.length < 2));
    const at = this.moments.indexOf(moment);
    const kind = exact.has(moment) ? "exact" : "near: weights in 8 bits of their way";
    const where = moment === LIVE ? `newest, step ${newest} · ${this.moments.length} moments kept` : `step ${moment} (${at + 1} of ${this.moments.length}) · ${kind}`;
    const held = runs.map((run) => sayHeld(run.held, moment === LIVE ? run.done : moment)).filter(Boolean);
    setText(this.words, [where, ...held].join(" · "));
    this.range.setAttribute("aria-valuetext", this.words.textContent ?? "");
    const able = Boolean(runs[0]?.drives && runs[0].done && !branching);
    this.fork.setAttribute("aria-disabled", String(!able));
    setText(this.fork, branching ? "Branching …" : "Branch here");
    this.fork.title = runs.length > 1 ? "A new run from this moment of the first one; it takes the place of the second on this page" : "A new run from this moment, shown beside the first; the steps since the last exact moment are done over";
  }

  /** The pictures of a moment have come. */
  arrived(moment: number): void {
    if (!this.playing || moment !== this.moment) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.next(), BEAT);
  }

  private next(): void {
    const at = this.moments.indexOf(this.moment);
    const step = this.moments[at + 1];
    if (step === undefined) return this.halt();
    this.take(step);
  }

  private begin(): void {
    if (this.moments.length < 2) return;
    this.playing = true;
    setText(this.play, "Hold");
    const at = this.moments.indexOf(this.moment);
    this.take(at >= 0 && at < this.moments.length - 1 ? this.moments[at + 1]! : this.moments[0]!);
  }

  private halt(): void {
    this.playing = false;
    clearTimeout(this.timer);
    setText(this.play, "Play");
  }

  private take(step: number): void {
    if (step === this.moment) return;
    this.moment = step;
    this.choose(step);
  }

  private key(event: KeyboardEvent): void {
    const move = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (!move || !this.moments.length) return;
    event.preventDefault();
    const at = this.moment === LIVE ? this.moments.length : this.moments.indexOf(this.moment);
    const next = at + move;
    this.take(next >= this.moments.length ? LIVE : this.moments[Math.max(0, next)]!);
  }
}
