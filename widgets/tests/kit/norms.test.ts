import { describe, expect, test } from "vitest";
import { points, readCurve } from "../../src/kit/curve";
import { patchOf, plural, readTold, sayToken } from "../../src/kit/inspection";
import { above, axisOf, beside, brief, histogram, inBox, layerOf, normAt, placeOf, readModes } from "../../src/kit/norms";
import type { RegisterInspectorTraits } from "../../src/traits";

describe("norms", () => {
  test("layers lie one behind the other, each with its prefix", () => {
    const all = Float32Array.from([9, 1, 2, 8, 3, 4]);
    expect([...layerOf(all, 0, 2, 1)]).toEqual([1, 2]);
    expect([...layerOf(all, 1, 2, 1)]).toEqual([3, 4]);
    expect(layerOf(all, 2, 2, 1)).toHaveLength(0);
  });

  test("what is above the threshold is an outlier, what equals it is not", () => {
    expect(above(Float32Array.from([1, 5, 3, 9]), 3)).toEqual([1, 3]);
    expect(above(Float32Array.from([1, 5]), null)).toEqual([]);
  });

  test("the axis is logarithmic and goes both ways", () => {
    const axis = axisOf(Float32Array.from([10, 1000, NaN, 0]))!;
    expect(axis.min).toBeLessThan(10);
    expect(axis.max).toBeGreaterThan(1000);
    expect(placeOf(100, axis)).toBeCloseTo(0.5);
    for (const norm of [12, 77, 900]) expect(normAt(placeOf(norm, axis), axis)).toBeCloseTo(norm, 6);
    expect(normAt(-1, axis)).toBeCloseTo(axis.min);
    expect(placeOf(1e9, axis)).toBe(1);
    expect(axisOf(new Float32Array(3))).toBeNull();
  });

  test("every patch is in one bin", () => {
    const norms = Float32Array.from({ length: 200 }, (_, i) => 5 + (i % 17) + (i === 3 ? 500 : 0));
    const bins = histogram(norms, axisOf(norms)!, 20);
    expect(bins.reduce((sum, bin) => sum + bin.count, 0)).toBe(200);
    for (let i = 1; i < bins.length; i++) expect(bins[i]!.from).toBeCloseTo(bins[i - 1]!.to);
    expect(bins.findLast((bin) => bin.count)!.count).toBe(1);
  });

  test("neighbours share an edge", () => {
    const values = Float32Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const grid = { rows: 3, cols: 3 };
    expect(beside(values, grid, { row: 1, col: 1 })).toBe((2 + 4 + 6 + 8) / 4);
    expect(beside(values, grid, { row: 0, col: 0 })).toBe(3);
    expect(beside(new Float32Array(0), grid, { row: 0, col: 0 })).toBeNull();
  });

  test("a box of pixels covers whole patches", () => {
    expect(inBox([8, 0, 24, 16], { rows: 3, cols: 4 }, 32, 24)).toEqual([1, 2, 5, 6]);
    expect(inBox([], { rows: 3, cols: 4 }, 32, 24)).toEqual([]);
  });

  test("modes are read once, with what is missing as none", () => {
    const [first, second] = readModes({ list: [{ threshold: 3, confidence: 0.9, why: "a", ratio: 5 }, { threshold: null, why: "b" }] });
    expect(first).toEqual({ threshold: 3, confidence: 0.9, why: "a", ratio: 5 });
    expect(second).toEqual({ threshold: null, confidence: 0, why: "b", ratio: 0 });
    expect(readModes({ modes: [{ threshold: 1 }] })).toHaveLength(1);
    expect(readModes({})).toEqual([]);
  });

  test("numbers in few digits", () => {
    expect([0, 0.0123, 4.2, 42.42, 420.4, 12345, 0.00001].map(brief)).toEqual(["0.00", "0.0123", "4.20", "42.4", "420", "1.2e+4", "1.0e-5"]);
  });
});

describe("tokens", () => {
  test("a token is a name or a patch", () => {
    expect(sayToken("CLS", ["CLS"], 8)).toBe("CLS");
    expect(sayToken("17", ["CLS"], 8)).toBe("patch row 3, col 2");
    expect(patchOf("17", 8)).toEqual({ row: 2, col: 1 });
    expect(patchOf("reg 1", 8)).toBeNull();
    expect([plural(1, "patch"), plural(2, "patch"), plural(0, "outlier")]).toEqual(["1 patch", "2 patches", "0 outliers"]);
  });

  test("what Python told, as it is and treated", () => {
    const floats = (values: number[]) => new DataView(Float32Array.from(values).buffer);
    const traits = {
      rows: 1, cols: 2, width: 16, height: 8, prefix: 1, norms: floats([9, 1, 2]), modes: { list: [{ threshold: 1.5 }] }, about: floats([0, 0, 0, 0, 0, 0]),
      features: new DataView(Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]).buffer), box: [8, 0, 16, 8],
      after: floats([9, 8, 3, 4]), after_info: { names: ["CLS", "reg 1"], modes: [], box: [] }, after_about: floats([]),
    } as unknown as RegisterInspectorTraits;
    const model = { get: <K extends keyof RegisterInspectorTraits>(name: K) => traits[name] };
    const [before, after] = readTold(model);
    expect(before.box).toEqual([1]);
    expect([...before.features!.data.slice(0, 3)]).toEqual([1, 2, 3]);
    expect(after.prefix).toBe(2);
    expect([...layerOf(after.norms, 0, 2, after.prefix)]).toEqual([3, 4]);
    expect([...after.features!.data.slice(0, 3)]).toEqual([7, 8, 9]);
    traits.after = floats([]);
    expect(readTold(model)[1].norms).toHaveLength(0);
  });
});

describe("the curve of a repair", () => {
  test("is read with its gaps", () => {
    expect(readCurve({})).toBeNull();
    const curve = readCurve({ loss: [2, null, 1], ratio: [9, 8, 7], cosine: [1, 1, 0.9], of: 10, running: true })!;
    expect(curve.loss).toEqual([2, null, 1]);
    expect(curve.running).toBe(true);
  });

  test("is drawn in pieces, on a logarithmic scale if told", () => {
    expect(points([1, 10, 100], 3, 1, 100, true)).toEqual(["0.00,100.00 50.00,50.00 100.00,0.00"]);
    expect(points([1, null, 3], 3, 1, 3)).toEqual(["0.00,100.00", "100.00,0.00"]);
    expect(points([null], 3, 0, 1)).toEqual([]);
    expect(points([5], 3, 5, 5)).toEqual(["0.00,50.00"]);
  });
});
