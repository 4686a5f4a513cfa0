/** One sentence of the lab: what it says, its paper, what came of it, and the Python that says the same. */
import { type Catalogue, type Facts, type Form, type Said, describeFacts, withOption } from "../../kit/recipe_lab";
import { listen } from "../../kit/lifetime";
import { h, setText } from "./dom";
import { field } from "./fields";
import { type Curve, LabCurve } from "./lab_curve";
import { LabForm } from "./lab_form";
import { LabMeter } from "./lab_meter";
import { LabPanels } from "./lab_panels";
import type { Panel } from "./panel";
import { ProblemArea } from "./problems";

interface SlotField {
  root: HTMLElement;
  menu: HTMLSelectElement;
  form: LabForm;
  shape: string;
}

export class LabSide {
  readonly root: HTMLElement;
  readonly panels: LabPanels;
  private readonly label = h("strong", { class: "mv-labname" });
  private readonly recipe = h("select", { "aria-label": "Recipe" });
  private readonly encoder = h("select", { "aria-label": "Encoder" });
  private readonly options: LabForm;
  private readonly slots = new Map<string, SlotField>();
  private readonly words = h("div", { class: "mv-labwords", role: "group", "aria-label": "Words of the sentence", hidden: true });
  private readonly paper = h("details", { class: "mv-labpaper" });
  private readonly code = h("pre", { class: "mv-labcode", tabindex: 0 });
  private readonly python = h("details", { class: "mv-labpaper" });
  private readonly facts = h("div", { class: "mv-labfacts" });
  private readonly note = h("div", { class: "mv-labnote", role: "note", hidden: true });
  private readonly problems: ProblemArea;
  private readonly curve = new LabCurve();
  private readonly meter = new LabMeter();
  private readonly encoderField: HTMLElement;
  private said: Said = { recipe: "", encoder: "", options: {}, words: {} };
  private text = "";
  private mends = ""; // words that would make a sentence whole that is not
  private known: Facts | null = null;

  constructor(
    readonly place: number,
    private readonly catalogue: Catalogue,
    private readonly put: (said: Partial<Said>) => void,
    private readonly tell: (news: string) => void,
    made: (panel: Panel) => void,
    extra: Node[],
    private readonly signal: AbortSignal,
  ) {
    this.panels = new LabPanels(made, signal);
    this.problems = new ProblemArea(signal);
    this.options = new LabForm("the recipe", (control, value) => this.put({ ...this.said, options: withOption(this.said.options, control, value) }), signal);
    this.encoderField = field("Encoder", this.encoder);
    const copy = h("button", { type: "button", class: "mv-button", "data-action": `copy-${place}`, title: "Copy this sentence as Python that runs" }, "Copy Python");
    listen(copy, "click", () => void this.copy(), signal);
    const row = (...children: Node[]) => h("div", { class: "mv-row" }, ...children);
    this.root = h("section", { class: "mv-labside", "aria-label": `Sentence ${place + 1}`, "data-place": place },
      row(this.label, field("Recipe", this.recipe), this.encoderField, this.options.root, h("div", { class: "mv-group mv-labdo" }, copy, ...extra)),
      this.words, this.paper, this.problems.root, this.note, this.panels.root, this.facts, this.python);
    this.python.append(h("summary", {}, "this sentence as Python"), this.code);
    this.panels.append(this.curve.root, this.meter.root);
    this.offer();
  }

  private offer(): void {
    const { catalogue, signal } = this;
    this.recipe.append(h("option", { value: catalogue.compose }, "compose from words"), ...catalogue.recipes.map(({ name, title }) => h("option", { value: name, title }, name)));
    this.encoder.append(...catalogue.encoders.map((name) => h("option", { value: name }, name === "yours" ? "yours" : name)));
    listen(this.recipe, "change", () => {
      this.put({ recipe: this.recipe.value, encoder: this.said.encoder }); // without options: Python begins with its own
    }, signal);
    listen(this.encoder, "change", () => this.put({ ...this.said, encoder: this.encoder.value }), signal);
  }

  read(said: Said, form: Form, alone: boolean): void {
    this.said = said;
    setText(this.label, alone ? "" : "AB"[this.place]!);
    this.label.hidden = alone;
    this.recipe.value = said.recipe;
    this.encoder.value = said.encoder;
    this.options.show(form.options);
    const composed = form.slots.length > 0;
    this.words.hidden = !composed;
    this.mends = composed ? form.hint : "";
    this.recipe.title = composed ? "" : form.hint;
    if (composed) this.readWords(form);
    else this.recipe.closest(".mv-row")?.insertBefore(this.encoderField, this.options.root);
    this.readPaper(form);
    this.report(this.known);
  }

  private readWords(form: Form): void {
    for (const [slot, { root }] of this.slots) if (!form.slots.some((each) => each.slot === slot)) root.remove();
    for (const each of form.slots) {
      const shown = this.slots.get(each.slot) ?? this.slot(each.slot);
      const shape = JSON.stringify(each.choices);
      if (shape !== shown.shape) {
        shown.shape = shape;
        shown.menu.replaceChildren(...each.choices.map(({ name, hint, refused }) => {
          const title = refused ? `does not go with the other words: ${refused}` : hint;
          return h("option", { value: name, title, "data-refused": refused ? true : undefined }, refused ? `${name} ✕` : name);
        }));
      }
      if (shown.menu !== document.activeElement || shown.menu.value !== each.word) shown.menu.value = each.word;
      shown.menu.title = each.choices.find(({ name }) => name === each.word)?.hint ?? "";
      shown.form.show(each.options);
      this.words.append(shown.root);
      if (each.slot === "how") this.words.append(this.encoderField);
    }
  }

  private slot(name: string): SlotField {
    const menu = h("select", { "aria-label": name, "data-slot": name });
    const say = (options: Said["options"]) => this.put({ ...this.said, words: { ...this.said.words, [name]: { word: menu.value, options } } });
    const form = new LabForm(name, (control, value) => say(withOption(this.said.words[name]?.options ?? {}, control, value)), this.signal);
    listen(menu, "change", () => this.put({ ...this.said, words: { ...this.said.words, [name]: { word: menu.value } as Said["words"][string] } }), this.signal);
    const made = { root: h("div", { class: "mv-labslot" }, field(name, menu), form.root), menu, form, shape: "" };
    this.slots.set(name, made);
    return made;
  }

  private readPaper({ paper }: Form): void {
    this.paper.hidden = !paper;
    if (!paper) return;
    const link = paper.url ? h("a", { href: paper.url, target: "_blank", rel: "noopener" }, paper.source) : h("span", {}, paper.source);
    this.paper.replaceChildren(
      h("summary", {}, paper.title),
      h("p", {}, link),
      h("p", {}, h("b", {}, "Idea: "), paper.idea || "see the paper"),
      h("p", {}, h("b", {}, "How it was verified: "), paper.verified || "by the promises that every recipe is tested for"),
    );
  }

  report(facts: Facts | null): void {
    this.known = facts;
    this.problems.remote = facts?.problem ?? null;
    this.panels.stale = facts?.problem != null;
    if (!facts?.problem) this.meter.show(facts?.collapse ?? null);
    const note = facts?.problem && this.mends ? `One of these instead would go with the other words: ${this.mends}.` : (facts?.note ?? "");
    this.note.hidden = !note;
    setText(this.note, note);
    const said = facts && !facts.problem ? [...describeFacts(facts), facts.weights, facts.said] : [];
    setText(this.facts, said.filter(Boolean).join("  ·  "));
  }

  showCurve(curve: Curve | null): void {
    this.curve.show(curve);
  }

  showCode(code: string): void {
    this.text = code;
    setText(this.code, code);
  }

  private async copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.text);
      this.tell("copied: paste it into a cell");
    } catch {
      this.python.open = true;
      getSelection()?.selectAllChildren(this.code);
      this.tell("this page may not use the clipboard: the Python is selected below, Ctrl+C copies it");
    }
  }
}
