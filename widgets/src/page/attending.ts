/** A ViT that answers an explorer: knocked-out heads and tokens, from one run of its graph. */
import { Tensor } from "onnxruntime-web/wasm";
import { readKnockouts } from "../kit/knockouts";
import { type Raw, list, record, text } from "../kit/read";
import { patchOf } from "../kit/stacks";
import type { BakedModel, Live } from "./baked";
import type { Run } from "./model";

const TOP = 5; // classes shown
const ASKS = ["edits", "request", "query", "layer"];

interface Known {
  version: number;
  maps: Float32Array; // layers × heads × tokens × tokens
  logits: Float32Array;
  ms: number;
}

export function attending(brain: Raw, run: Run, model: BakedModel): Live {
  const [layers, heads, count] = brain.sizes as [number, number, number];
  const front = list(brain.front).map(text);
  const cols = Number(brain.cols);
  const images = new Tensor("float32", new Float32Array((brain.images as DataView).buffer), brain.shape as number[]);
  const untouched = new Float32Array((brain.logits as DataView).buffer);
  const names = list(brain.names).map(text);
  let known: Known | null = null;
  let newest = 0;
  let busy: Promise<unknown> = Promise.resolve();

  const find = (token: string): number => {
    const patch = patchOf(token);
    return patch ? front.length + patch.row * cols + patch.col : front.indexOf(token);
  };
  const row = (maps: Float32Array, layer: number, head: number, query: number) => {
    const start = ((layer * heads + head) * count + query) * count;
    return maps.subarray(start, start + count);
  };
  const sheet = ({ maps, version }: Known, layer: number): Raw => {
    const rows = Array.from({ length: heads * count }, (_, i) => row(maps, layer, Math.floor(i / count), i % count));
    return { sheet: encode(rows, front.length), sheet_info: { version, part: "encoder", layer, row: "" } };
  };
  const shown = (now: Known): Raw => {
    const query = text(model.get("query"));
    const layer = Number(model.get("layer"));
    const at = find(query);
    const ofLayer = (each: number) => Array.from({ length: heads }, (_, head) => row(now.maps, each, head, at));
    const overview = join(Array.from({ length: layers }, (_, each) => encode(ofLayer(each), front.length)));
    const exact = Float32Array.from(ofLayer(layer).flatMap((each) => [...each]));
    const report = record(model.get("report"));
    const what = { version: now.version, part: "encoder" };
    return {
      version: now.version, overview, overview_info: { ...what, query }, exact: new DataView(exact.buffer), exact_info: { ...what, layer, query },
      report: { ...report, ...what, models: list(report.models).map((each) => ({ ...record(each), device: "this browser" })), ms: now.ms, classes: [classes(now.logits, untouched, names)], certificate: {} },
    };
  };

  const pass = async (mine: number): Promise<Raw | null> => {
    await busy;
    if (mine !== newest) return null; // somebody knocked out more meanwhile
    const edits = readKnockouts(model.get("edits") as Raw);
    const [gates, keys] = [new Float32Array(layers * heads).fill(1), new Float32Array(count).fill(1)];
    for (const { layer, head } of edits.heads) gates[layer * heads + head] = 0;
    for (const token of edits.tokens) keys[find(token)] = 0;
    const began = performance.now();
    const made = run({ images, heads: new Tensor("float32", gates, [layers, heads]), tokens: new Tensor("float32", keys, [count]) });
    busy = made.catch(() => undefined);
    const { maps, logits } = await made;
    known = { version: Number(model.get("version")) + 1, maps: maps!.data as Float32Array, logits: logits!.data as Float32Array, ms: performance.now() - began };
    return shown(known);
  };

  return (asked) => {
    if (!asked.some((name) => ASKS.includes(name))) return null;
    if (asked.includes("edits")) {
      return pass(++newest).catch((reason: unknown) => ({ problem: { kind: "error", title: "The model failed", text: reason instanceof Error ? reason.message : String(reason), hint: "Undo the last change." } }));
    }
    const now = known;
    if (!now) return null; // nothing was knocked out yet: what Python said holds
    if (!asked.includes("request")) return Promise.resolve(shown(now));
    for (const layer of list((model.get("request") as Raw).layers)) model.put(sheet(now, Number(layer)));
    return Promise.resolve({});
  };
}

/** As Python's `attention_bytes.encode`: ranges, tokens in front, patches; padded to four bytes. */
export function encode(rows: Float32Array[], front: number): DataView {
  const patches = (rows[0]?.length ?? 0) - front;
  const size = rows.length * (8 + 2 * front + patches);
  const view = new DataView(new ArrayBuffer(size + ((4 - (size % 4)) % 4)));
  const codes = rows.length * (8 + 2 * front);
  rows.forEach((row, i) => {
    const own = row.subarray(front);
    const [low, high] = own.reduce(([least, most], each) => [Math.min(least, each), Math.max(most, each)], [Infinity, -Infinity]);
    const spread = high - low;
    view.setFloat32(8 * i, low, true);
    view.setFloat32(8 * i + 4, spread, true);
    for (let k = 0; k < front; k++) view.setUint16(8 * rows.length + 2 * (i * front + k), Math.round(65535 * row[k]!), true);
    own.forEach((each, k) => view.setUint8(codes + i * patches + k, spread > 0 ? Math.round(255 * Math.sqrt((each - low) / spread)) : 0));
  });
  return view;
}

function join(views: DataView[]): DataView {
  const all = new Uint8Array(views.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const view of views) {
    all.set(new Uint8Array(view.buffer), at);
    at += view.byteLength;
  }
  return new DataView(all.buffer);
}

function softmax(logits: Float32Array): Float32Array {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const raised = logits.map((each) => Math.exp(each - most));
  const sum = raised.reduce((a, b) => a + b, 0);
  return raised.map((each) => each / sum);
}

/** The largest classes, and the one that was, with what knocking out has made of them. */
function classes(logits: Float32Array, untouched: Float32Array, names: string[]): Raw[] {
  const [now, before] = [softmax(logits), softmax(untouched)];
  const order = [...now.keys()].sort((a, b) => now[b]! - now[a]!).slice(0, TOP);
  const was = before.indexOf(Math.max(...before));
  return [...new Set([...order, ...(was >= 0 ? [was] : [])])].map((i) => ({ name: names[i] ?? `class ${i}`, p: now[i], before: before[i], logit: logits[i] }));
}
