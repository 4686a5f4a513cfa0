/** One run: its state, its buttons, its learning rate, and what the guard rails say. */
import { listen } from "../../kit/lifetime";
import { brief } from "../../kit/norms";
import { type RunSaid, progressOf } from "../../kit/training";
import { h, setText } from "./dom";
import { field } from "./fields";
import { icon } from "./icons";
import { swatch } from "./train_chart";

export type Ask = (what: { do: string; run: number; value?: number }) => void;

const GO: Record<string, [string, string]> = {
  new: ["Start", "Begin to train, in a thread: the notebook stays free"],
  running: ["Pause", "Rest after the step that is running, and keep it"],
  paused: ["Resume", "Go on from here, to the same numbers as without the pause"],
  stopped: ["Resume", "Go on from here, to the same numbers as without the stop"],
  failed: ["Try again", "Go on from the last step that is whole"],
  finished: ["Finished", "All steps are done; branch from any moment to go on differently"],
};

export class TrainRun {
  readonly root: HTMLElement;
  private said: RunSaid | null = null;
  private readonly lamp = h("span", { class: "mv-train-state" });
  private readonly name = h("strong", {});
  private readonly facts = h("span", { class: "mv-train-facts" });
  private readonly go = h("button", { type: "button", class: "mv-button", "data-action": "go" });
  private readonly stop = h("button", { type: "button", class: "mv-button", "data-action": "stop", title: "End the training after this step and keep it; it can be gone on with later" }, "Stop");
  private readonly rate = h("input", { type: "number", min: 0, step: "any", "aria-label": "Peak of the learning rate", title: "Peak of the schedule from the next step on; remembered, so that a resumed run does the same. Enter applies it" });
  private readonly now = h("span", { class: "mv-train-rate" });
  private readonly gauge = h("progress", { class: "mv-train-gauge", max: 1, value: 0 });
  private readonly message = h("div", { class: "mv-train-message", role: "note" });
  private readonly chips = h("div", { class: "mv-train-chips", hidden: true });
  private told = 0;
  private asked = 0; // the rate that was last sent, so that Enter and leaving the field send it once

  constructor(
    private readonly number: number,
    private readonly ask: Ask,
    signal: AbortSignal,
  ) {
    listen(this.go, "click", () => this.said && this.said.state !== "finished" && ask({ do: this.said.state === "running" ? "pause" : "start", run: number }), signal);
    listen(this.stop, "click", () => this.said?.state === "running" && ask({ do: "stop", run: number }), signal);
    listen(this.rate, "change", () => this.apply(), signal);
    listen(this.rate, "keydown", (event) => event.key === "Enter" && this.apply(), signal);
    this.root = h("section", { class: "mv-train-run", "data-run": number, "aria-label": `Run ${number + 1}` },
      h("div", { class: "mv-row" },
        h("div", { class: "mv-train-who" }, swatch(number), this.name, this.lamp),
        h("div", { class: "mv-group", role: "group", "aria-label": "Training" }, this.go, this.stop),
        field("Peak rate", this.rate), this.now),
      this.gauge, this.facts, this.message, this.chips);
  }

  private apply(): void {
    const value = Number(this.rate.value);
    if (this.said && value > 0 && value === this.asked) return;
    this.asked = value;
    if (this.said && value > 0 && value !== this.said.peak) this.ask({ do: "lr", run: this.number, value });
    else this.rate.value = String(this.said?.peak ?? "");
  }

  show(said: RunSaid): void {
    const before = this.said;
    this.said = said;
    setText(this.name, said.name);
    setText(this.lamp, said.state);
    this.lamp.dataset.state = said.state;
    const [word, title] = GO[said.state] ?? GO.new!;
    if (this.go.dataset.word !== word) {
      this.go.dataset.word = word;
      this.go.replaceChildren(icon(said.state === "running" ? "pause" : "next"), h("span", {}, word));
      this.go.title = title;
    }
    const able = said.drives && said.state !== "finished";
    this.go.setAttribute("aria-disabled", String(!able));
    if (!said.drives) this.go.title = "Opened without a model and batches, so it cannot train: Run.open(folder, model, batches)";
    this.stop.setAttribute("aria-disabled", String(said.state !== "running"));
    this.rate.disabled = !said.drives || said.state === "finished";
    if (before?.peak !== said.peak) this.asked = 0;
    if (before?.peak !== said.peak && document.activeElement !== this.rate) this.rate.value = said.peak === null ? "" : String(Number(said.peak.toPrecision(4)));
    setText(this.now, said.rate === null ? "" : `now ${brief(said.rate)}`);
    this.gauge.value = said.done / Math.max(1, said.steps);
    this.gauge.setAttribute("aria-label", `${said.done} of ${said.steps} steps`);
    const facts = progressOf(said).join("  ·  ");
    setText(this.facts, said.done || said.state !== "new" ? facts : `${said.steps} steps to do`);
    setText(this.message, said.state === "running" ? "" : said.message);
    this.message.classList.toggle("is-error", said.state === "failed");
    if (said.warnings.length !== this.told) this.warn(said);
  }

  private warn({ warnings }: RunSaid): void {
    this.told = warnings.length;
    this.chips.hidden = !warnings.length;
    this.chips.replaceChildren(...warnings.map(({ title, text, step }) =>
      h("details", { class: "mv-train-chip" }, h("summary", {}, title), h("p", {}, `${text}. (Seen at step ${step}.)`))));
  }
}
