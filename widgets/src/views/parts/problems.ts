/** Problems and blank states: said where the pictures are. */
import { listen } from "../../kit/lifetime";
import type { Problem } from "../../kit/report";
import { h } from "./dom";

/** What went wrong or what to do next; what the person has made is never touched by it. */
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
