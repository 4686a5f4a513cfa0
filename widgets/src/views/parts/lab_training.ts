/** Train a little here: go, rest, end, begin anew. */
import type { AnyModel } from "@anywidget/types";
import { follow, listen } from "../../kit/lifetime";
import type { RecipeLabTraits } from "../../traits";
import { h, setText } from "./dom";
import { field, slider } from "./fields";

const RATES = [1e-4, 3e-4, 1e-3, 3e-3];

export class LabTraining {
  readonly root: HTMLElement;
  private readonly go = h("button", { type: "button", class: "mv-button", "data-action": "train" });
  private readonly steps;
  private readonly rate = h("select", { "aria-label": "Learning rate", title: "The largest learning rate of the schedule" }, ...RATES.map((each) => h("option", { value: each }, each.toExponential(0))));
  private readonly news = h("span", { class: "mv-labnews" });

  constructor(
    private readonly model: AnyModel<RecipeLabTraits>,
    signal: AbortSignal,
  ) {
    const button = (word: string, name: string, title: string) => {
      const made = h("button", { type: "button", class: "mv-button", "data-action": name, title }, word);
      listen(made, "click", () => this.put("command", { do: name, count: Number(model.get("command").count ?? 0) + 1 }), signal);
      return made;
    };
    this.steps = slider("Steps", "Steps of a training", "How many steps the schedule has", { min: 10, max: 1000, step: 10 }, signal, (value) => this.put("steps", Math.round(value)));
    listen(this.go, "click", () => this.put("training", !model.get("training")), signal);
    listen(this.rate, "change", () => this.put("lr", Number(this.rate.value)), signal);
    const stop = button("Stop", "stop", "End this training and keep what was learned");
    const fresh = button("Start over", "fresh", "Back to the weights of the beginning");
    this.root = h("div", { class: "mv-row mv-labtrain", role: "group", "aria-label": "Training" },
      h("strong", {}, "Train a little here"), h("div", { class: "mv-group" }, this.go, stop, fresh), this.steps.root, field("Rate", this.rate), this.news);
    for (const name of ["training", "steps", "lr", "curves"]) follow(model, `change:${name}`, () => this.read(), signal);
    this.read();
  }

  private put<K extends "training" | "steps" | "lr" | "command">(name: K, value: RecipeLabTraits[K]): void {
    this.model.set(name, value as never);
    this.model.save_changes();
  }

  private read(): void {
    const { model } = this;
    const training = model.get("training");
    const { losses, pace, steps } = model.get("curves") as { losses?: number[][]; pace?: number; steps?: number };
    const done = Math.max(0, ...(losses ?? []).map((each) => each.length));
    setText(this.go, training ? "Pause" : "Train");
    this.go.setAttribute("aria-pressed", String(training));
    this.go.title = training ? "Rest after this step; painting and choosing go on" : "Train all sentences here, in turns, on equal steps";
    this.steps.show(model.get("steps"));
    const lr = model.get("lr");
    this.rate.value = String(RATES.find((each) => Math.abs(each / lr - 1) < 0.01) ?? "");
    const left = steps && pace ? ` · about ${Math.max(1, Math.round(((steps - (done % steps)) * (losses?.length ?? 1)) / pace))} s left` : "";
    setText(this.news, training ? (done ? `step ${done}${left}` : "the first step is coming …") : done ? `trained for ${done} steps` : model.get("trained_on"));
  }
}
