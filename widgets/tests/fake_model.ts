/** A host's model without a host: traits, listeners that can be counted, and what was sent. */
import type { PainterModel } from "../src/kit/session";
import type { MaskPainterTraits } from "../src/traits";

export const bytes = (values: Iterable<number>): DataView => new DataView(Uint8Array.from(values).buffer);
const nothing = bytes([]);

export class FakeModel {
  readonly sent: Partial<MaskPainterTraits>[] = [];
  private dirty: Partial<MaskPainterTraits> = {};
  private readonly heard = new Map<string, Set<() => void>>();
  private readonly traits: MaskPainterTraits;

  constructor(traits: Partial<MaskPainterTraits> = {}) {
    this.traits = {
      rows: 8, cols: 8, height: 64, width: 64, hidden: bytes(Array<number>(64).fill(0)), stroke: 0, dragging: false,
      original: nothing, picture: nothing, error: nothing, report: {}, problem: {},
      strategy: "random", strategies: ["random", "block", "grid", "simmim"], ratio: 0.75, seed: 0, draw: 0,
      normalized: false, statistics: "visible", upload: nothing, upload_name: "", title: "", ...traits,
    };
  }

  get = <K extends keyof MaskPainterTraits>(name: K): MaskPainterTraits[K] => this.traits[name];
  set = <K extends keyof MaskPainterTraits>(name: K, value: MaskPainterTraits[K]): void => {
    this.dirty[name] = value;
    this.push({ [name]: value });
  };
  on = (event: string, callback: () => void): void => {
    this.heard.set(event, (this.heard.get(event) ?? new Set()).add(callback));
  };
  off = (event: string, callback: () => void): void => void this.heard.get(event)?.delete(callback);
  save_changes = (): void => {
    this.sent.push(this.dirty);
    this.dirty = {};
  };

  /** What Python sets: all traits first, then the events, as hosts do. */
  push(traits: Partial<MaskPainterTraits>): void {
    const changed = Object.keys(traits).filter((name) => this.traits[name as "seed"] !== traits[name as "seed"]);
    Object.assign(this.traits, traits);
    for (const name of changed) for (const callback of [...(this.heard.get(`change:${name}`) ?? [])]) callback();
  }

  get listeners(): number {
    return [...this.heard.values()].reduce((n, set) => n + set.size, 0);
  }

  get last(): Partial<MaskPainterTraits> {
    return this.sent.at(-1) ?? {};
  }

  get asModel(): PainterModel {
    return this as unknown as PainterModel;
  }
}

export const hiddenIn = (traits: Partial<MaskPainterTraits>): number[] => {
  const view = traits.hidden;
  if (!view) return [];
  return [...new Uint8Array(view.buffer)].flatMap((value, i) => (value ? [i] : []));
};
