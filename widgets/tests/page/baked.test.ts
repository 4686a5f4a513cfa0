import { expect, test, vi } from "vitest";
import { BakedModel, type Group, type Said } from "../../src/page/baked";
import { fromBase64, revive, unpack } from "../../src/page/unpack";

const now = (work: () => void) => void work();
const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

function made(groups: Group[], state: Record<string, unknown> = {}, free: string[] = []): BakedModel {
  const said: Said = { state: { moment: -1, problem: {}, ...state }, free, groups };
  return new BakedModel(said, now);
}

const moments: Group = { on: ["moment"], by: ["moment"], answers: [[[-1], [{ frame: "live" }]], [[10], [{ frame: "ten" }]]] };

test("a question that Python was asked is answered, all traits before the first event", async () => {
  const model = made([moments], { frame: "live" });
  const seen: unknown[] = [];
  model.on("change:frame", () => seen.push([model.get("frame"), model.get("moment")]));
  model.set("moment", 10);
  model.save_changes();
  await settle();
  expect(seen).toEqual([["ten", 10]]);
});

test("another question goes back, with a word why; what follows it is answered again", async () => {
  const model = made([moments]);
  model.set("moment", 7);
  model.save_changes();
  await settle();
  expect(model.get("moment")).toBe(-1);
  expect(model.get("problem")).toMatchObject({ kind: "blank", title: "This needs the kernel" });
  model.set("moment", 10);
  model.save_changes();
  await settle();
  expect(model.get("problem")).toEqual({});
});

test("a number between those asked goes to the next one, and what was painted stays", async () => {
  const draw: Group = { on: ["draw"], by: ["kind", "ratio"], nearest: ["ratio"], answers: [[["random", 0.5], [{ hidden: "half", ratio: 0.5 }]], [["random", 0.9], [{ hidden: "most", ratio: 0.9 }]]] };
  const paint: Group = { on: ["hidden"], by: ["hidden"], keep: true, answers: [[["half"], [{ picture: "of half" }]]], otherwise: { title: "no", text: "answer" } };
  const model = made([draw, paint], { draw: 0, kind: "random", ratio: 0.6, hidden: "", picture: "" }, ["kind", "ratio"]);
  model.set("draw", 1);
  model.save_changes();
  await settle();
  expect([model.get("hidden"), model.get("ratio"), model.get("picture")]).toEqual(["half", 0.5, "of half"]); // one answer asks the next
  model.set("hidden", "painted");
  model.save_changes();
  await settle();
  expect([model.get("hidden"), (model.get("problem") as { title: string }).title]).toEqual(["painted", "no"]);
});

test("free traits need no answer, others do", async () => {
  const model = made([], { title: "a", stopped: false }, ["title"]);
  model.set("title", "b");
  model.set("stopped", true);
  model.save_changes();
  await settle();
  expect([model.get("title"), model.get("stopped")]).toEqual(["b", false]);
});

test("layers of an explorer come one by one, a report belongs to the present stroke", async () => {
  const layers: Group = { on: ["request"], by: ["request"], answers: [[["encoder", 0, ""], [{ sheet: "0" }]], [["encoder", 1, ""], [{ sheet: "1", report: { stroke: 0 } }]]] };
  const model = made([layers], { request: {}, layer: 1, sheet: "", stroke: 5, report: {} });
  const sheets: unknown[] = [];
  model.on("change:sheet", () => sheets.push(model.get("sheet")));
  model.set("request", { serial: 1, part: "encoder", layers: [0, 1], row: "" });
  model.save_changes();
  await settle();
  expect(sheets).toEqual(["0", "1"]);
  expect(model.get("report")).toEqual({ stroke: 5 });
});

test("listeners go one by one, by event, or all", () => {
  const model = made([]);
  const [one, two] = [vi.fn(), vi.fn()];
  model.on("change:a change:b", one);
  model.on("change", two);
  model.put({ a: 1 });
  model.off("change:a", one);
  model.put({ a: 2, b: 1 });
  expect([one.mock.calls.length, two.mock.calls.length]).toEqual([2, 3]);
  model.off();
  model.put({ b: 2 });
  expect(one).toHaveBeenCalledTimes(2);
});

test("what a page carries comes out as it went in", async () => {
  const header = new TextEncoder().encode(JSON.stringify({ title: "</script>", data: [{ $bytes: [1, 2] }] }));
  const size = new Uint8Array(new Uint32Array([header.length]).buffer);
  const zipped = new Blob([size, header, Uint8Array.of(9, 8, 7)]).stream().pipeThrough(new CompressionStream("gzip"));
  const text = Buffer.from(await new Response(zipped).arrayBuffer()).toString("base64");
  const pack = await unpack(text);
  const told = revive(pack.header, pack.bytes) as { title: string; data: DataView[] };
  expect(told.title).toBe("</script>");
  expect([told.data[0]!.getUint8(0), told.data[0]!.getUint8(1), told.data[0]!.buffer.byteLength]).toEqual([8, 7, 2]);
  expect([...fromBase64("AQI=\n")]).toEqual([1, 2]);
});
