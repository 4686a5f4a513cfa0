import { expect, test } from "vitest";
import { colourMap } from "../../src/kit/colours";
import { type Pixels, colourize, compose, meanColour, rangeOf, valueAt } from "../../src/kit/compose";

const grid = { rows: 1, cols: 2 };
const flat = (width: number, height: number, value: number): Pixels => {
  return { width, height, data: new Uint8ClampedArray(4 * width * height).fill(value) };
};
const reds = (pixels: Pixels) => Array.from({ length: pixels.width * pixels.height }, (_, i) => pixels.data[4 * i]);

test("hidden patches come from the picture under, visible ones from the original", () => {
  const original = flat(4, 2, 10);
  expect(reds(compose(original, flat(4, 2, 200), Uint8Array.of(0, 1), grid))).toEqual([10, 10, 200, 200, 10, 10, 200, 200]);
  expect(reds(compose(original, null, Uint8Array.of(1, 0), grid))).toEqual([128, 128, 10, 10, 128, 128, 10, 10]);
  expect(reds(original)).toEqual(Array(8).fill(10));
});

test("a picture of another size is not stretched: grey until the right one comes", () => {
  expect(reds(compose(flat(4, 2, 10), flat(2, 2, 200), Uint8Array.of(1, 1), grid))).toEqual(Array(8).fill(128));
});

test("the mean colour of one patch", () => {
  const pixels = flat(4, 2, 0);
  for (const i of [2, 3, 6, 7]) pixels.data.set([255, 51, 0, 255], 4 * i);
  expect(meanColour(pixels, grid, { row: 0, col: 1 })).toEqual([1, expect.closeTo(0.2), 0]);
  expect(meanColour(pixels, grid, { row: 0, col: 0 })).toEqual([0, 0, 0]);
});

test("values become colours between their true minimum and maximum", () => {
  const values = Float32Array.of(0.25, 0.75);
  const range = rangeOf(values)!;
  expect(range).toEqual({ min: 0.25, max: 0.75 });
  const { data, width, height } = colourize(values, grid, colourMap("grey"), range);
  expect([width, height]).toEqual([2, 1]);
  expect([...data]).toEqual([0, 0, 0, 255, 255, 255, 255, 255]);
  expect(valueAt(values, grid, { row: 0, col: 1 })).toBe(0.75);
});

test("constant, missing and endless values", () => {
  expect(rangeOf(new Float32Array(0))).toBeNull();
  expect(rangeOf(Float32Array.of(NaN, 2, Infinity))).toEqual({ min: 2, max: 2 });
  const { data } = colourize(Float32Array.of(NaN, 2), grid, colourMap("magma"), { min: 2, max: 2 });
  expect([data[3], data[7]]).toEqual([0, 255]);
});
