/** What is done to the model: nothing, test-time registers, or a repair; with its parameters. */
import type { AnyModel } from "@anywidget/types";
import { follow, listen } from "../../kit/lifetime";
import { number, record, text } from "../../kit/read";
import type { RegisterInspectorTraits } from "../../traits";
import { h, setText } from "./dom";
import { slider } from "./fields";

type Model = AnyModel<RegisterInspectorTraits>;

const WORDS: Record<string, [string, string]> = {
  none: ["As it is", "The model as it is"],
  other: ["The other model", "The second model, below the first"],
  registers: ["Test-time registers", "Tokens that training never saw take over what makes outliers (Jiang et al., 2025)"],
  repair: ["Repair", "A short training of singular values mends a copy of the model (SINDER, Wang et al., 2024)"],
};

export class Treatments {
  readonly root: HTMLElement;
  private readonly buttons = Object.entries(WORDS).map(([value, [word, hint]]) => {
    return h("button", { type: "button", class: "mv-button", "data-action": `treat-${value}`, value, title: hint }, word);
  });
  private readonly neurons;
  private readonly count;
  private readonly run = h("button", { type: "button", class: "mv-button", "data-action": "repair" }, "Run");
  private readonly defects = h("button", { type: "button", class: "mv-button", "data-action": "defects", title: "Where tokens point along the weights' defect direction: |cos|, beside the norms" }, "Defect directions");

  constructor(
    private readonly model: Model,
    private readonly asked: () => void,
    signal: AbortSignal,
  ) {
    this.neurons = slider("Neurons", "Number of register neurons", "How many neurons are moved to the registers", { min: 1, max: 100, step: 1 }, signal, (value) => this.put({ neurons: Math.round(value) }));
    this.count = slider("Registers", "Number of registers", "How many tokens are added", { min: 1, max: 8, step: 1 }, signal, (value) => this.put({ count: Math.round(value) }));
    for (const button of this.buttons) {
      listen(button, "click", () => this.put({ treatment: button.value, ...(button.value === "repair" ? {} : { repairing: false }) }), signal);
    }
    listen(this.run, "click", () => this.put({ repairing: !model.get("repairing") }), signal);
    listen(this.defects, "click", () => this.put({ defects: !model.get("defects") }), signal);
    const choice = h("div", { class: "mv-group", role: "group", "aria-label": "Treatment" }, ...this.buttons);
    this.root = h("div", { class: "mv-row mv-treatments" }, choice, this.neurons.root, this.count.root, this.run, this.defects);
    for (const name of ["treatment", "neurons", "count", "repairing", "defects"]) follow(model, `change:${name}`, () => this.read(), signal);
    this.read();
  }

  private put(traits: Partial<RegisterInspectorTraits>): void {
    for (const [name, value] of Object.entries(traits)) this.model.set(name as "neurons", value as number);
    this.model.save_changes();
    this.asked();
  }

  private read(): void {
    const [treatment, other] = [this.model.get("treatment"), this.model.get("other")];
    for (const button of this.buttons) {
      button.setAttribute("aria-pressed", String(button.value === treatment));
      if (button.value === "other") button.hidden = !other;
    }
    this.neurons.root.hidden = this.count.root.hidden = treatment !== "registers";
    this.neurons.show(this.model.get("neurons"));
    this.count.show(this.model.get("count"));
    this.run.hidden = treatment !== "repair";
    const running = this.model.get("repairing");
    setText(this.run, running ? "Stop" : "Run");
    this.run.title = running ? "Stop and look at the model as it is now" : "Run the repair loop on this picture, or go on with it";
    this.run.setAttribute("aria-pressed", String(running));
    this.defects.setAttribute("aria-pressed", String(this.model.get("defects")));
  }
}

/** What was done, in one line. */
export function sayTreatment(info: unknown): string {
  const { kind, why, neurons, layer, steps, cosine, names } = record(info);
  if (text(why)) return text(why);
  if (kind === "registers" && Array.isArray(neurons)) {
    const layers = [...new Set(neurons.map((each: number[]) => each[0]! + 1))].sort((a, b) => a - b);
    const many = layers.length > 1 ? "s" : "";
    const added = Array.isArray(names) ? String(names.at(-1)) : "a register";
    return `with test-time registers: ${neurons.length} neurons of layer${many} ${layers.join(", ")} moved to ${added}; outliers taken from layer ${(number(layer) ?? 0) + 1}`;
  }
  if (kind === "repair") return `repaired: ${number(steps) ?? 0} steps, class token cosine ${(number(cosine) ?? 0).toFixed(3)} to the model as it was`;
  return "";
}
