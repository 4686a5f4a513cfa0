/** What a gallery of a dataset is told, and the filters that a person puts together. */
import { list, number, record, text } from "./read";

export interface Column {
  name: string;
  kind: "number" | "class";
  min: number;
  max: number;
  values: [number, string][];
}

export interface Item {
  row: number;
  name: string;
  label: string;
  told: string;
  error: string;
  bytes: Uint8Array<ArrayBuffer>;
}

export interface Found {
  count: number;
  of: number;
  page: number;
  pages: number;
  broken: number;
  items: Item[];
}

export type Filters = Record<string, unknown>;

export function readColumns(raw: unknown): Column[] {
  return list(raw).map((each) => {
    const { name, kind, min, max, values } = record(each);
    const pairs = list(values).map((pair): [number, string] => [number(list(pair)[0]) ?? 0, text(list(pair)[1])]);
    return { name: text(name), kind: kind === "class" ? "class" : "number", min: number(min) ?? 0, max: number(max) ?? 0, values: pairs };
  });
}

/** The thumbnails lie one behind the other, in the order of the items. */
export function readFound(raw: unknown, data: Uint8Array<ArrayBuffer>): Found {
  const { count, of, page, pages, broken, items } = record(raw);
  let at = 0;
  const read = list(items).map((each) => {
    const { row, name, label, told, error, size } = record(each);
    const bytes = data.subarray(at, (at += number(size) ?? 0));
    return { row: number(row) ?? -1, name: text(name), label: text(label), told: text(told), error: text(error), bytes };
  });
  return { count: number(count) ?? 0, of: number(of) ?? 0, page: number(page) ?? 0, pages: number(pages) ?? 1, broken: number(broken) ?? 0, items: read };
}

/** The same filters with one column's changed; without bounds or values it goes. */
export function withFilter(filters: Filters, name: string, wanted: unknown[] | null): Filters {
  const { [name]: _, ...others } = filters;
  const kept = wanted?.some((each) => each !== null) ? wanted : null;
  return kept ? { ...others, [name]: kept } : others;
}

/** "loss ≥ 2", "0.1 ≤ loss ≤ 2", "label: fox, owl". */
export function sayFilter(column: Column, wanted: unknown[]): string {
  if (column.kind === "class") {
    const names = wanted.map((value) => column.values.find(([code]) => code === value)?.[1] ?? String(value));
    return `${column.name}: ${names.slice(0, 3).join(", ")}${names.length > 3 ? ` and ${names.length - 3} more` : ""}`;
  }
  const [least, most] = [number(wanted[0]), number(wanted[1])].map((each) => (each === null ? null : Number(each.toPrecision(4))));
  if (least === null) return `${column.name} ≤ ${most}`;
  return most === null ? `${column.name} ≥ ${least}` : `${least} ≤ ${column.name} ≤ ${most}`;
}

export const saysCount = ({ count, of, broken }: Found): string => {
  const n = (value: number) => value.toLocaleString("en");
  const some = count === of ? `${n(of)} pictures` : `${n(count)} of ${n(of)} pictures`;
  return broken ? `${some}, ${n(broken)} broken` : some;
};
