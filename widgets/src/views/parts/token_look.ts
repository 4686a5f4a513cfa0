/** Which layer and token are shown, and how: the upper row of the inspector's controls. */
import type { MapName } from "../../kit/colours";
import { sayToken } from "../../kit/inspection";
import { listen } from "../../kit/lifetime";
import { h } from "./dom";
import { field, slider } from "./fields";

interface Hands {
  layer(layer: number): void;
  token(token: string): void;
  width(width: number | null): void;
  changed(): void;
}

export class TokenLook {
  readonly root: HTMLElement;
  map: MapName = "viridis";
  shared = true;
  readonly scale = h("button", { type: "button", class: "mv-toggle", "aria-pressed": "true", "data-action": "scale", title: "Maps before and after have one range, so that colours can be compared" }, "same range as above");
  private readonly tokens = h("select", { "aria-label": "Token", title: "What cosines and attention are about; clicking a patch chooses it" });
  private readonly layers;
  private readonly size;
  private readonly fitted = h("button", { type: "button", class: "mv-button", "aria-pressed": "true", title: "Let the panels fill the width" }, "Fit");

  constructor(depth: number, hands: Hands, signal: AbortSignal) {
    const colours = h("select", { "aria-label": "Colour map" }, ...["viridis", "inferno", "grey"].map((name) => h("option", { value: name }, name)));
    this.layers = slider("Layer", "Layer", "The block whose tokens are shown ([ and ])", { min: 1, max: depth, step: 1 }, signal, (value) => hands.layer(Math.round(value) - 1));
    this.size = slider("Panels", "Panel size", "Width of every panel in pixels", { min: 96, max: 480, step: 4 }, signal, (value) => this.zoom(value, hands));
    listen(this.fitted, "click", () => this.zoom(null, hands), signal);
    listen(this.tokens, "change", () => hands.token(this.tokens.value), signal);
    listen(colours, "change", () => {
      this.map = colours.value as MapName;
      hands.changed();
    }, signal);
    listen(this.scale, "click", () => {
      this.shared = !this.shared;
      this.scale.setAttribute("aria-pressed", String(this.shared));
      hands.changed();
    }, signal);
    const zoom = h("div", { class: "mv-group mv-zoom" }, this.size.root, this.fitted);
    this.root = h("div", { class: "mv-row mv-look" }, this.layers.root, field("About", this.tokens), field("Colours", colours), zoom);
  }

  showLayer(layer: number): void {
    this.layers.show(layer + 1);
  }

  showWidth(width: number): void {
    this.size.show(Math.round(width));
  }

  offer(token: string, names: string[], cols: number): void {
    const all = names.includes(token) ? names : [...names, token];
    this.tokens.replaceChildren(...all.map((each) => h("option", { value: each }, sayToken(each, names, cols))));
    this.tokens.value = token;
  }

  private zoom(width: number | null, hands: Hands): void {
    this.fitted.setAttribute("aria-pressed", String(width === null));
    hands.width(width);
  }
}
