import { expect, test } from "vitest";
import { type Move, eased, flying, lyingAt } from "../../src/kit/jigsaw";

/** 2 × 2 patches of 2 × 2 pixels; patch i has red 10 · (i + 1). */
const grid = { rows: 2, cols: 2 };
const picture = { width: 4, height: 4, data: new Uint8ClampedArray(64) };
for (let y = 0; y < 4; y++) for (let x = 0; x < 4; x++) picture.data.set([10 * (2 * (y >> 1) + (x >> 1) + 1), 0, 0, 255], 4 * (4 * y + x));
const moves: Move[] = [[0, 3, 0], [3, 0, 1], [1, 1, 3]]; // patch 2 kept its place
const reds = ({ data }: typeof picture) => [0, 2, 8, 10].map((i) => data[4 * i]);

test("at each stage every patch lies whole on its place, and who was not asked does not move", () => {
  const at = (stage: "lies" | "put" | "home") => reds(flying(picture, grid, moves, stage, stage, 1) as typeof picture);
  expect(at("lies")).toEqual([40, 20, 30, 10]);
  expect(at("put")).toEqual([10, 40, 30, 20]);
  expect(at("home")).toEqual([10, 20, 30, 40]);
  expect(picture.data[0]).toBe(10); // the picture itself is left alone
});

test("on the way it is between the two places, and what it left is grey", () => {
  const half = flying(picture, grid, [[0, 0, 1]], "lies", "put", 0.5) as typeof picture;
  expect([0, 1, 2, 3].map((x) => half.data[4 * x])).toEqual([128, 10, 10, 20]);
  expect(reds(flying(picture, grid, [[0, 0, 1]], "lies", "put", 1) as typeof picture)[1]).toBe(10);
});

test("what was not seen is grey, and a patch may lie on it", () => {
  expect(reds(flying(picture, grid, [[0, 0, 2]], "put", "put", 1, Uint8Array.from([0, 0, 1, 1])) as typeof picture)).toEqual([128, 20, 10, 128]);
});

test("who lies where", () => {
  expect(lyingAt(moves, 0, "lies")).toBe(3);
  expect(lyingAt(moves, 1, "put")).toBe(3);
  expect(lyingAt(moves, 2, "put")).toBeNull();
});

test("slow, fast, slow", () => {
  expect([0, 0.5, 1].map(eased)).toEqual([0, 0.5, 1]);
  expect(eased(0.1)).toBeLessThan(0.1);
  expect(eased(0.9)).toBeGreaterThan(0.9);
});
