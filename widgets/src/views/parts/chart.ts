/** A figure like a panel, with a drawing in its frame. */
import { h, setText } from "./dom";
import { drawing } from "./svg";

export class Chart {
  readonly svg: SVGSVGElement;
  readonly frame: HTMLElement;
  readonly head: HTMLElement;
  readonly root: HTMLElement;
  private readonly line = h("div", { class: "mv-value" });
  private readonly empty = h("div", { class: "mv-empty" });
  private readonly ends = [h("span", {}), h("span", {}), h("span", {})];
  readonly axis = h("div", { class: "mv-bar mv-axis" }, ...this.ends);

  constructor(name: string, caption: string, meaning: string) {
    this.svg = drawing(`${caption}: ${meaning}`);
    this.frame = h("div", { class: "mv-frame mv-chart", "data-frame": name }, this.svg, this.empty);
    this.head = h("figcaption", { title: meaning }, h("span", {}, caption));
    this.root = h("figure", { class: "mv-panel", "data-chart": name }, this.head, this.frame, this.axis, this.line);
  }

  draw(marks: SVGElement[], instead = ""): void {
    this.svg.replaceChildren(...marks);
    setText(this.empty, marks.length ? "" : instead);
  }

  say(text: string): void {
    setText(this.line, text);
    this.line.title = text;
  }

  label(low: string, middle: string, high: string): void {
    [low, middle, high].forEach((text, i) => setText(this.ends[i]!, text));
  }
}
