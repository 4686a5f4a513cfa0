/** The line under the panels, the badge of leaking pictures, problems and what a screen reader hears. */
import { listen } from "../../kit/lifetime";
import type { Problem, Report } from "../../kit/report";
import { describe } from "../../kit/report";
import { h, setText } from "./dom";

const PATIENCE = 4000; // ms without an answer before the line says why that may be

export class Status {
  readonly root = h("div", { class: "mv-status" });
  readonly live = h("div", { class: "mv-live", role: "status", "aria-live": "polite" });
  readonly leak = h(
    "details",
    { class: "mv-leak", hidden: true },
    h("summary", {}, "uses the hidden pixels"),
    h("p", {}, "Mean and contrast of the hidden patches were read from the hidden pixels themselves. The picture looks better than what the model knows; choose the statistics “of visible patches” for an honest one."),
  );
  private readonly parts = h("span", { class: "mv-parts" });
  private readonly state = h("span", { class: "mv-state" });
  private readonly note = h("div", { class: "mv-note" });
  private readonly news = h("div", { class: "mv-news" });
  private timer: ReturnType<typeof setTimeout> | undefined;
  private newsTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly signal: AbortSignal) {
    this.root.append(h("div", { class: "mv-line" }, this.state, this.parts), this.note, this.news, this.live);
    const quiet = () => [this.timer, this.newsTimer].forEach(clearTimeout);
    signal.addEventListener("abort", quiet, { once: true });
  }

  update(report: Report | null, hidden: number, patches: number, state: string): void {
    clearTimeout(this.timer);
    setText(this.state, state);
    this.state.dataset.state = state.split(" ")[0];
    this.state.title = MEANING[state] ?? "";
    setText(this.parts, describe(report, hidden, patches).join("  ·  "));
    setText(this.note, report?.note ?? "");
    this.leak.hidden = !report?.leaks;
    if (state.startsWith("computing") && !this.signal.aborted) {
      this.timer = setTimeout(() => setText(this.state, "no answer yet: is the kernel busy with another cell?"), PATIENCE);
    }
  }

  /** For screen readers. */
  say(text: string): void {
    setText(this.live, text);
  }

  /** For everybody, for a moment. */
  tell(text: string): void {
    this.say(text);
    setText(this.news, text);
    clearTimeout(this.newsTimer);
    if (text && !this.signal.aborted) this.newsTimer = setTimeout(() => setText(this.news, ""), 6000);
  }
}

const MEANING: Record<string, string> = {
  exact: "Computed for exactly this mask",
  coarse: "A quick answer while the pointer is down; the exact one follows on release",
};

/** What went wrong or what to do next; the mask is never touched by it. */
export class ProblemArea {
  readonly root = h("div", { class: "mv-problem", hidden: true });
  private own: Problem | null = null;
  private python: Problem | null = null;

  constructor(private readonly signal: AbortSignal) {}

  /** From the browser: a file that is no mask, a picture that cannot be drawn. */
  set local(problem: Problem | null) {
    this.own = problem;
    this.draw();
  }

  set remote(problem: Problem | null) {
    this.python = problem;
    this.draw();
  }

  private draw(): void {
    const problem = this.own ?? this.python;
    this.root.hidden = !problem;
    this.root.replaceChildren();
    if (!problem) return;
    this.root.dataset.kind = problem.kind;
    this.root.setAttribute("role", problem.kind === "error" ? "alert" : "note");
    const words = h("div", {}, h("strong", {}, problem.title));
    if (problem.text) words.append(h("span", {}, problem.text));
    if (problem.hint) words.append(h("em", {}, problem.hint));
    this.root.append(words);
    if (problem === this.own) this.root.append(this.closer());
  }

  private closer(): HTMLElement {
    const button = h("button", { type: "button", class: "mv-button", "aria-label": "Dismiss" }, "×");
    listen(button, "click", () => (this.local = null), this.signal);
    return button;
  }
}
