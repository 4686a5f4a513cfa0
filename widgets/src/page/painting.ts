/** A masked model that answers a painter: the same numbers as Python's Outcome, from one run of its graph. */
import { Tensor } from "onnxruntime-web/wasm";
import { asBytes } from "../kit/binary";
import { type Raw, record } from "../kit/read";
import type { BakedModel, Live } from "./baked";
import type { Run } from "./model";

const BLANK = [
  { kind: "blank", title: "Nothing is hidden", text: "The model sees the whole picture: nothing to fill in.", hint: "Paint over a few patches." },
  { kind: "blank", title: "Everything is hidden", text: "The model sees no patch at all: nothing to go by.", hint: "Uncover at least one patch." },
];
const ASKS = ["hidden", "stroke", "dragging", "statistics"];

export function painting(brain: Raw, run: Run, model: BakedModel): Live {
  const shape = brain.shape as number[];
  const images = new Tensor("float32", new Float32Array((brain.images as DataView).buffer), shape);
  let newest = 0;
  let runs = 0;
  let busy: Promise<unknown> = Promise.resolve();

  const answer = async (mine: number): Promise<Raw | null> => {
    await busy;
    if (mine !== newest) return null; // the hand has moved on
    const hidden = asBytes(model.get("hidden") as DataView).slice();
    const exact = model.get("dragging") !== true;
    const kept = [...hidden.keys()].filter((i) => !hidden[i]);
    const report = { ...record(brain.report), stroke: 0, exact, hidden: hidden.length - kept.length, events: newest, runs };
    if (!kept.length || kept.length === hidden.length) {
      const nothing = new DataView(new ArrayBuffer(0));
      return { picture: nothing, error: nothing, problem: BLANK[kept.length ? 0 : 1], report: { ...report, loss: null, psnr: null, ms: 0 } };
    }
    const began = performance.now();
    const ids = new Tensor("int64", BigInt64Array.from(kept, BigInt), [1, kept.length]);
    const made = run({ images, ids });
    busy = made.catch(() => undefined);
    const { picture, error, loss } = await made;
    const errors = error!.data as Float32Array;
    const squared = errors.reduce((sum, each) => sum + each * each, 0) / (hidden.length - kept.length); // 0 where visible
    const pixels = Uint8Array.from(picture!.data as Float32Array, (value) => Math.round(255 * value));
    runs++;
    return {
      picture: new DataView(pixels.buffer), error: new DataView(errors.slice().buffer),
      report: { ...report, runs, loss: (loss!.data as Float32Array)[0], psnr: squared ? -10 * Math.log10(squared) : null, ms: performance.now() - began },
    };
  };

  return (names) => {
    if (!names.some((name) => ASKS.includes(name))) return null;
    const mine = ++newest;
    return answer(mine).catch((reason: unknown) => {
      const text = reason instanceof Error ? reason.message : String(reason);
      return { problem: { kind: "error", title: "The model failed on this mask", text, hint: "Your mask is kept: paint on to try again." } };
    });
  };
}
