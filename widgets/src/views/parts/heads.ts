/** The heads of one layer of every model over the picture: a panel for each, or one for their mean or maximum. */
import { saysMap } from "../../kit/alt";
import { type MapName, colourMap } from "../../kit/colours";
import { type Range, colourize, rangeOf } from "../../kit/compose";
import type { Exploration } from "../../kit/exploration";
import { type Patch, indexOf, patchAt, toPoint } from "../../kit/grid";
import { hasHead } from "../../kit/knockouts";
import { listen } from "../../kit/lifetime";
import { type Row, combine, halfStep, massSet, total, weight } from "../../kit/sheet";
import { type LayerShape, across, nameOf, patchOf } from "../../kit/stacks";
import { Bar } from "./bar";
import { h, ownKeys, setText } from "./dom";
import { Panel } from "./panel";

export type Show = "all" | "chosen" | "mean" | "max";

/** How the maps are drawn; only the screen knows it. */
export interface Look {
  show: Show;
  shared: boolean; // one range for all heads
  map: MapName;
  mass: number; // share of the attention that the contour holds, 0..1; 0 = no contour
  order: number[][][]; // heads of every layer of every model, as they are to stand
}

/** One panel: a head, or all of them as one. */
class HeadPanel {
  readonly panel: Panel;
  readonly bar = new Bar("from the smallest to the largest weight on a patch", weight);
  head = -1;
  row: Row | null = null;
  shape: LayerShape = { heads: 0, front: 0, rows: 1, cols: 1, queries: { rows: 1, cols: 1 } };
  range: Range | null = null;
  known = false; // the row is of the present token
  private readonly caption: HTMLElement;
  private readonly out: HTMLButtonElement;

  constructor(
    readonly side: number,
    gallery: Heads,
    signal: AbortSignal,
  ) {
    this.panel = new Panel(`head-${side}-${gallery.count(side)}`, "", "attention over the picture");
    this.caption = h("button", { type: "button", class: "mv-name", "aria-pressed": "false" });
    this.out = h("button", { type: "button", class: "mv-toggle", "aria-pressed": "false", title: "Knock this head out: its output becomes zero" }, "out");
    this.panel.head.replaceChildren(this.caption, this.out);
    this.panel.root.append(this.bar.root);
    this.panel.root.classList.add("mv-heat");
    listen(this.caption, "click", () => gallery.choose(this), signal);
    listen(this.out, "click", () => gallery.toggle(this), signal);
  }

  describe(words: string): void {
    this.panel.describe(words, this.caption.textContent ?? "");
  }

  name(words: string, hint: string, chosen: boolean, out: boolean | null): void {
    setText(this.caption, words);
    this.caption.title = hint;
    this.caption.setAttribute("aria-pressed", String(chosen));
    this.out.hidden = out === null;
    this.out.setAttribute("aria-pressed", String(out === true));
    this.out.setAttribute("aria-label", `Knock out ${words}`);
    this.panel.root.classList.toggle("is-out", out === true);
  }
}

export class Heads {
  readonly root = h("div", { class: "mv-sides" });
  readonly chosen = new Set<string>(); // "side,layer,head"
  private readonly sections: { title: HTMLElement; panels: HTMLElement; made: HeadPanel[] }[] = [];
  private ring: Patch | null = null; // the patch whose weights are read, in the reference grid
  private cursor: Patch = { row: 0, col: 0 };

  constructor(
    private readonly session: Exploration,
    private readonly look: Look,
    private readonly updated: () => void,
    private readonly alt: () => boolean,
    private readonly signal: AbortSignal,
  ) {}

  count(side: number): number {
    return this.sections[side]?.made.length ?? 0;
  }

  choose({ side, head }: HeadPanel): void {
    const key = this.keyOf(side, head);
    if (!this.chosen.delete(key)) this.chosen.add(key);
    this.updated();
  }

  toggle({ side, head }: HeadPanel): void {
    const { part, layer } = this.session;
    this.session.toggleHead({ side, part, layer, head });
  }

  draw(waiting: string): void {
    const { session, look } = this;
    session.stacks.forEach((_, side) => this.section(side));
    this.sections.forEach((section, side) => {
      const shown = this.shown(side);
      while (section.made.length < shown.length) this.add(section, side);
      section.made.forEach(({ panel }, i) => (panel.root.hidden = i >= shown.length));
      section.title.parentElement!.hidden = !session.stacks[side];
      setText(section.title, session.sides.length > 1 ? session.sides[side]?.name ?? "" : "");
      const known = session.rows(side) !== null;
      shown.forEach(({ head, row }, i) => this.fill(section.made[i]!, head, row, session.shape(side), known));
    });
    const drawn = this.live;
    const ranges = drawn.flatMap(({ range }) => range ?? []);
    const shared = ranges.length ? { min: Math.min(...ranges.map(({ min }) => min)), max: Math.max(...ranges.map(({ max }) => max)) } : null;
    for (const each of drawn) {
      const range = each.range && (look.shared ? shared : each.range);
      const pixels = each.row && range ? colourize(each.row.patches, each.shape, colourMap(look.map), range) : null;
      each.panel.show(pixels, each.known ? "this pass has no such token" : waiting);
      each.describe(each.row ? saysMap(each.row.patches, each.shape, weight) : waiting);
      each.panel.stale = !each.known;
      each.bar.show(range, look.map);
    }
    this.mark();
  }

  /** Rings, contours and value lines; no colours change. */
  mark(): void {
    const { session, look } = this;
    const query = patchOf(session.token);
    const out = session.knockouts.tokens.flatMap((token) => patchOf(token) ?? []);
    for (const { panel, row, shape, known, side } of this.live) {
      const local = (patch: Patch | null) => (patch ? across(session.reference, patch, shape) : null);
      const contour = row ? massSet(row.patches, look.mass) : [];
      panel.mark({
        grid: shape, mask: this.hidden(shape), strong: true, ring: local(this.ring), brush: [],
        contour: contour.length ? contour : undefined, query: shape.pool ? null : local(query), out: out.map((patch) => local(patch)!),
      });
      panel.say(known ? this.say(row, shape, local(this.ring), session.stacks[side]?.front ?? []) : "");
    }
  }

  fit(ratio: number): void {
    for (const { panel } of this.live) panel.fit(ratio);
  }

  /** Pictures as they are on the screen: for a PNG. */
  get live(): HeadPanel[] {
    return this.sections.flatMap(({ made }) => made.filter(({ panel }) => !panel.root.hidden));
  }

  get text(): string {
    return this.live.slice(0, 4).map(({ panel }) => `${panel.head.textContent?.replace("out", "")}: ${panel.text}`).join("; ");
  }

  /** Heads in the order in which they stand, with the present token's row where it is known. */
  private shown(side: number): { head: number; row: Row | null }[] {
    const { session, look } = this;
    const rows = session.rows(side);
    const heads = session.shape(side)?.heads ?? 0;
    const order = look.order[side]?.[session.layer] ?? Array.from({ length: heads }, (_, head) => head);
    if (look.show === "mean" || look.show === "max") {
      const some = order.filter((head) => this.isChosen(side, head));
      const known = (some.length ? some : order).flatMap((head) => rows?.[head] ?? []);
      return [{ head: -1, row: combine(known, look.show) }];
    }
    const wanted = look.show === "chosen" ? order.filter((head) => this.isChosen(side, head)) : order;
    return wanted.map((head) => ({ head, row: rows?.[head] ?? null }));
  }

  private fill(made: HeadPanel, head: number, row: Row | null, shape: LayerShape | null, known: boolean): void {
    const { session, look } = this;
    if (!shape) return;
    const stays = !known && made.head === head && made.row?.patches.length === shape.rows * shape.cols; // until the layer has come
    if (!stays) Object.assign(made, { head, row, range: row ? settled(rangeOf(row.patches)) : null });
    Object.assign(made, { shape, known });
    const { part, layer } = session;
    const { side } = made;
    if (head < 0) return made.name(look.show === "mean" ? "mean of heads" : "maximum over heads", "", false, null);
    const out = hasHead(session.knockouts, { side, part, layer, head });
    made.name(`head ${head + 1}`, "Choose this head for the mean, the maximum and “chosen”", this.isChosen(side, head), out);
  }

  private isChosen(side: number, head: number): boolean {
    return this.chosen.has(this.keyOf(side, head));
  }

  private keyOf(side: number, head: number): string {
    return [side, this.session.part, this.session.layer, head].join();
  }

  private hidden(shape: LayerShape): Uint8Array | null {
    const { reference, model } = this.session;
    const data = model.get("hidden");
    if (data.byteLength !== reference.rows * reference.cols || shape.rows !== reference.rows || shape.cols !== reference.cols) return null;
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }

  private say(row: Row | null, shape: LayerShape, ring: Patch | null, front: string[]): string {
    if (!row) return "";
    if (!ring) {
      if (isFlat(rangeOf(row.patches))) return `flat: every patch gets ${weight(row.patches[0] ?? 0)}`;
      const sum = (word: string, register: boolean) => {
        const some = row.front.filter((_, i) => front[i]?.startsWith("reg") === register);
        return some.length ? [`${word} ${weight(total(some))}`] : [];
      };
      return [...sum("CLS", false), ...sum("registers", true)].join(" · ") || `patches ${weight(total(row.patches))}`;
    }
    const value = row.patches[indexOf(shape, ring)] ?? 0;
    const place = `${ring.row + 1},${ring.col + 1}:`;
    return row.exact ? `${place} ${value && value.toPrecision(4)}` : `${place} ${weight(value)} ± ${weight(halfStep(value, rangeOf(row.patches)!))}`;
  }

  private section(side: number): void {
    if (this.sections[side]) return;
    const title = h("h4", { class: "mv-side" });
    const panels = h("div", { class: "mv-panels" });
    this.root.append(h("section", {}, title, panels));
    this.sections[side] = { title, panels, made: [] };
  }

  private add(section: { panels: HTMLElement; made: HeadPanel[] }, side: number): void {
    const { signal, session } = this;
    const made = new HeadPanel(side, this, signal);
    const { frame } = made.panel;
    const first = side === 0 && section.made.length === 0;
    frame.tabIndex = first ? 0 : -1;
    frame.setAttribute("role", "application");
    frame.setAttribute("aria-label", "Attention of a head: arrow keys read the weight of a patch, Enter makes that patch the query");
    ownKeys(frame);
    const at = (event: PointerEvent | MouseEvent) => {
      return patchAt(session.reference, toPoint(session.reference, frame.getBoundingClientRect(), event.clientX, event.clientY));
    };
    listen(frame, "pointermove", (event) => this.read(at(event)), signal);
    listen(frame, "pointerleave", () => this.read(null), signal);
    listen(frame, "click", (event) => {
      const patch = at(event);
      if (!patch) return;
      if (event.altKey || this.alt()) session.toggleToken(nameOf(patch));
      else session.pin(nameOf(patch));
    }, signal);
    section.panels.append(made.panel.root);
    section.made.push(made);
    made.panel.fit(window.devicePixelRatio || 1);
  }

  /** The patch whose weights the value lines say. */
  read(patch: Patch | null): void {
    if (this.ring?.row === patch?.row && this.ring?.col === patch?.col) return;
    this.ring = patch;
    if (patch) this.cursor = patch;
    this.mark();
  }

  step(rows: number, cols: number): void {
    const { reference } = this.session;
    const clamp = (value: number, most: number) => Math.max(0, Math.min(most - 1, value));
    const from = this.ring ?? this.cursor;
    this.read({ row: clamp(from.row + rows, reference.rows), col: clamp(from.col + cols, reference.cols) });
  }

  get at(): Patch {
    return this.ring ?? this.cursor;
  }
}

/** Nothing but rounding tells the patches apart. */
function isFlat(range: Range | null): boolean {
  return range !== null && range.max - range.min <= 1e-5 * Math.abs(range.max);
}

/** A flat map is one colour, not an enlargement of rounding. */
function settled(range: Range | null): Range | null {
  return range && isFlat(range) ? { min: range.max, max: range.max } : range;
}
