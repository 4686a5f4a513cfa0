import { describe, expect, test } from "vitest";
import { count, equal, fill, fromPixels, fromRle, grow, invert, looksLikeRle, paint, shrink, toRle } from "../../src/kit/mask";

const square = { rows: 8, cols: 8 };
const wide = { rows: 3, cols: 5 };

/** The same pseudo-random mask that Python was asked about. */
function drawn(n: number, seed: number): Uint8Array {
  let s = seed;
  return Uint8Array.from({ length: n }, () => ((s = (s * 16807) % 2147483647) / 2147483647 < 0.6 ? 1 : 0));
}

describe("the same answers as mimviz.Mask", () => {
  const first = drawn(64, 1);
  const second = drawn(15, 7);
  test("run lengths", () => {
    expect(toRle(first, square)).toBe("8x8:0 2 1 4 3 2 1 3 1 4 1 1 2 2 1 1 3 2 1 1 3 2 4 1 2 2 1 6 2 1 1 3");
    expect(toRle(second, wide)).toBe("3x5:0 1 1 2 1 2 2 1 3 2");
  });
  test("grow", () => {
    expect(toRle(grow(first, square), square)).toBe("8x8:0 42 1 21");
    expect(toRle(grow(second, wide), wide)).toBe("3x5:0 15");
  });
  test("shrink", () => {
    expect(toRle(shrink(first, square), square)).toBe("8x8:5 1 8 1 3 1 29 1 4 1 8 2");
    expect(toRle(shrink(second, wide), wide)).toBe("3x5:14 1");
  });
});

describe("run lengths", () => {
  test("begin with the visible patches", () => {
    expect(toRle(paint(fill(square, 0), [5, 6, 7], 1), square)).toBe("8x8:5 3 56");
    expect(toRle(fill(square, 0), square)).toBe("8x8:64");
    expect(toRle(fill(square, 1), square)).toBe("8x8:0 64");
  });
  test("come back as they were", () => {
    for (let seed = 1; seed < 50; seed++) {
      const mask = drawn(15, seed * 7919);
      expect(fromRle(toRle(mask, wide), wide)).toEqual(mask);
    }
    expect(count(fromRle(" 8 X 8 : 5  3\n56 ", square))).toBe(3);
  });
  test("of another grid, cut or no mask at all are refused in words", () => {
    expect(() => fromRle("7x7:49", square)).toThrow("mask has 7 x 7 patches, but this model's grid is 8 x 8: the mask was made for another model");
    expect(() => fromRle("8x8:5 3", square)).toThrow("mask text speaks of 8 patches in runs, but 8 x 8 makes 64");
    expect(() => fromRle("hello", square)).toThrow('mask text "hello" is not of the form "8x8:5 3 56"');
    expect(() => fromRle("8x8:5 -3 62", square)).toThrow("is not of the form");
    expect(looksLikeRle(" 8x8:1 2")).toBe(true);
    expect(looksLikeRle("import mimviz")).toBe(false);
  });
});

test("masks from the pixels of a picture", () => {
  const pixels = new Uint8ClampedArray([0, 0, 0, 255, 255, 255, 255, 255, 127, 127, 127, 255, 128, 128, 128, 255]);
  expect([...fromPixels(pixels, 2, 2, { rows: 2, cols: 2 })]).toEqual([0, 1, 0, 1]);
  expect(() => fromPixels(pixels, 2, 2, square)).toThrow("mask has 2 x 2 patches, but this model's grid is 8 x 8");
});

test("small operations leave their argument alone", () => {
  const mask = Uint8Array.of(1, 0, 0);
  expect([...invert(mask)]).toEqual([0, 1, 1]);
  expect([...paint(mask, [2], 1)]).toEqual([1, 0, 1]);
  expect([...mask]).toEqual([1, 0, 0]);
  expect(equal(mask, Uint8Array.of(1, 0, 0))).toBe(true);
  expect(equal(mask, Uint8Array.of(1, 0))).toBe(false);
});

test("growing does not leak round the edge of a row", () => {
  expect([...grow(paint(fill(wide, 0), [4], 1), wide)]).toEqual([0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
  expect([...shrink(fill(wide, 1), wide)]).toEqual([...fill(wide, 1)]);
});
