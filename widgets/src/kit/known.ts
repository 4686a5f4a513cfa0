/** What the browser has of the attention: rows and layers that have come, by what they belong to. */
import type { AttentionExplorerTraits } from "../traits";
import { asBytes, asFloats } from "./binary";
import { number, text } from "./read";
import { type Row, type Sheet, exactRow, split } from "./sheet";
import { type LayerShape, type Side, type Stack, find, keysOf, queriesOf, readSides } from "./stacks";

const KEPT = 32 * 2 ** 20; // bytes of layers in memory; the oldest goes first

interface Model {
  get<K extends keyof AttentionExplorerTraits>(name: K): AttentionExplorerTraits[K];
}

export class Known {
  sides: Side[] = [];
  version = -1; // Python counts edits
  private readonly sheets = new Map<string, { sheets: (Sheet | null)[]; bytes: number }>();
  private overview: { query: string; part: string; sheets: (Sheet | null)[][] } | null = null; // by side, by layer
  private exact: { key: string; floats: Float32Array[] } | null = null; // by side

  constructor(private readonly model: Model) {}

  stacks(part: string): Stack[] {
    return this.sides.flatMap((side) => side.parts[part] ?? []);
  }

  /** The whole layer, or one row of it. */
  has(part: string, layer: number, row = ""): boolean {
    return this.sheets.has(this.key(part, layer, row));
  }

  /** What every head of a layer gives from a token; null as long as it is not here. */
  rows(part: string, side: number, layer: number, token: string): (Row | null)[] | null {
    const stacks = this.stacks(part);
    const [first, stack] = [stacks[0], stacks[side]];
    const shape = stack?.layers[layer];
    if (!first || !stack || !shape) return null;
    const heads = Array.from({ length: shape.heads }, (_, head) => head);
    const floats = this.exact?.key === this.key(part, layer, token) ? this.exact.floats[side] : undefined;
    if (floats) return heads.map((head) => exactRow(floats, shape, head));
    const query = find(first, stack, layer, token);
    const whole = this.sheets.get(this.key(part, layer))?.sheets[side];
    if (whole) return heads.map((head) => (query === null ? null : whole.row(head, query)));
    const overview = this.overview?.query === token && this.overview.part === part ? this.overview.sheets[side]?.[layer] : null;
    const single = this.sheets.get(this.key(part, layer, token))?.sheets[side] ?? overview;
    return single ? heads.map((head) => single.row(head, 0)) : null;
  }

  /** Layers × heads of one statistic; null where it is not known (yet), or where this model has none of it. */
  statistic(part: string, side: number, name: string): Float32Array[] | null {
    const info = this.model.get("statistics_info");
    const names = this.statistics(part);
    const at = names.indexOf(name);
    if (number(info.version) !== this.version || at < 0) return null;
    const floats = asFloats(this.model.get("statistics"));
    let start = 0;
    for (const [i, stack] of this.stacks(part).entries()) {
      const layers = stack.layers.map(({ heads }) => {
        start += names.length * heads;
        return floats.subarray(start - (names.length - at) * heads, start - (names.length - at - 1) * heads);
      });
      if (i === side) return layers.every((layer) => Number.isNaN(layer[0] ?? NaN)) ? null : layers;
    }
    return null;
  }

  /** Names of the statistics of a part. */
  statistics(part: string): string[] {
    const info = this.model.get("statistics_info");
    return text(info.part) === part ? (info.names as string[]) : [];
  }

  // --- what has come ---

  takeSides(): void {
    this.sides = readSides(this.model.get("sides"));
  }

  /** True where it belongs to another pass than what was known before. */
  takeOverview(): boolean {
    const info = this.model.get("overview_info");
    const version = number(info.version);
    if (version === null) return false;
    const news = version !== this.version;
    if (news) this.forget(version);
    const part = text(info.part);
    const stacks = this.stacks(part);
    const all = split(asBytes(this.model.get("overview")).slice(), stacks.flatMap((stack) => stack.layers), () => 1);
    this.overview = { query: text(info.query), part, sheets: stacks.map((stack) => all.splice(0, stack.layers.length)) };
    return news;
  }

  takeExact(): void {
    const info = this.model.get("exact_info");
    if (number(info.version) !== this.version) return;
    const [part, layer] = [text(info.part), number(info.layer) ?? 0];
    const floats = asFloats(this.model.get("exact"));
    let at = 0;
    const parts = this.layersOf(part, layer).map((shape) => {
      const size = shape ? shape.heads * keysOf(shape) : 0;
      return floats.subarray((at += size) - size, at);
    });
    this.exact = { key: this.key(part, layer, text(info.query)), floats: parts };
  }

  /** The row that has come, "" for a whole layer; null for what belongs to another pass. */
  takeSheet(): string | null {
    const info = this.model.get("sheet_info");
    if (number(info.version) !== this.version) return null;
    const [part, layer, row] = [text(info.part), number(info.layer) ?? 0, text(info.row)];
    const bytes = asBytes(this.model.get("sheet")).slice();
    const sheets = split(bytes, this.layersOf(part, layer), row ? () => 1 : queriesOf);
    this.sheets.set(this.key(part, layer, row), { sheets, bytes: bytes.length });
    this.tidy();
    return row;
  }

  private layersOf(part: string, layer: number): (LayerShape | null)[] {
    return this.stacks(part).map((stack) => stack.layers[layer] ?? null);
  }

  private key(part: string, layer: number, row = ""): string {
    return [part, layer, row].join("|");
  }

  private tidy(): void {
    let bytes = [...this.sheets.values()].reduce((sum, sheet) => sum + sheet.bytes, 0);
    for (const [key, sheet] of this.sheets) {
      if (bytes <= KEPT || this.sheets.size === 1) return;
      this.sheets.delete(key);
      bytes -= sheet.bytes;
    }
  }

  /** Something was knocked out or restored: whatever is here belongs to another pass. */
  private forget(version: number): void {
    this.version = version;
    this.sheets.clear();
    this.exact = null;
  }
}
