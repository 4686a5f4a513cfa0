/** An explorer on a fake kernel: two layers of two heads on CLS and 2 x 2 patches, whose rows are known in closed form. */
import type { AttentionExplorerTraits } from "../../src/traits";
import widget from "../../src/views/attention_explorer";
import { Fake, bytes } from "../fake_model";

export const GRID = { rows: 2, cols: 2 };
const LAYERS = 2;
const HEADS = 2;
const TOKENS = 5;
const shape = { heads: HEADS, front: 1, rows: 2, cols: 2, query_rows: 2, query_cols: 2 };

/** Half to the CLS token, the rest to the patch that layer, head and query point at, a little to the others. */
export function rowOf(layer: number, head: number, query: number): number[] {
  const top = (layer + head + query) % 4;
  return [0.5, ...[0, 1, 2, 3].map((patch) => (patch === top ? 0.35 : 0.05))];
}

/** As Python's `encode`. */
export function encoded(rows: number[][][]): Uint8Array<ArrayBuffer> {
  const flat = rows.flat();
  const ranges = flat.map((row) => [Math.min(...row.slice(1)), Math.max(...row.slice(1)) - Math.min(...row.slice(1))] as const);
  const first = flat.map((row) => Math.round((row[0] ?? 0) * 65535) || 0);
  const codes = flat.flatMap((row, i) => row.slice(1).map((value) => Math.round(255 * Math.sqrt((value - ranges[i]![0]) / ranges[i]![1])) || 0));
  const all = [...new Uint8Array(Float32Array.from(ranges.flat()).buffer), ...new Uint8Array(Uint16Array.from(first).buffer), ...codes];
  return Uint8Array.from([...all, ...Array<number>((4 - (all.length % 4)) % 4).fill(0)]);
}

const view = (data: Uint8Array<ArrayBuffer>) => new DataView(data.buffer);
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

export function overview(query: number, sides = 1): DataView {
  const one = range(LAYERS).flatMap((layer) => [...encoded(range(HEADS).map((head) => [rowOf(layer, head, query)]))]);
  return view(Uint8Array.from(range(sides).flatMap(() => one)));
}

export function sheet(layer: number, sides = 1): DataView {
  const one = [...encoded(range(HEADS).map((head) => range(TOKENS).map((query) => rowOf(layer, head, query))))];
  return view(Uint8Array.from(range(sides).flatMap(() => one)));
}

export function exact(layer: number, query: number): DataView {
  return new DataView(Float32Array.from(range(HEADS).flatMap((head) => rowOf(layer, head, query))).buffer);
}

const stack = { front: ["CLS"], rows: 2, cols: 2, layers: range(LAYERS).map(() => shape) };
const what = { version: 0, part: "encoder" };

export class FakeExplorer extends Fake<AttentionExplorerTraits> {
  constructor(traits: Partial<AttentionExplorerTraits> = {}, sides = 1) {
    super({
      title: "Attention", height: 64, width: 64, original: bytes([1]), hidden: bytes([]), part: "encoder", layer: 1, query: "CLS",
      sides: range(sides).map((i) => ({ name: `vit ${i}`, parts: { encoder: stack, decoder: stack } })),
      edits: {}, version: 0, request: {}, problem: {},
      overview: overview(0, sides), overview_info: { ...what, query: "CLS" },
      exact: exact(1, 0), exact_info: { ...what, layer: 1, query: "CLS" },
      sheet: bytes([]), sheet_info: {},
      statistics: new DataView(Float32Array.from([1, 2, 9, 8, 3, 4, 7, 6]).buffer),
      statistics_info: { ...what, names: ["entropy", "distance"] },
      report: {
        ...what, ms: 8, models: [{ name: "vit 0", device: "cpu" }], losses: [{}],
        classes: [[{ name: "cat", p: 0.7, before: 0.9, logit: 3 }]],
        certificate: { exact: true, error: 1e-7, scale: 2, name: "blocks.0.attn", layers: 2 },
      },
      ...traits,
    });
  }
}

const opened: (() => void)[] = [];

/** After a test: what it has mounted must not draw during the next. */
export const closeAll = (): void => opened.splice(0).forEach((close) => close());

export function mountExplorer(traits: Partial<AttentionExplorerTraits> = {}, model = new FakeExplorer(traits)) {
  const host = new AbortController();
  const el = document.createElement("div");
  document.body.append(el);
  const close = widget.render({ model, el, signal: host.signal } as unknown as Parameters<typeof widget.render>[0]);
  opened.push(close);
  const find = <T extends HTMLElement>(selector: string) => el.querySelector(selector) as T;
  const all = (selector: string) => [...el.querySelectorAll<HTMLElement>(selector)];
  const boxed = () => {
    for (const frame of all("[data-frame]")) frame.getBoundingClientRect = () => ({ left: 0, top: 0, width: 80, height: 80 }) as DOMRect;
  };
  /** Patch (row, col) of a frame: move there, or click. */
  const at = (type: string, frame: string, row: number, col: number, more: MouseEventInit = {}) => {
    boxed();
    find(`[data-frame="${frame}"]`).dispatchEvent(new PointerEvent(type, { clientX: 40 * col + 20, clientY: 40 * row + 20, bubbles: true, ...more }));
  };
  const press = (key: string, frame = "query") => {
    find(`[data-frame="${frame}"]`).focus();
    find(`[data-frame="${frame}"]`).dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  };
  const click = (action: string) => find(`[data-action="${action}"]`).click();
  const shown = () => all(".mv-heat").filter((panel) => !panel.hidden);
  return { host, model, el, close, find, all, at, press, click, shown };
}
