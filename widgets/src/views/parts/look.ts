/** How the maps are drawn: menus and sliders that only the screen needs. */
import type { MapName } from "../../kit/colours";
import { listen } from "../../kit/lifetime";
import { h } from "./dom";
import { field, slider } from "./fields";
import type { Look } from "./heads";

export const STATISTICS: Record<string, { word: string; unit: string; hint: string }> = {
  entropy: { word: "entropy", unit: "nats", hint: "how spread out a head looks: 0 for one token, ln N for all alike" },
  distance: { word: "distance", unit: "px", hint: "how far a head looks on average" },
  cls: { word: "CLS mass", unit: "", hint: "the share that patches give to the class token" },
  registers: { word: "register mass", unit: "", hint: "the share that patches give to registers" },
};

export class LookSettings {
  readonly fields: HTMLElement[];
  readonly zoom: HTMLElement;
  statistic = "entropy";
  sorted = false;
  opacity = 0.75;
  width: number | null = null; // of a panel in pixels, null = fit
  private readonly menu = h("select", { "aria-label": "Statistic", title: "The number under each small map" });
  private readonly sort = h("select", { "aria-label": "Order of heads", title: "How heads stand in each layer" });
  private readonly size;
  private offered = "";

  constructor(
    look: Look,
    private readonly changed: () => void,
    private readonly signal: AbortSignal,
  ) {
    const range = this.select("Range", "What the colours span", { own: "each head", shared: "all heads" }, (value) => (look.shared = value === "shared"));
    const colours = this.select("Colours", "Colour map", { viridis: "viridis", inferno: "inferno", grey: "grey" }, (value) => (look.map = value as MapName));
    const opacity = slider("Opacity", "Opacity of the maps", "How much of the picture the maps cover", { min: 0, max: 1, step: 0.05 }, signal, (value) => this.set(() => (this.opacity = value)));
    const mass = slider("Contour", "Contour, percent of the mass", "Outline the fewest patches that hold this percentage of the attention on patches; 0 = none", { min: 0, max: 99, step: 1 }, signal, (value) => this.set(() => (look.mass = value / 100)));
    this.size = slider("Panels", "Panel size", "Width of every panel in pixels", { min: 64, max: 480, step: 4 }, signal, (value) => this.set(() => (this.width = value)));
    const fit = h("button", { type: "button", class: "mv-button", title: "Let the panels fill the width" }, "Fit");
    listen(fit, "click", () => this.set(() => (this.width = null)), signal);
    opacity.show(this.opacity);
    mass.show(0);
    listen(this.menu, "change", () => this.set(() => (this.statistic = this.menu.value)), signal);
    this.sort.append(h("option", { value: "number" }, "by number"), h("option", { value: "value" }, "by statistic"));
    listen(this.sort, "change", () => this.set(() => (this.sorted = this.sort.value === "value")), signal);
    this.zoom = h("div", { class: "mv-group mv-zoom" }, this.size.root, fit);
    this.fields = [field("Statistic", this.menu), field("Heads", this.sort), range, colours, opacity.root, mass.root];
  }

  /** The statistics that this model has. */
  offer(names: string[]): void {
    if (names.join() === this.offered || !names.length) return;
    this.offered = names.join();
    this.menu.replaceChildren(...names.map((name) => h("option", { value: name }, STATISTICS[name]?.word ?? name)));
    if (!names.includes(this.statistic)) this.statistic = names[0]!;
    this.menu.value = this.statistic;
    this.menu.title = STATISTICS[this.statistic]?.hint ?? "";
  }

  showWidth(width: number): void {
    this.size.show(Math.round(width));
  }

  private set(change: () => void): void {
    change();
    this.changed();
  }

  private select(word: string, hint: string, options: Record<string, string>, chosen: (value: string) => void): HTMLElement {
    const menu = h("select", { "aria-label": hint, title: hint }, ...Object.entries(options).map(([value, name]) => h("option", { value }, name)));
    listen(menu, "change", () => this.set(() => chosen(menu.value)), this.signal);
    return field(word, menu);
  }
}
