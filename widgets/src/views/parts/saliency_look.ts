/** How the comparer's maps are drawn: menus, sliders and the switch for words that only the screen needs. */
import type { MapName } from "../../kit/colours";
import { listen } from "../../kit/lifetime";
import type { Scale } from "../../kit/saliency";
import { h } from "./dom";
import { field, slider } from "./fields";
import type { Look } from "./map_panel";

export const SCALES: Record<Scale, string> = { each: "each map its own", shared: "shared by all", relative: "share of the largest" };

export class SaliencyLook {
  readonly fields: HTMLElement[];
  readonly words = h("button", { type: "button", class: "mv-button", "aria-pressed": "false", "data-action": "describe", title: "Every map in words; each number can be recomputed from it" }, "Describe");
  width: number | null = null; // of a panel in pixels, null = fit

  constructor(
    look: Look,
    private readonly changed: () => void,
    resized: () => void,
    private readonly signal: AbortSignal,
  ) {
    const scale = this.select("Scale", "Colour scale", SCALES, (value) => (look.scale = value as Scale));
    const colours = this.select("Colours", "Colour map", { viridis: "viridis", inferno: "inferno", grey: "grey" }, (value) => (look.colours = value as MapName));
    const opacity = slider("Map", "Opacity of the map", "0 shows the picture, 1 the map alone", { min: 0, max: 1, step: 0.05 }, signal, (value) => {
      look.opacity = value;
      changed();
    });
    opacity.show(look.opacity);
    const size = slider("Panels", "Panel size", "Width of every panel in pixels", { min: 96, max: 480, step: 4 }, signal, (value) => {
      this.width = value;
      resized();
    });
    size.show(180);
    listen(this.words, "click", () => {
      look.describe = !look.describe;
      this.words.setAttribute("aria-pressed", String(look.describe));
      changed();
    }, signal);
    this.fields = [scale, colours, opacity.root, size.root];
  }

  private select(word: string, label: string, options: Record<string, string>, put: (value: string) => void): HTMLElement {
    const menu = h("select", { "aria-label": label }, ...Object.entries(options).map(([value, name]) => h("option", { value }, name)));
    listen(menu, "change", () => (put(menu.value), this.changed()), this.signal);
    return field(word, menu);
  }
}
