import { describe, expect, test } from "vitest";
import { Sheet, combine, exactRow, halfStep, massSet, split, weight } from "../../src/kit/sheet";
import { bytesOf } from "../../src/kit/stacks";
import { encoded, rowOf } from "../views/explore";

const shape = { heads: 2, front: 1, rows: 2, cols: 2, queries: { rows: 2, cols: 2 } };
const rows = [0, 1].map((head) => [0, 1, 2, 3, 4].map((query) => rowOf(0, head, query)));

describe("rows from bytes", () => {
  test("each comes back within the error that is stated", () => {
    const sheet = new Sheet(encoded(rows), shape, 5);
    for (const head of [0, 1]) {
      for (const query of [0, 1, 2, 3, 4]) {
        const { patches, front, exact } = sheet.row(head, query)!;
        expect(exact).toBe(false);
        expect(Math.abs(front[0]! - 0.5)).toBeLessThan(1 / 131070 + 1e-7);
        patches.forEach((value, i) => expect(Math.abs(value - rows[head]![query]![i + 1]!)).toBeLessThanOrEqual(halfStep(value, { min: 0.05, max: 0.35 }) + 1e-7));
      }
    }
  });

  test("a row that does not exist is null, and so is one behind the last", () => {
    const sheet = new Sheet(encoded([[[0.5, NaN, NaN, NaN, NaN]], [rowOf(0, 0, 0)]]), shape, 1);
    expect(sheet.row(0, 0)).toBeNull();
    expect(sheet.row(1, 0)).not.toBeNull();
    expect(sheet.row(1, 1)).toBeNull();
  });

  test("sheets lie one behind the other, and a model without the layer has none", () => {
    const bytes = encoded(rows);
    expect(bytes.length).toBe(bytesOf(shape, 5));
    const [first, none, second] = split(Uint8Array.from([...bytes, ...bytes]), [shape, null, shape], () => 5);
    expect(none).toBeNull();
    expect(second!.row(1, 3)).toEqual(first!.row(1, 3));
  });

  test("exact rows", () => {
    const floats = Float32Array.from([...rowOf(0, 0, 2), ...rowOf(0, 1, 2)]);
    expect([...exactRow(floats, shape, 1)!.patches].map((value) => value.toFixed(2))).toEqual(["0.05", "0.05", "0.05", "0.35"]);
    expect(exactRow(Float32Array.from([0.5, NaN, NaN, NaN, NaN]), shape, 0)).toBeNull();
    expect(exactRow(floats, shape, 2)).toBeNull();
  });
});

test("the error is finest where attention is small", () => {
  const range = { min: 0.1, max: 0.45 };
  expect(halfStep(0.45, range)).toBeCloseTo((0.35 * 255.25) / 65025, 12);
  expect(halfStep(0.101, range)).toBeLessThan(0.1 * halfStep(0.45, range));
  expect(halfStep(0, { min: 0, max: 0 })).toBe(0);
});

test("mean and maximum over heads", () => {
  const row = (...patches: number[]) => ({ patches: Float32Array.from(patches), front: new Float32Array(0), exact: true });
  expect([...combine([row(0, 1), row(1, 0.5)], "mean")!.patches]).toEqual([0.5, 0.75]);
  expect([...combine([row(0, 1), row(1, 0.5)], "max")!.patches]).toEqual([1, 1]);
  expect(combine([row(1), { ...row(1), exact: false }], "max")!.exact).toBe(false);
  expect(combine([], "mean")).toBeNull();
});

test("the fewest patches that hold a share of the mass", () => {
  const values = Float32Array.from([0.1, 0.4, 0.2, 0.3]);
  expect(massSet(values, 0.4)).toEqual([1]);
  expect(massSet(values, 0.41)).toEqual([1, 3]);
  expect(massSet(values, 1)).toEqual([1, 3, 2, 0]);
  expect(massSet(values, 0)).toEqual([]);
  expect(massSet(new Float32Array(4), 0.5)).toEqual([]);
});

test("weights in few letters", () => {
  expect([0, 0.5, 0.01234, 0.00042].map(weight)).toEqual(["0", "0.500", "0.0123", "4.2e−4"]);
});
