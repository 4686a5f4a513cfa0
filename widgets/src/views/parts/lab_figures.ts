/** What a panel of the lab can be: a picture, a map, numbers that only tell apart, a matrix, bars. The jigsaw has its own file. */
import { asFloats } from "../../kit/binary";
import { type Pixels, meanColour, valueAt } from "../../kit/compose";
import { points } from "../../kit/curve";
import { type Patch, indexOf } from "../../kit/grid";
import { brief } from "../../kit/norms";
import { colourOf, css, paintNumbers } from "../../kit/numbers";
import type { PanelSaid } from "../../kit/recipe_lab";
import { Chart } from "./chart";
import { h } from "./dom";
import { LabJigsaw } from "./lab_jigsaw";
import { Panel } from "./panel";
import { s } from "./svg";
import { ValuePanel } from "./value_panel";

export interface Drawing {
  said: PanelSaid;
  pixels: Pixels | null; // of a picture
}

/** `panel` is there where the figure lies on the picture's patches: it shares the hover. */
export interface LabFigure {
  readonly root: HTMLElement;
  readonly head: HTMLElement;
  readonly panel: Panel | null;
  draw(drawing: Drawing): void;
  /** What lies under the cursor, a patch of its own grid; null without one. */
  say(ring: Patch | null): void;
}

export function figureFor(said: PanelSaid, signal: AbortSignal): LabFigure {
  if (said.figure === "numbers") return new Numbers(said);
  if (said.figure === "matrix" || said.figure === "spectrum") return new Matrix(said, signal);
  if (said.figure === "bars") return new Bars(said);
  if (said.figure === "jigsaw") return new LabJigsaw(said, signal);
  return said.map ? new Values(said) : new Image(said);
}

class Image implements LabFigure {
  readonly panel: Panel;
  private drawing: Drawing | null = null;

  constructor({ key, caption, meaning }: PanelSaid) {
    this.panel = new Panel(key, caption, meaning);
  }

  get root(): HTMLElement {
    return this.panel.root;
  }

  get head(): HTMLElement {
    return this.panel.head;
  }

  draw(drawing: Drawing): void {
    this.drawing = drawing;
    this.panel.show(drawing.pixels, "cannot be drawn");
  }

  say(ring: Patch | null): void {
    if (!this.drawing) return;
    const { said, pixels } = this.drawing;
    if (!ring) return this.panel.say(said.say);
    if (said.blank?.[indexOf(said, ring)]) return this.panel.say(said.hatched ? "left out" : "no guess wanted here");
    this.panel.say(pixels ? `RGB ${meanColour(pixels, said, ring).map((value) => value.toFixed(2)).join(" ")}` : "");
  }
}

class Values implements LabFigure {
  private readonly values: ValuePanel;
  private said: PanelSaid;

  constructor(said: PanelSaid) {
    this.said = said;
    this.values = new ValuePanel(said.key, said.caption, said.meaning, said.unit, said.signed);
  }

  get panel(): Panel {
    return this.values.panel;
  }

  get root(): HTMLElement {
    return this.values.root;
  }

  get head(): HTMLElement {
    return this.panel.head;
  }

  draw({ said }: Drawing): void {
    this.said = said;
    const floats = asFloats(said.data);
    this.values.draw(floats, said, said.unit.includes("loss") ? "magma" : "viridis", this.values.rangeOf(floats), "nothing to show");
  }

  say(ring: Patch | null): void {
    this.values.say(this.said, ring, this.said.say);
  }
}

class Numbers implements LabFigure {
  readonly panel: Panel;
  private readonly legend = h("div", { class: "mv-legend" });
  private floats: Float32Array = new Float32Array(0);
  private said: PanelSaid;

  constructor(said: PanelSaid) {
    this.said = said;
    this.panel = new Panel(said.key, said.caption, said.meaning);
    this.panel.root.append(this.legend);
  }

  get root(): HTMLElement {
    return this.panel.root;
  }

  get head(): HTMLElement {
    return this.panel.head;
  }

  draw({ said }: Drawing): void {
    const named = said.names.length > 0;
    this.said = said;
    this.floats = asFloats(said.data);
    this.panel.show(paintNumbers(this.floats, said, named), "nothing to show");
    this.legend.hidden = !named;
    this.legend.replaceChildren(...said.names.slice(1).map((name, i) => {
      const swatch = h("i", { class: "mv-swatch" });
      swatch.style.background = css(colourOf(i + 1, true));
      return h("span", {}, swatch, name);
    }));
  }

  say(ring: Patch | null): void {
    const { said, floats } = this;
    const value = ring && valueAt(floats, said, ring);
    if (value === null) return this.panel.say(said.say);
    if (!Number.isFinite(value)) return this.panel.say("no code here");
    this.panel.say(said.names.length ? (said.names[value] ?? "") : `${said.unit} ${value}`);
  }
}

/** Rows × columns that are no places of the picture. */
class Matrix implements LabFigure {
  readonly panel = null;
  private readonly values: ValuePanel;
  private said: PanelSaid;

  constructor(said: PanelSaid, signal: AbortSignal) {
    this.said = said;
    this.values = new ValuePanel(said.key, said.caption, said.meaning, said.unit, said.signed);
    const { frame } = this.values.panel;
    frame.addEventListener("pointermove", ({ clientX, clientY }) => {
      const { left, top, width, height } = frame.getBoundingClientRect();
      const [row, col] = [((clientY - top) / height) * this.said.rows, ((clientX - left) / width) * this.said.cols].map(Math.floor) as [number, number];
      this.point(row >= 0 && row < this.said.rows && col >= 0 && col < this.said.cols ? { row, col } : null);
    }, { signal });
    frame.addEventListener("pointerleave", () => this.point(null), { signal });
  }

  get root(): HTMLElement {
    return this.values.root;
  }

  get head(): HTMLElement {
    return this.values.panel.head;
  }

  draw({ said }: Drawing): void {
    this.said = said;
    const floats = asFloats(said.data);
    this.values.draw(floats, said, "viridis", this.values.rangeOf(floats), "nothing to show");
    this.values.panel.frame.style.aspectRatio = String(Math.min(4, Math.max(0.5, said.cols / said.rows)));
    this.values.panel.fit(window.devicePixelRatio || 1);
    this.point(null);
  }

  private point(cell: Patch | null): void {
    const { said, values } = this;
    const value = cell && valueAt(asFloats(said.data), said, cell);
    const told = value === null || !Number.isFinite(value) ? "" : brief(value);
    if (said.figure === "spectrum") return values.panel.say(cell ? `${cell.col - (said.cols >> 1)} across, ${cell.row - (said.rows >> 1)} down: ${told}` : said.unit);
    const rows = said.rows > 1 ? `${said.rows} blocks × ` : "";
    if (!cell) return values.panel.say(said.say || `${rows}${said.cols} layers, the first left`);
    values.panel.say(`${said.rows > 1 ? `block ${cell.row + 1}, ` : ""}layer ${said.names[cell.col] ?? cell.col + 1}: ${told}`);
  }

  say(): void {} // a patch of the picture is no cell of it
}

/** Two rows of shares: bars, and a line over them. */
class Bars implements LabFigure {
  readonly panel = null;
  private readonly chart: Chart;

  constructor({ key, caption, meaning }: PanelSaid) {
    this.chart = new Chart(key, caption, meaning);
  }

  get root(): HTMLElement {
    return this.chart.root;
  }

  get head(): HTMLElement {
    return this.chart.head;
  }

  draw({ said }: Drawing): void {
    const floats = asFloats(said.data);
    const rows = [0, 1].map((row) => [...floats.subarray(row * said.cols, (row + 1) * said.cols)]);
    const most = Math.max(...floats, 1e-12);
    const wide = 100 / said.cols;
    const bars = rows[0]!.map((share, i) => s("rect", { x: i * wide, width: wide, y: 100 - (100 * share) / most, height: (100 * share) / most, class: "mv-share" }));
    const line = points(rows[1]!, said.cols, 0, most).map((at) => s("polyline", { points: at, class: "mv-thick", fill: "none" }));
    this.chart.draw([...bars, ...line]);
    this.chart.label("1", `most ${brief(most)}`, said.names[0] ?? String(said.cols));
    this.chart.say(said.say);
  }

  say(): void {}
}
