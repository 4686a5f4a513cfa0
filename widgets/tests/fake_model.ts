/** A host's model without a host: traits, listeners that can be counted, and what was sent. */
import type { PainterModel } from "../src/kit/session";
import type { MaskPainterTraits } from "../src/traits";

export const bytes = (values: Iterable<number>): DataView => new DataView(Uint8Array.from(values).buffer);
const nothing = bytes([]);

export class Fake<T extends object> {
  readonly sent: Partial<T>[] = [];
  readonly messages: unknown[] = [];
  private dirty: Partial<T> = {};
  private readonly heard = new Map<string, Set<(...given: unknown[]) => void>>();

  constructor(private readonly traits: T) {}

  get = <K extends keyof T>(name: K): T[K] => this.traits[name];
  set = <K extends keyof T>(name: K, value: T[K]): void => {
    this.dirty[name] = value;
    this.push({ [name]: value } as unknown as Partial<T>);
  };
  on = (event: string, callback: () => void): void => {
    this.heard.set(event, (this.heard.get(event) ?? new Set()).add(callback));
  };
  off = (event: string, callback: () => void): void => void this.heard.get(event)?.delete(callback);
  save_changes = (): void => {
    this.sent.push(this.dirty);
    this.dirty = {};
  };
  send = (message: unknown): void => void this.messages.push(message);

  /** What Python sets: all traits first, then the events, as hosts do. */
  push(traits: Partial<T>): void {
    const changed = (Object.keys(traits) as (keyof T & string)[]).filter((name) => this.traits[name] !== traits[name]);
    Object.assign(this.traits, traits);
    for (const name of changed) this.hear(`change:${name}`);
  }

  /** An event, such as a message of Python's. */
  hear(event: string, ...given: unknown[]): void {
    for (const callback of [...(this.heard.get(event) ?? [])]) callback(...given);
  }

  get listeners(): number {
    return [...this.heard.values()].reduce((n, set) => n + set.size, 0);
  }

  get last(): Partial<T> {
    return this.sent.at(-1) ?? {};
  }
}

export class FakeModel extends Fake<MaskPainterTraits> {
  constructor(traits: Partial<MaskPainterTraits> = {}) {
    super({
      rows: 8, cols: 8, height: 64, width: 64, hidden: bytes(Array<number>(64).fill(0)), stroke: 0, dragging: false,
      original: nothing, picture: nothing, error: nothing, report: {}, problem: {},
      strategy: "random", strategies: ["random", "block", "grid", "simmim"], ratio: 0.75, seed: 0, draw: 0,
      normalized: false, statistics: "visible", upload: nothing, upload_name: "", title: "", ...traits,
    });
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
