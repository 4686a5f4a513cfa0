/** The line under the panels: a state with its lamp, what is known, news for a moment, and what a screen reader hears. */
import { h, setText } from "./dom";

const PATIENCE = 4000; // ms without an answer before the line says why that may be

export class StatusLine {
  readonly root = h("div", { class: "mv-status" });
  readonly line = h("div", { class: "mv-line" });
  private readonly live = h("div", { class: "mv-live", role: "status", "aria-live": "polite" });
  private readonly parts = h("span", { class: "mv-parts" });
  private readonly state = h("span", { class: "mv-state" });
  private readonly note = h("div", { class: "mv-note" });
  private readonly news = h("div", { class: "mv-news" });
  private timer: ReturnType<typeof setTimeout> | undefined;
  private newsTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly meanings: Record<string, string>,
    private readonly signal: AbortSignal,
  ) {
    this.line.append(this.state, this.parts);
    this.root.append(this.line, this.note, this.news, this.live);
    const quiet = () => [this.timer, this.newsTimer].forEach(clearTimeout);
    signal.addEventListener("abort", quiet, { once: true });
  }

  show(state: string, parts: string[], note = ""): void {
    clearTimeout(this.timer);
    setText(this.state, state);
    this.state.dataset.state = state.split(" ")[0];
    this.state.title = this.meanings[state] ?? "";
    setText(this.parts, parts.join("  ·  "));
    setText(this.note, note);
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
