/** What Python says of a recipe lab: sentences, their controls, panels, facts and curves. No DOM. */
import type { Grid } from "./grid";
import type { Move } from "./jigsaw";
import type { Mask } from "./mask";
import { type Raw, list, number, record, text } from "./read";
import { type Problem, readProblem } from "./report";

export interface Control {
  path: string[];
  name: string;
  kind: "toggle" | "number" | "menu" | "word" | "numbers" | "text"; // word: a menu of words that have options of their own
  value: unknown;
  choices: unknown[];
  min: number;
  max: number;
  step: number;
}

export interface Choice {
  name: string;
  hint: string;
  refused: string; // why it does not go with the other words; "" = it does
}

export interface Slot {
  slot: string;
  word: string;
  choices: Choice[];
  options: Control[];
}

export interface Paper {
  title: string;
  source: string;
  url: string;
  idea: string;
  verified: string;
}

export interface Form {
  paper: Paper | null;
  hint: string;
  options: Control[];
  slots: Slot[];
}

export interface Catalogue {
  recipes: { name: string; title: string }[];
  compose: string;
  encoders: string[];
  studies: { name: string; hint: string; asks: boolean }[];
}

/** One or two of these are what is said. */
export interface Said {
  recipe: string;
  encoder: string;
  options: Raw;
  words: Record<string, { word: string; options: Raw }>;
}

export interface PanelSaid extends Grid {
  place: number; // which sentence it belongs to; −1 = none
  key: string;
  caption: string;
  meaning: string;
  width: number;
  height: number;
  map: boolean;
  unit: string;
  signed: boolean;
  hatched: boolean;
  say: string;
  figure: "" | "numbers" | "matrix" | "spectrum" | "bars" | "jigsaw";
  names: string[]; // of numbers, or of a matrix's columns
  moves: Move[];
  data: Uint8Array<ArrayBuffer>;
  blank: Mask | null; // 1 = nothing to see there
}

/** How far the features of a model, and its prototypes, still tell things apart. */
export interface Collapse {
  rank: number;
  most: number;
  spread: number; // 0..1
  content: number; // 0..1
  codes: [number, number] | null; // in effect, of how many
  why: string[]; // what has collapsed; empty: nothing
}

export interface Facts {
  problem: Problem | null;
  loss: number | null;
  terms: [string, number | null][];
  psnr: number | null;
  ms: number;
  parameters: number;
  weights: string;
  note: string;
  said: string;
  leaks: boolean;
  encoder: string;
  collapse: Collapse | null;
}

const texts = (value: unknown): string[] => list(value).map(text);

export function readCatalogue(raw: unknown): Catalogue {
  const { recipes, compose, encoders, studies } = record(raw);
  return {
    recipes: list(recipes).map((each) => ({ name: text(record(each).name), title: text(record(each).title) })),
    compose: text(compose),
    encoders: texts(encoders),
    studies: list(studies).map((each) => ({ name: text(record(each).name), hint: text(record(each).hint), asks: record(each).asks === true })),
  };
}

function readControl(raw: unknown): Control {
  const each = record(raw);
  const count = (name: string) => number(each[name]) ?? 0;
  return {
    path: texts(each.path), name: text(each.name), kind: text(each.kind) as Control["kind"], value: each.value, choices: list(each.choices),
    min: count("min"), max: count("max"), step: count("step"),
  };
}

export function readForm(raw: unknown): Form {
  const { paper, hint, options, slots } = record(raw);
  const about = record(paper);
  const said = ["title", "source", "url", "idea", "verified"].map((name) => [name, text(about[name])]);
  return {
    paper: text(about.title) ? (Object.fromEntries(said) as unknown as Paper) : null,
    hint: text(hint),
    options: list(options).map(readControl),
    slots: list(slots).map((each) => {
      const { slot, word, choices, options } = record(each);
      const able = list(choices).map((one) => ({ name: text(record(one).name), hint: text(record(one).hint), refused: text(record(one).refused) }));
      return { slot: text(slot), word: text(word), choices: able, options: list(options).map(readControl) };
    }),
  };
}

export function readSaid(raw: unknown): Said[] {
  return list(raw).map((each) => {
    const { recipe, encoder, options, words } = record(each);
    return { recipe: text(recipe), encoder: text(encoder), options: record(options), words: record(words) as Said["words"] };
  });
}

/** The panels with their own bytes, copied: the buffer is somebody else's. */
export function readPanels(raw: unknown, bytes: Uint8Array<ArrayBuffer>): PanelSaid[] {
  return list(raw).map((each) => {
    const one = record(each);
    const count = (name: string) => number(one[name]) ?? 0;
    const [start, size, blank] = [count("start"), count("size"), count("blank")];
    return {
      place: count("place"), key: text(one.key), caption: text(one.caption), meaning: text(one.meaning), rows: count("rows"), cols: count("cols"),
      width: count("width"), height: count("height"), map: one.map === true, unit: text(one.unit), signed: one.signed === true,
      hatched: one.hatched === true, say: text(one.say), figure: text(one.figure) as PanelSaid["figure"], names: texts(one.names),
      moves: list(one.moves).map((move) => list(move).map((place) => number(place) ?? 0) as Move), data: bytes.slice(start, start + size),
      blank: blank ? bytes.slice(start + size, start + size + blank) : null,
    };
  });
}

export function readFacts(raw: unknown): Facts {
  const each = record(raw);
  return {
    problem: readProblem(record(each.problem)), loss: number(each.loss), psnr: number(each.psnr), ms: number(each.ms) ?? 0,
    terms: Object.entries(record(each.terms)).map(([name, value]) => [name, number(value)]),
    parameters: number(each.parameters) ?? 0, weights: text(each.weights), note: text(each.note), said: text(each.said),
    leaks: each.leaks === true, encoder: text(each.encoder), collapse: readCollapse(each.collapse),
  };
}

function readCollapse(raw: unknown): Collapse | null {
  const { rank, most, spread, content, codes, why } = record(raw);
  const [told, of] = list(codes).map(number);
  if (number(rank) === null) return null;
  return {
    rank: number(rank)!, most: number(most) ?? 0, spread: number(spread) ?? 0, content: number(content) ?? 0,
    codes: typeof told === "number" && typeof of === "number" ? [told, of] : null, why: texts(why),
  };
}

/** "loss 0.0385", "PSNR 20.2 dB" …: what is known of one side, in order. */
export function describeFacts(facts: Facts): string[] {
  const said: string[] = [];
  if (facts.loss !== null) said.push(`loss ${facts.loss.toPrecision(3)}`);
  for (const [name, value] of facts.terms) said.push(`of it ${name} ${value === null ? "not finite" : value.toPrecision(3)}`);
  if (facts.psnr !== null) said.push(`PSNR on hidden patches ${facts.psnr.toFixed(1)} dB`);
  if (facts.ms) said.push(`${facts.ms < 10 ? facts.ms.toFixed(1) : facts.ms.toFixed(0)} ms`);
  if (facts.parameters) said.push(`${(facts.parameters / 1e6).toPrecision(3)} M parameters`);
  return said;
}

/** Options with a control's new value; a word inside is {word, options}, its name left out where it is the default. */
export function withOption(options: Raw, { path, kind }: Pick<Control, "path" | "kind">, value: unknown): Raw {
  const [name, ...rest] = path as [string, ...string[]];
  if (!rest.length) return { ...options, [name]: kind === "word" ? { word: value, options: {} } : value };
  const word = record(options[name]);
  return { ...options, [name]: { ...word, options: withOption(record(word.options), { path: rest, kind }, value) } };
}

/** The patch of another grid that lies where this one does. */
export function sameplace(from: Grid, patch: { row: number; col: number } | null, to: Grid) {
  if (!patch) return null;
  return { row: Math.floor(((patch.row + 0.5) * to.rows) / from.rows), col: Math.floor(((patch.col + 0.5) * to.cols) / from.cols) };
}

/** Each value with those before it, the older the less: what the eye would draw through a noisy curve. */
export function smoothed(values: number[], keep = 0.9): number[] {
  let mean = 0;
  return values.map((value, i) => {
    mean = keep * mean + (1 - keep) * value;
    return mean / (1 - keep ** (i + 1));
  });
}
