/** A model without a kernel: the traits that Python left behind, and the answers that it gave beforehand. */
import type { Raw } from "../kit/read";

export interface Words {
  title: string;
  text: string;
  hint?: string;
}

/** Answers to the questions that changes of the traits `on` ask, by the values of `by`. */
export interface Group {
  on: string[];
  by: string[];
  nearest?: string[]; // of `by`: a number between those that were asked goes to the one next to it
  keep?: boolean; // what was set stays although nobody answers
  otherwise?: Words;
  answers: [unknown[], Raw[]][]; // values of `by` → traits, one step after another
}

export interface Said {
  state: Raw;
  free: string[]; // traits that a view may change and nobody need answer
  groups: Group[];
}

type Heard = (...given: unknown[]) => void;

/** Answers in the page itself: null where it was not asked, a promise of null where a newer question took the place of this one. */
export type Live = (names: string[], model: BakedModel) => Promise<Raw | null> | null;

const NEEDS: Words = {
  title: "This needs the kernel",
  text: "The page shows what was computed when it was made. Run the notebook to ask for more.",
};

export class BakedModel {
  live: Live = () => null;
  private readonly state: Raw;
  private before: Raw = {};
  private readonly heard = new Map<string, Set<Heard>>();

  constructor(
    private readonly said: Said,
    private readonly later: (work: () => void) => void = (work) => void setTimeout(work, 0),
  ) {
    this.state = { ...said.state };
  }

  get = (name: string): unknown => this.state[name];

  set = (name: string, value: unknown): void => {
    if (!(name in this.before)) this.before[name] = this.state[name];
    this.put({ [name]: value });
  };

  on = (event: string, callback: Heard): void => {
    for (const each of event.split(/\s+/)) this.heard.set(each, (this.heard.get(each) ?? new Set()).add(callback));
  };

  off = (event?: string | null, callback?: Heard | null): void => {
    for (const [name, set] of this.heard) {
      if (event && !event.split(/\s+/).includes(name)) continue;
      if (callback) set.delete(callback);
      else set.clear();
    }
  };

  save_changes = (): void => {
    const before = this.before;
    this.before = {};
    if (Object.keys(before).length) this.later(() => void this.ask(before));
  };

  send = (): void => this.refuse(NEEDS);

  /** All traits first, then the events, as hosts do. */
  put(traits: Raw): string[] {
    const changed = Object.keys(traits).filter((name) => this.state[name] !== traits[name]);
    Object.assign(this.state, traits);
    for (const name of changed) this.hear(name);
    return changed;
  }

  // --- asking ---

  private async ask(before: Raw): Promise<void> {
    const names = Object.keys(before);
    if (await this.think(names)) return;
    const groups = this.said.groups.filter((group) => group.on.some((name) => names.includes(name)));
    const left = names.filter((name) => !this.said.free.includes(name) && !groups.some((group) => group.on.includes(name)));
    const missing = groups.filter((group) => !this.answer(group));
    if (!missing.length && !left.length) return;
    const kept = new Set(missing.flatMap((group) => (group.keep ? group.on : [])));
    const undone = names.filter((name) => left.includes(name) || (missing.some((group) => group.on.includes(name)) && !kept.has(name)));
    this.put(Object.fromEntries(undone.map((name) => [name, before[name]])));
    this.refuse(missing.find((group) => group.otherwise)?.otherwise ?? NEEDS);
  }

  /** Apply what Python said to this question; false where it was never asked. */
  private answer(group: Group): boolean {
    const steps = keysOf(group, this.state).map((key) => find(group, key));
    for (const step of steps) for (const traits of step ?? []) this.take(traits);
    return steps.every((step) => step !== null);
  }

  /** The model on the page, where there is one and it is asked; true where nobody else need answer. */
  private async think(names: string[]): Promise<boolean> {
    const live = this.live(names, this);
    if (!live) return false;
    const found = await live;
    if (found) this.put(this.timed({ problem: {}, ...found }));
    return true;
  }

  private take(traits: Raw): void {
    const changed = this.put(this.timed("problem" in this.state ? { problem: {}, ...traits } : traits));
    void this.think(changed);
    for (const group of this.said.groups) if (group.on.some((name) => changed.includes(name) && name in traits)) this.answer(group);
  }

  /** A report belongs to the stroke that asked, which no one could know beforehand. */
  private timed(traits: Raw): Raw {
    const { report } = traits;
    if (report === null || typeof report !== "object" || !("stroke" in report)) return traits;
    return { ...traits, report: { ...report, stroke: this.state.stroke } };
  }

  /** Say why there is no answer, and let views read everything once more: some of them are waiting for one. */
  private refuse(words: Words): void {
    if ("problem" in this.state) this.put({ problem: { kind: "blank", hint: "", ...words } });
    for (const name of Object.keys(this.state)) if (name.endsWith("_info") || name === "layer") this.hear(name);
  }

  private hear(name: string): void {
    for (const callback of [...(this.heard.get(`change:${name}`) ?? []), ...(this.heard.get("change") ?? [])]) callback();
  }
}

/** The questions that are asked: one, or one for each layer where an explorer asks for several. */
function keysOf({ by }: Group, state: Raw): unknown[][] {
  if (by[0] !== "request") return [by.map((name) => sayable(state[name]))];
  const { part, layers, row } = state.request as { part: string; layers: number[]; row: string };
  return [...layers.map((layer) => [part, layer, ""]), ...(row ? [[part, state.layer, row]] : [])];
}

function find({ by, nearest, answers }: Group, key: unknown[]): Raw[] | null {
  const same = JSON.stringify(key);
  const exact = answers.find(([each]) => JSON.stringify(each) === same);
  if (exact || !nearest) return exact?.[1] ?? null;
  const free = by.map((name) => nearest.includes(name));
  const alike = answers.filter(([each]) => each.every((value, i) => free[i] || JSON.stringify(value) === JSON.stringify(key[i])));
  const far = (each: unknown[]) => each.reduce<number>((sum, value, i) => sum + (free[i] ? Math.abs(Number(value) - Number(key[i])) : 0), 0);
  return alike.sort(([a], [b]) => far(a) - far(b))[0]?.[1] ?? null;
}

/** Bytes as text, so that a mask can be a key. */
function sayable(value: unknown): unknown {
  if (!(value instanceof DataView)) return value;
  return Array.from(new Uint8Array(value.buffer, value.byteOffset, value.byteLength), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
