/** What is knocked out: heads, each of one model, and tokens, of all. A value: every function returns a new one. */
import { type Raw, list, number, text } from "./read";

export interface Head {
  side: number;
  part: string;
  layer: number;
  head: number;
}
export interface Knockouts {
  heads: Head[];
  tokens: string[];
}

export const NOTHING: Knockouts = { heads: [], tokens: [] };

export function readKnockouts(raw: Raw | undefined): Knockouts {
  const heads = list(raw?.heads).map((each) => {
    const [side, part, layer, head] = list(each);
    return { side: number(side) ?? 0, part: text(part), layer: number(layer) ?? 0, head: number(head) ?? 0 };
  });
  return { heads, tokens: list(raw?.tokens).map(text) };
}

/** As Python reads it. */
export function writeKnockouts({ heads, tokens }: Knockouts): Raw {
  return { heads: heads.map(({ side, part, layer, head }) => [side, part, layer, head]), tokens };
}

export function hasHead({ heads }: Knockouts, head: Head): boolean {
  return heads.some((each) => same(each, head));
}

export function toggleHead(all: Knockouts, head: Head): Knockouts {
  const others = all.heads.filter((each) => !same(each, head));
  return { ...all, heads: others.length < all.heads.length ? others : [...all.heads, head] };
}

export function toggleToken(all: Knockouts, token: string): Knockouts {
  const others = all.tokens.filter((each) => each !== token);
  return { ...all, tokens: others.length < all.tokens.length ? others : [...all.tokens, token] };
}

export function isNothing({ heads, tokens }: Knockouts): boolean {
  return heads.length + tokens.length === 0;
}

export function describeKnockouts({ heads, tokens }: Knockouts): string {
  const some = (count: number, word: string) => (count ? [`${count} ${word}${count === 1 ? "" : "s"}`] : []);
  const parts = [...some(heads.length, "head"), ...some(tokens.length, "token")];
  return parts.length ? `${parts.join(" and ")} knocked out` : "";
}

const same = (a: Head, b: Head): boolean => a.side === b.side && a.part === b.part && a.layer === b.layer && a.head === b.head;
