import { describe, expect, test } from "vitest";
import { type RunSaid, band, duration, healthOf, height, line, momentsOf, nearest, progressOf, readCurves, readRuns, sayHeld, smooth, spanOf } from "../../src/kit/training";

const floats = (...values: number[]) => Float32Array.from(values);

describe("what comes over the wire", () => {
  test("rows of six numbers become the curves of each run", () => {
    const rows = floats(1, 5, 4, 6, 0.1, 9, 2, 3, 3, 3, 0.2, 8, 1, 7, 7, 7, 0.3, 6);
    const [first, second] = readCurves({ points: [2, 1] }, rows);
    expect([...first!.step]).toEqual([1, 2]);
    expect([...first!.loss]).toEqual([5, 3]);
    expect([...first!.least]).toEqual([4, 3]);
    expect([...first!.most]).toEqual([6, 3]);
    expect([...second!.norm]).toEqual([6]);
    expect(second!.lr[0]).toBeCloseTo(0.3);
    expect(readCurves({}, rows)).toEqual([]);
  });

  test("a run whose report is half empty can still be drawn", () => {
    const [run] = readRuns({ runs: [{ name: "a", state: "new", loss: null, moments: [0, 4], exact: [4], health: {}, warnings: [{ step: 2, title: "t", text: "w" }] }] });
    expect(run).toMatchObject({ name: "a", done: 0, loss: null, moments: [0, 4], health: null, drives: false, warnings: [{ step: 2, title: "t", text: "w" }] });
    expect(run!.exact.has(4)).toBe(true);
    expect(readRuns({ runs: [{ health: { step: 3, layers: [["x", 1, 2, null, 0.5, 0, "dead"]] } }] })[0]!.health).toEqual({
      step: 3, layers: [{ name: "x", gradient: 1, weights: 2, ratio: null, silent: 0.5, broken: 0, state: "dead" }],
    });
  });
});

describe("where points lie", () => {
  test("linear and logarithmic heights, with what cannot be drawn left out", () => {
    const span = spanOf([floats(1, NaN, 100), floats(10)], true)!;
    expect(span).toEqual({ low: 1, high: 100, log: true });
    expect(height(10, span)).toBeCloseTo(50);
    expect(height(100, span)).toBeCloseTo(4);
    expect(height(0, span)).toBeNull();
    expect(spanOf([floats(NaN, -1)], true)).toBeNull();
    expect(height(3, { low: 3, high: 3, log: false })).toBe(50);
  });

  test("a line has a gap where the loss was not finite, and x says the step", () => {
    const span = { low: 0, high: 1, log: false };
    expect(line(floats(1, 2, 3, 4), [0, 1, NaN, 0], span, 4)).toEqual(["25.00,96.00 50.00,4.00", "100.00,96.00"]);
  });

  test("a band only where steps were put together", () => {
    const curve = { step: floats(1, 2), loss: floats(1, 2), least: floats(1, 1), most: floats(1, 3), lr: floats(0, 0), norm: floats(0, 0), accuracy: floats() };
    expect(band(curve, { low: 1, high: 3, log: false }, 2)).toBe("50.00,96.00 100.00,4.00 100.00,96.00 50.00,96.00");
    expect(band({ ...curve, most: curve.least }, { low: 1, high: 3, log: false }, 2)).toBe("");
  });

  test("smoothing has no bias at its start and passes over NaN", () => {
    expect([...smooth(floats(4, 4, NaN, 4), 0.9)]).toEqual([4, 4, NaN, 4]);
    const [, second] = smooth(floats(0, 1), 0.5);
    expect(second).toBeCloseTo(2 / 3);
    expect([...smooth(floats(3, 1), 0)]).toEqual([3, 1]);
  });
});

test("the point of a curve that is known at a step", () => {
  const [run] = readRuns({ runs: [{ validation: [[5, 0.25, null], [10, 0.125, 0.5]] }] });
  expect([4, 5, 9, 99].map((step) => sayHeld(run!.held, step))).toEqual(["", "held out 0.250", "held out 0.250", "held out 0.125, 50.0 % right"]);
});

test("moments of all runs, the nearest, and words", () => {
  const run = (more: Partial<RunSaid>) => ({ ...readRuns({ runs: [{}] })[0]!, ...more });
  expect(momentsOf([run({ moments: [0, 8] }), run({ moments: [4, 8] })])).toEqual([0, 4, 8]);
  expect(nearest([0, 4, 8], 7)).toBe(2);
  expect(nearest([], 7)).toBe(-1);
  expect([3, 61, 3700].map(duration)).toEqual(["3 s", "1 min", "1 h 2 min"]);
  expect(progressOf(run({ done: 3, steps: 9, loss: 0.12345, speed: 45.2, state: "running", left: 12 }))).toEqual(["step 3 of 9", "loss 0.123", "45 pictures/s", "about 12 s left"]);
  expect(healthOf([])).toBe("all well");
  const ill = ["a", "b", "c", "d"].map((name) => ({ name, gradient: 0, weights: 1, ratio: 0, silent: 1, broken: 0, state: "dead" }));
  expect(healthOf(ill)).toBe("a is dead, b is dead, c is dead and 1 more");
});
