/** Panels as one picture, dark on white: in their order and width on the page, with captions, colour bars and what stands below. */
import { type MapName, stopsOf } from "../../kit/colours";
import type { Panel } from "./panel";

export interface Figure {
  panel: Panel;
  caption: string;
  tall: number; // height over width
  bar: { least: string; most: string; map: MapName } | null;
  notes: string[];
}

export interface Page {
  title: string;
  under: string;
  sections: { label: string; figures: Figure[] }[];
  width: number; // of a panel, in pixels of the page
  columns: number; // that the page has room for
  scale: number; // pixels of the picture to one of the page
}

interface Row {
  label: string[];
  figures: (Figure & { head: string[]; said: string[]; below: string[] })[];
  frame: number; // where the pictures begin, from the top of the row
  line: number;
  bar: number;
  below: number;
  end: number;
}

const [EDGE, GAP, LINE] = [16, 12, 18];
const [DARK, MUTED, FILL] = ["#1f2328", "#57606a", "#eef0f2"];
const [PLAIN, BOLD] = ["13px system-ui, sans-serif", "600 13px system-ui, sans-serif"];
const [SIDE, AREA] = [16_000, 64e6]; // pixels that browsers can hold

/** False where the browser gives no canvas. */
export function drawSheet(canvas: HTMLCanvasElement, page: Page): boolean {
  const pen = canvas.getContext("2d");
  if (!pen) return false;
  const most = Math.max(...page.sections.map(({ figures }) => figures.length));
  const columns = Math.max(1, Math.min(page.columns, most));
  const wide = Math.max(240, columns * (page.width + GAP) - GAP);
  const rows = page.sections.flatMap(({ label, figures }) => chunks(figures, columns).map((each, i) => lay(pen, i ? "" : label, each, page.width, wide)));
  const [title, under] = [wrap(pen, BOLD, page.title, wide), wrap(pen, PLAIN, page.under, wide)];
  const head = (title.length + under.length) * LINE;
  const height = rows.reduce((sum, { end }) => sum + GAP + end, 2 * EDGE + head);
  const width = wide + 2 * EDGE;
  const scale = Math.min(page.scale, SIDE / Math.max(width, height), Math.sqrt(AREA / (width * height)));
  [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
  pen.scale(scale, scale);
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, width + 1, height + 1);
  write(pen, BOLD, DARK, title, EDGE, EDGE);
  write(pen, PLAIN, MUTED, under, EDGE, EDGE + title.length * LINE);
  let top = EDGE + head;
  for (const row of rows) {
    drawRow(pen, row, top + GAP, page.width);
    top += GAP + row.end;
  }
  return true;
}

/** Where everything in a row goes: the tallest of its kind makes room for the others. */
function lay(pen: CanvasRenderingContext2D, label: string, figures: Figure[], width: number, wide: number): Row {
  const lines = wrap(pen, BOLD, label, wide);
  const placed = figures.map((figure) => ({
    ...figure,
    head: wrap(pen, BOLD, figure.caption, width),
    said: wrap(pen, PLAIN, figure.panel.text, width),
    below: figure.notes.flatMap((note) => wrap(pen, PLAIN, note, width)),
  }));
  const most = (count: (each: Row["figures"][number]) => number) => Math.max(...placed.map(count));
  const frame = LINE * (lines.length + most(({ head }) => head.length)) + 2;
  const line = frame + width * most(({ tall }) => tall) + 4;
  const bar = line + LINE * most(({ said }) => said.length);
  const below = bar + LINE * most((each) => (each.bar ? 1 : 0));
  return { label: lines, figures: placed, frame, line, bar, below, end: below + LINE * most((each) => each.below.length) };
}

function drawRow(pen: CanvasRenderingContext2D, row: Row, top: number, width: number): void {
  write(pen, BOLD, DARK, row.label, EDGE, top - 4);
  row.figures.forEach((figure, i) => {
    const left = EDGE + i * (width + GAP);
    write(pen, BOLD, DARK, figure.head, left, top + LINE * row.label.length);
    drawPanel(pen, figure, left, top + row.frame, width);
    write(pen, PLAIN, MUTED, figure.said, left, top + row.line);
    if (figure.bar) drawBar(pen, figure.bar, left, top + row.bar, width);
    write(pen, PLAIN, MUTED, figure.below, left, top + row.below);
  });
}

function drawPanel(pen: CanvasRenderingContext2D, { panel, tall }: Figure, left: number, top: number, width: number): void {
  pen.fillStyle = FILL;
  pen.fillRect(left, top, width, width * tall);
  panel.copy(pen, left, top, width, width * tall, 1);
  const words = wrap(pen, PLAIN, panel.instead, width - 8);
  write(pen, PLAIN, MUTED, words, left + 4, top + (width * tall - words.length * LINE) / 2);
}

function drawBar(pen: CanvasRenderingContext2D, { least, most, map }: NonNullable<Figure["bar"]>, left: number, top: number, width: number): void {
  pen.font = PLAIN;
  const [before, after] = [pen.measureText(least).width + 6, pen.measureText(most).width + 6];
  const ramp = pen.createLinearGradient(left + before, 0, left + width - after, 0);
  const stops = stopsOf(map);
  stops.forEach((colour, i) => ramp.addColorStop(i / (stops.length - 1), colour));
  write(pen, PLAIN, MUTED, [least], left, top);
  write(pen, PLAIN, MUTED, [most], left + width - after + 6, top);
  pen.fillStyle = ramp;
  pen.fillRect(left + before, top + LINE / 2 - 4, Math.max(0, width - before - after), 8);
}

function write(pen: CanvasRenderingContext2D, font: string, colour: string, lines: string[], left: number, top: number): void {
  Object.assign(pen, { font, fillStyle: colour, textBaseline: "middle" });
  lines.forEach((line, i) => pen.fillText(line, left, top + (i + 0.5) * LINE));
}

/** Lines that fit; a word that does not is cut. */
function wrap(pen: CanvasRenderingContext2D, font: string, text: string, width: number): string[] {
  pen.font = font;
  const fits = (line: string) => pen.measureText(line.trimEnd()).width <= width;
  const lines: string[] = [];
  let line = "";
  for (const word of text.match(/\S+\s*/g) ?? []) {
    if (line && !fits(line + word)) lines.push(line);
    else if (line) {
      line += word;
      continue;
    }
    for (line = word; !fits(line) && line.length > 1; ) {
      let most = line.length - 1;
      while (most > 1 && !fits(line.slice(0, most))) most--;
      lines.push(line.slice(0, most));
      line = line.slice(most);
    }
  }
  return [...lines, line].map((each) => each.trimEnd()).filter(Boolean);
}

function chunks<T>(all: T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}
