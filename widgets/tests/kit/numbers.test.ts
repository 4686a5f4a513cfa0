import { expect, test } from "vitest";
import { colourOf, css, paintNumbers } from "../../src/kit/numbers";

const lightness = ([r, g, b]: number[]) => 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
const apart = (a: number[], b: number[]) => Math.hypot(...a.map((value, i) => value - b[i]!));

test("neighbouring numbers have colours that lie far apart, also in lightness", () => {
  for (let i = 0; i < 200; i++) {
    const [a, b] = [colourOf(i, false)!, colourOf(i + 1, false)!];
    expect(apart(a, b)).toBeGreaterThan(60);
    expect(Math.abs(lightness(a) - lightness(b))).toBeGreaterThan(12);
    expect(a.every((value) => value >= 0 && value <= 255 && Number.isInteger(value))).toBe(true);
  }
  expect(new Set(Array.from({ length: 64 }, (_, i) => css(colourOf(i, false)))).size).toBe(64);
});

test("nothing is painted where there is no number, or where the name is none", () => {
  const grid = { rows: 1, cols: 3 };
  const codes = paintNumbers(Float32Array.from([0, NaN, 2]), grid, false);
  expect([3, 7, 11].map((i) => codes.data[i])).toEqual([255, 0, 255]);
  const named = paintNumbers(Float32Array.from([0, 1, 2]), grid, true);
  expect([3, 7, 11].map((i) => named.data[i])).toEqual([0, 255, 255]);
  expect([...named.data.slice(4, 7)]).toEqual(colourOf(1, true));
  expect([css(null), css([1, 2, 3])]).toEqual(["transparent", "rgb(1 2 3)"]);
});
