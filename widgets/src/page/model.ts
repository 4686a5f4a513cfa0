/** The model in the page: ONNX Runtime Web, one thread of WebAssembly, from bytes that came with the page. */
import * as ort from "onnxruntime-web/wasm";
import type { Raw } from "../kit/read";
import { attending } from "./attending";
import type { BakedModel, Live } from "./baked";
import { painting } from "./painting";
import { fromBase64, gunzip } from "./unpack";

export type Text = (id: string) => string;
export type Run = (inputs: Record<string, ort.Tensor>) => Promise<Record<string, ort.Tensor>>;

let runtime: Promise<void> | null = null;

/** Once a page: the runtime's binary. */
async function wake(text: Text): Promise<void> {
  ort.env.wasm.numThreads = 1; // more would need a page with headers of its own
  ort.env.wasm.proxy = false;
  ort.env.logLevel = "error";
  ort.env.wasm.wasmBinary = await gunzip(fromBase64(text("mimviz-runtime")));
}

async function session(block: string, text: Text): Promise<ort.InferenceSession> {
  await (runtime ??= wake(text));
  return ort.InferenceSession.create(await gunzip(fromBase64(text(block))), { executionProviders: ["wasm"], graphOptimizationLevel: "all", logSeverityLevel: 3 });
}

/** What answers in the place of the kernel. The model is unpacked as soon as the widget is on the page. */
export function think(brain: Raw, text: Text, model: BakedModel): Live {
  const begun = session(String(brain.block), text);
  const run: Run = async (inputs) => (await begun).run(inputs) as Promise<Record<string, ort.Tensor>>;
  return brain.kind === "attention" ? attending(brain, run, model) : painting(brain, run, model);
}
