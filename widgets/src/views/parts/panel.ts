/** One picture with a caption above and a value line below. Pixels at their own size, marks at the screen's. */
import type { Pixels } from "../../kit/compose";
import { h, setText } from "./dom";
import { type Marks, drawMarks } from "./overlay";

export class Panel {
  readonly root: HTMLElement;
  readonly frame: HTMLElement;
  readonly head: HTMLElement;
  private readonly base: HTMLCanvasElement;
  private readonly over = h("canvas", { class: "mv-over", "aria-hidden": "true" });
  private readonly line = h("div", { class: "mv-value" });
  private readonly empty = h("div", { class: "mv-empty" });
  private shown: Pixels | null = null;
  private marks: Marks | null = null; // to be drawn in the next frame
  private ratio = 1; // pixels of the screen to one of the page
  private readonly badge = h("span", { class: "mv-badge", hidden: true, title: "This picture uses the hidden pixels" }, "leaks");

  constructor(
    readonly name: string,
    private readonly caption: string,
    private readonly meaning: string,
  ) {
    this.base = h("canvas", { class: "mv-base", width: 1, height: 1, "data-panel": name, role: "img", "aria-label": `${caption}: ${meaning}` });
    this.frame = h("div", { class: "mv-frame", "data-frame": name }, this.base, this.over, this.empty);
    this.head = h("figcaption", { title: meaning }, h("span", {}, caption), this.badge);
    this.root = h("figure", { class: "mv-panel" }, this.head, this.frame, this.line);
  }

  /** Draw pixels, or say in words why there are none. */
  show(pixels: Pixels | null, instead = ""): void {
    this.frame.classList.toggle("is-empty", !pixels);
    setText(this.empty, pixels ? "" : instead);
    if (!pixels || pixels === this.shown) return;
    this.shown = pixels;
    const { data, width, height } = pixels;
    if (this.base.width !== width) this.base.width = width;
    if (this.base.height !== height) this.base.height = height;
    this.base.getContext("2d")?.putImageData(new ImageData(data, width, height), 0, 0);
  }

  /** Put what the picture holds into words, for those who do not see it. */
  describe(words: string, caption = this.caption): void {
    const said = `${caption}: ${this.meaning}. ${words}`;
    if (this.base.getAttribute("aria-label") !== said) this.base.setAttribute("aria-label", said);
  }

  /** Once a frame at most: a fast hand moves several times between two frames. */
  mark(marks: Marks): void {
    if (!this.marks) requestAnimationFrame(() => this.drawMarks());
    this.marks = marks;
  }

  private drawMarks(): void {
    const { marks } = this;
    this.marks = null;
    const context = this.over.getContext("2d");
    if (!context || !marks || !this.over.width) return;
    drawMarks(context, this.ratio, marks);
  }

  /** Give the overlay one pixel per screen pixel and keep small pictures crisp. */
  fit(ratio: number): void {
    const { clientWidth, clientHeight } = this.frame;
    this.ratio = ratio;
    this.over.width = Math.round(clientWidth * ratio);
    this.over.height = Math.round(clientHeight * ratio);
    this.base.classList.toggle("is-crisp", clientWidth >= 1.4 * this.base.width);
  }

  /** Copy what is on the screen to another canvas: the pixels with this opacity, then the marks. */
  copy(context: CanvasRenderingContext2D, left: number, top: number, width: number, height: number, opacity: number): void {
    context.imageSmoothingEnabled = !this.base.classList.contains("is-crisp");
    context.globalAlpha = opacity;
    if (this.shown && !this.frame.classList.contains("is-empty")) context.drawImage(this.base, left, top, width, height);
    context.globalAlpha = 1;
    if (this.over.width) context.drawImage(this.over, left, top, width, height);
  }

  get text(): string {
    return this.line.textContent ?? "";
  }

  /** Why there is no picture; empty where there is one. */
  get instead(): string {
    return this.empty.textContent ?? "";
  }

  say(text: string): void {
    setText(this.line, text);
  }

  set leaks(value: boolean) {
    this.badge.hidden = !value;
  }

  set stale(value: boolean) {
    this.root.classList.toggle("is-stale", value);
  }
}
