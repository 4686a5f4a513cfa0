/** What an explorer looks at, and what it asks the kernel for. No DOM. */
import type { AnyModel } from "@anywidget/types";
import type { AttentionExplorerTraits } from "../traits";
import { History } from "./history";
import { type Head, type Knockouts, NOTHING, isNothing, readKnockouts, toggleHead, toggleToken, writeKnockouts } from "./knockouts";
import { Known } from "./known";
import { follow } from "./lifetime";
import { number } from "./read";
import type { Row } from "./sheet";
import { type LayerShape, type Side, type Stack, bytesOf, queriesOf } from "./stacks";

const WHOLE = 2 ** 21; // bytes; a layer above is fetched row by row
const PATIENCE = 1000; // ms; then the next row is asked for although the one before is still on its way

export type ExplorerModel = AnyModel<AttentionExplorerTraits>;

export class Exploration {
  hover: string | null = null; // the token under the pointer; never goes over the wire
  waiting = false; // for the first answer to an edit
  readonly known: Known;
  private readonly history = new History<Knockouts>();
  private readonly asked = new Set<string>();
  private flying = false; // a row was asked for and is not here yet
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly model: ExplorerModel,
    private readonly changed: (hover: boolean) => void,
    signal: AbortSignal,
  ) {
    this.known = new Known(model);
    const on = (name: keyof AttentionExplorerTraits, read: () => void) => {
      read();
      follow(model, `change:${name}`, () => (read(), this.changed(false)), signal);
    };
    on("sides", () => this.known.takeSides());
    on("overview_info", () => this.takeOverview());
    on("exact_info", () => this.known.takeExact());
    on("sheet_info", () => this.takeSheet());
    for (const name of ["part", "layer", "query", "edits", "statistics_info", "hidden"] as const) on(name, () => undefined);
    signal.addEventListener("abort", () => clearTimeout(this.timer), { once: true });
  }

  // --- what is looked at ---

  get sides(): Side[] {
    return this.known.sides;
  }
  get part(): string {
    return this.model.get("part");
  }
  /** The parts that every model has. */
  get parts(): string[] {
    return Object.keys(this.sides[0]?.parts ?? {}).filter((part) => this.sides.every((side) => side.parts[part]));
  }
  get pinned(): string {
    return this.model.get("query");
  }
  /** The token whose row is shown. */
  get token(): string {
    return this.hover ?? this.pinned;
  }
  get knockouts(): Knockouts {
    return readKnockouts(this.model.get("edits"));
  }
  get depth(): number {
    return Math.max(0, ...this.stacks.map((stack) => stack.layers.length));
  }
  get layer(): number {
    const layer = this.model.get("layer");
    return Math.max(0, Math.min(this.depth - 1, layer < 0 ? this.depth + layer : layer));
  }
  /** The encoder or the decoder of every model. */
  get stacks(): Stack[] {
    return this.known.stacks(this.part);
  }
  /** The grid that names patches. */
  get reference(): Stack {
    return this.stacks[0] ?? { rows: 0, cols: 0, front: [], layers: [] };
  }
  shape(side: number, layer = this.layer): LayerShape | null {
    return this.stacks[side]?.layers[layer] ?? null;
  }

  /** What every head of a layer gives from the present token; null as long as the browser does not know it. */
  rows(side: number, layer = this.layer): (Row | null)[] | null {
    return this.known.rows(this.part, side, layer, this.token);
  }

  /** For the overview, which shows one token in all layers: the one under the pointer only where every layer is here. */
  steady(side: number, layer: number): (Row | null)[] | null {
    return this.known.rows(this.part, side, layer, this.complete ? this.token : this.pinned);
  }

  statistic(side: number, name: string): Float32Array[] | null {
    return this.known.statistic(this.part, side, name);
  }

  /** Too large to be fetched whole. */
  large(layer = this.layer): boolean {
    return this.stacks.some((stack) => {
      const shape = stack.layers[layer];
      return shape ? bytesOf(shape, queriesOf(shape)) > WHOLE : false;
    });
  }

  /** Every layer is here, so that the overview follows the pointer. */
  get complete(): boolean {
    return this.depth > 0 && this.layers.every((layer) => this.known.has(this.part, layer));
  }

  // --- what a person does ---

  point(token: string | null): void {
    if (token === this.hover) return;
    this.hover = token;
    if (token !== null) this.fetch();
    this.changed(true);
  }

  pin(token: string): void {
    this.put({ query: token });
  }

  open(layer: number): void {
    this.put({ layer });
    this.fetch();
  }

  turn(part: string): void {
    this.put({ part, layer: -1 });
  }

  /** Have the open layer in the browser, so that hovering needs no kernel. */
  fetch(): void {
    if (this.large()) this.fetchRow();
    else this.ask([this.layer]);
  }

  fetchAll(): void {
    this.ask(this.layers.filter((layer) => !this.large(layer)));
  }

  toggleHead(head: Head): void {
    this.edit(toggleHead(this.knockouts, head));
  }

  toggleToken(token: string): void {
    this.edit(toggleToken(this.knockouts, token));
  }

  restore(): void {
    if (!isNothing(this.knockouts)) this.edit(NOTHING);
  }

  get canUndo(): boolean {
    return this.history.canUndo;
  }
  get canRedo(): boolean {
    return this.history.canRedo;
  }

  undo(): void {
    const before = this.history.undo(this.knockouts);
    if (before) this.send(before);
  }

  redo(): void {
    const after = this.history.redo(this.knockouts);
    if (after) this.send(after);
  }

  // --- inside ---

  private get layers(): number[] {
    return Array.from({ length: this.depth }, (_, layer) => layer);
  }

  private edit(knockouts: Knockouts): void {
    this.history.push(this.knockouts);
    this.send(knockouts);
  }

  private send(knockouts: Knockouts): void {
    this.waiting = true;
    this.put({ edits: writeKnockouts(knockouts) });
  }

  private put(traits: Partial<AttentionExplorerTraits>): void {
    for (const [name, value] of Object.entries(traits)) this.model.set(name as "layer", value as number);
    this.model.save_changes();
    this.changed(false);
  }

  private ask(layers: number[], row = ""): void {
    const { part } = this;
    const news = layers.filter((layer) => !this.known.has(part, layer) && !this.asked.has(`${part} ${layer}`));
    if (!news.length && !row) return;
    for (const layer of news) this.asked.add(`${part} ${layer}`);
    const serial = (number(this.model.get("request").serial) ?? 0) + 1;
    this.model.set("request", { serial, part, layers: news, row });
    this.model.save_changes();
  }

  /** One row on its way at a time; the newest goes when it has come. */
  private fetchRow(): void {
    if (this.flying || this.rows(0)) return;
    this.flying = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.landed(), PATIENCE);
    this.ask([], this.token);
  }

  private landed(): void {
    clearTimeout(this.timer);
    this.flying = false;
    if (this.hover !== null && this.large()) this.fetchRow();
  }

  private takeOverview(): void {
    const wanted = this.known.has(this.part, this.layer);
    this.waiting = false;
    if (!this.known.takeOverview()) return;
    this.asked.clear();
    if (wanted) this.fetch();
  }

  private takeSheet(): void {
    const row = this.known.takeSheet();
    const { part, layer } = this.model.get("sheet_info");
    if (row !== null) this.asked.delete(`${String(part)} ${String(layer)}`);
    if (row) this.landed();
  }
}
