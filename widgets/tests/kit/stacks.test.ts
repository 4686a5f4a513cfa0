import { expect, test } from "vitest";
import { across, find, patchOf, placeOf, readSides, saidOf } from "../../src/kit/stacks";

const flat = { heads: 2, front: 5, rows: 4, cols: 4, query_rows: 4, query_cols: 4 };
const [side] = readSides([{ name: "vit", parts: { encoder: { front: ["CLS", "reg 1"], rows: 4, cols: 4, layers: [flat, { ...flat, front: 0, query_rows: 2, query_cols: 2 }] } } }]);
const stack = side!.parts.encoder!;

test("tokens by name", () => {
  expect(find(stack, stack, 0, "reg 1")).toBe(1);
  expect(find(stack, stack, 0, "2,3")).toBe(5 + 11);
  expect(find(stack, stack, 0, "reg 9")).toBeNull();
  expect(find(stack, stack, 0, "4,0")).toBeNull();
  expect(find(stack, stack, 7, "CLS")).toBeNull();
});

test("a layer without front tokens, and one whose queries are pooled", () => {
  expect(find(stack, stack, 1, "CLS")).toBeNull();
  expect(find(stack, stack, 1, "3,1")).toBe(2);
});

test("in an attention pooling a learnt query looks, whichever token is asked for", () => {
  const [pooled] = readSides([{ name: "siglip", parts: { encoder: { front: [], rows: 4, cols: 4, layers: [{ ...flat, front: 0, query_rows: 1, query_cols: 1, pool: true }] } } }]);
  const encoder = pooled!.parts.encoder!;
  expect([find(encoder, encoder, 0, "3,3"), find(encoder, encoder, 0, "CLS")]).toEqual([0, 0]);
  expect(placeOf(encoder.layers[0]!, 0, "3,3", 1)).toBe("Attention pooling · from its learnt query");
  expect(placeOf(stack.layers[0]!, 0, "3,3", 2)).toBe("Layer 1 of 2 · from patch 4,4");
});

test("patches of another grid, and words for people", () => {
  expect(across({ rows: 2, cols: 2 }, { row: 1, col: 0 }, { rows: 6, cols: 6 })).toEqual({ row: 4, col: 1 });
  expect(across({ rows: 14, cols: 14 }, { row: 13, col: 13 }, { rows: 16, cols: 16 })).toEqual({ row: 15, col: 15 });
  expect([patchOf("3,5"), patchOf("CLS"), saidOf("3,5"), saidOf("CLS")]).toEqual([{ row: 3, col: 5 }, null, "patch 4,6", "CLS"]);
});

test("odd data is read as nothing, not thrown", () => {
  expect(readSides(undefined)).toEqual([]);
  expect(readSides([{ name: 3, parts: null }])).toEqual([{ name: "", parts: {} }]);
});
