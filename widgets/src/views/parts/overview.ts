/** Layers × heads of one model as small maps on one canvas, each with the bar of a statistic. */
import { type Atlas, type Cell, LABEL, boxOf, cellAt, layOut, step } from "../../kit/atlas";
import { colourMap } from "../../kit/colours";
import { colourize, rangeOf } from "../../kit/compose";
import type { Exploration } from "../../kit/exploration";
import { hasHead } from "../../kit/knockouts";
import { listen } from "../../kit/lifetime";
import { h, ownKeys, setText } from "./dom";
import type { Look } from "./heads";

export class Overview {
  readonly root: HTMLElement;
  private readonly title = h("figcaption", {});
  private readonly canvas = h("canvas", { class: "mv-atlas", tabindex: 0, role: "application", "aria-roledescription": "overview", "data-overview": "" });
  private readonly line = h("div", { class: "mv-value" });
  private readonly scratch = document.createElement("canvas");
  private atlas: Atlas | null = null;
  private at: Cell | null = null;

  constructor(
    private readonly side: number,
    private readonly session: Exploration,
    private readonly look: Look,
    private readonly describe: (side: number, cell: Cell) => string,
    private readonly said: (text: string) => void,
    signal: AbortSignal,
  ) {
    this.root = h("figure", { class: "mv-overview" }, this.title, this.canvas, this.line);
    ownKeys(this.canvas);
    const { canvas } = this;
    const place = (event: MouseEvent) => {
      const box = canvas.getBoundingClientRect();
      return this.atlas && cellAt(this.atlas, event.clientX - box.left, event.clientY - box.top);
    };
    listen(canvas, "pointermove", (event) => this.point(place(event)), signal);
    listen(canvas, "pointerleave", () => this.point(null), signal);
    listen(canvas, "click", (event) => this.open(place(event)), signal);
    listen(canvas, "focus", () => canvas.matches(":focus-visible") && this.point(this.at ?? { layer: session.layer, head: 0 }), signal);
    listen(canvas, "blur", () => this.point(null), signal);
    listen(canvas, "keydown", (event) => this.key(event), signal);
  }

  draw(width: number, aspect: number, caption: string, statistic: Float32Array[] | null): void {
    const stack = this.session.stacks[this.side];
    this.root.hidden = !stack;
    if (!stack) return;
    const order = this.look.order[this.side] ?? [];
    const atlas = (this.atlas = layOut(stack, width, order, aspect));
    setText(this.title, caption);
    const { canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    canvas.style.width = `${atlas.width}px`;
    canvas.style.height = `${atlas.height}px`;
    if (canvas.width !== Math.round(atlas.width * ratio)) canvas.width = Math.round(atlas.width * ratio);
    if (canvas.height !== Math.round(atlas.height * ratio)) canvas.height = Math.round(atlas.height * ratio);
    canvas.setAttribute("aria-label", `${caption}: ${stack.layers.length} layers, arrow keys move, Enter opens a layer`);
    const context = canvas.getContext("2d");
    if (!context) return;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, atlas.width, atlas.height);
    context.imageSmoothingEnabled = false;
    const colour = getComputedStyle(canvas);
    context.textBaseline = "middle";
    context.textAlign = "right";
    const most = statistic ? Math.max(0, ...statistic.flatMap((layer) => [...layer].filter((value) => value === value))) : 0;
    stack.layers.forEach((_, layer) => this.layer(context, layer, colour, statistic?.[layer] ?? null, most));
    this.rings(context);
  }

  private layer(context: CanvasRenderingContext2D, layer: number, { color: ink, accentColor: accent, fontFamily: family }: CSSStyleDeclaration, statistic: Float32Array | null, most: number): void {
    const { session, look, side, atlas } = this;
    if (!atlas) return;
    const rows = session.steady(side, layer);
    const ranges = (rows ?? []).flatMap((row) => (row ? rangeOf(row.patches) ?? [] : []));
    const shared = { min: Math.min(...ranges.map(({ min }) => min)), max: Math.max(...ranges.map(({ max }) => max)) };
    const open = layer === session.layer;
    (atlas.order[layer] ?? []).forEach((head, column) => {
      const box = boxOf(atlas, layer, column);
      const row = rows?.[head];
      context.fillStyle = "rgb(128 128 128 / 22%)";
      context.fillRect(box.left, box.top, box.width, box.height);
      if (row) this.map(context, row.patches, box, look.shared ? shared : rangeOf(row.patches)!, session.shape(side, layer)!);
      if (hasHead(session.knockouts, { side, part: session.part, layer, head })) strike(context, box);
      if (statistic && most > 0) {
        context.fillStyle = ink;
        context.globalAlpha = 0.55;
        context.fillRect(box.left, box.top + box.height + 1, (box.width * statistic[head]!) / most, 3);
        context.globalAlpha = 1;
      }
    });
    const { top, height } = boxOf(atlas, layer, 0);
    context.fillStyle = ink;
    context.globalAlpha = open ? 1 : 0.76;
    context.font = `${open ? "bold " : ""}11px ${family}`;
    context.fillText(session.shape(side, layer)?.pool ? "P" : String(layer + 1), LABEL - 7, top + height / 2);
    context.globalAlpha = 1;
    if (!open) return;
    context.fillStyle = accent;
    context.fillRect(LABEL - 4, top, 2, height);
  }

  private map(context: CanvasRenderingContext2D, values: Float32Array, box: ReturnType<typeof boxOf>, range: { min: number; max: number }, grid: { rows: number; cols: number }): void {
    const { data, width, height } = colourize(values, grid, colourMap(this.look.map), range);
    const { scratch } = this;
    if (scratch.width !== width) scratch.width = width;
    if (scratch.height !== height) scratch.height = height;
    scratch.getContext("2d")?.putImageData(new ImageData(data, width, height), 0, 0);
    context.drawImage(scratch, box.left, box.top, box.width, box.height);
  }

  private rings(context: CanvasRenderingContext2D): void {
    const { atlas, at } = this;
    if (!atlas || !at) return;
    const box = boxOf(atlas, at.layer, (atlas.order[at.layer] ?? []).indexOf(at.head));
    for (const [grow, colour] of [[1.5, "#000"], [0.5, "#fff"]] as const) {
      context.strokeStyle = colour;
      context.lineWidth = 1;
      context.strokeRect(box.left - grow, box.top - grow, box.width + 2 * grow, box.height + 2 * grow);
    }
  }

  private point(cell: Cell | null): void {
    if (cell?.layer === this.at?.layer && cell?.head === this.at?.head) return;
    this.at = cell;
    const text = cell ? this.describe(this.side, cell) : "";
    setText(this.line, text);
    if (cell) this.said(text);
    this.redraw();
  }

  /** Set by the view: draws everything again. */
  redraw: () => void = () => undefined;

  private open(cell: Cell | null): void {
    if (cell) this.session.open(cell.layer);
  }

  private key(event: KeyboardEvent): void {
    const ways: Record<string, [number, number]> = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const way = ways[event.key];
    const from = this.at ?? { layer: this.session.layer, head: 0 };
    if (way && this.atlas) this.point(step(this.atlas, from, ...way));
    else if (event.key === "Enter" || event.key === " ") this.open(from);
    else return;
    event.preventDefault();
  }
}

function strike(context: CanvasRenderingContext2D, { left, top, width, height }: ReturnType<typeof boxOf>): void {
  for (const [colour, line] of [["rgb(0 0 0 / 70%)", 3], ["rgb(255 255 255 / 90%)", 1]] as const) {
    context.strokeStyle = colour;
    context.lineWidth = line;
    context.beginPath();
    context.moveTo(left + 2, top + 2);
    context.lineTo(left + width - 2, top + height - 2);
    context.stroke();
  }
}
