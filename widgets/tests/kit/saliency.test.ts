import { describe, expect, test } from "vitest";
import { colourMap } from "../../src/kit/colours";
import { type Entry, massIn, paintMap, patchesIn, progress, rangesOf, readEntry, readRegion, readSubjects, saidRange, search, short, toTable, valueUnder } from "../../src/kit/saliency";

const entry = (more: Partial<Entry> = {}): Entry => ({
  key: "A|0.0.1", method: "A", by: "A()", rows: 2, cols: 2, signed: false, done: 1, passes: 1, batch: 1, seconds: 0.5, finished: true,
  best: "", words: "", warning: "", error: null, values: Float32Array.of(0, 1, 2, 4), ...more,
});

describe("the border", () => {
  test("an entry is read, an empty one is none", () => {
    expect(readEntry({}, new Float32Array(0))).toBeNull();
    const read = readEntry({ key: "A|0.0.1", rows: 2, cols: 2, signed: true, done: 3, passes: 9, error: {} }, Float32Array.of(1, 2, 3, 4));
    expect(read).toMatchObject({ key: "A|0.0.1", rows: 2, signed: true, done: 3, passes: 9, finished: false, error: null });
  });

  test("new words leave the map that is known as it is; without one they are of no use", () => {
    const known = entry({ words: "before" });
    const none = new Float32Array(0);
    expect(readEntry({ key: "A|0.0.1", kept: true, words: "after" }, none, known)).toEqual({ ...known, words: "after" });
    expect(readEntry({ key: "A|0.0.1", kept: true, words: "after" }, none)).toBeNull();
  });

  test("subjects and regions", () => {
    expect(readSubjects({ list: [{ label: "cat", width: 8, height: 4, rows: 1, cols: 2, start: 0, size: 9 }] })[0]).toMatchObject({ label: "cat", cols: 2, size: 9 });
    expect(readSubjects({})).toEqual([]);
    expect(readRegion([0, 0, 0.5, 1])).toEqual([0, 0, 0.5, 1]);
    expect(readRegion([])).toBeNull();
    expect(readRegion([0, "a", 1, 1])).toBeNull();
  });
});

describe("scales", () => {
  const low = entry({ key: "low" });
  const high = entry({ key: "high", values: Float32Array.of(10, 20, 30, 40) });
  const signed = entry({ key: "signed", signed: true, values: Float32Array.of(-1, 0, 0.5, 3) });

  test("each map its own; signed ones with zero in the middle", () => {
    const ranges = rangesOf([low, high, signed], "each");
    expect(ranges.get("low")).toEqual({ min: 0, max: 4 });
    expect(ranges.get("signed")).toEqual({ min: -3, max: 3 });
  });

  test("shared by all of a kind", () => {
    const ranges = rangesOf([low, high, signed], "shared");
    expect(ranges.get("low")).toEqual({ min: 0, max: 40 });
    expect(ranges.get("high")).toEqual({ min: 0, max: 40 });
    expect(ranges.get("signed")).toEqual({ min: -3, max: 3 });
  });

  test("the bar says raw numbers, or shares of the largest", () => {
    expect(saidRange({ min: -1, max: 4 }, "each")).toEqual({ min: -1, max: 4 });
    expect(saidRange({ min: -1, max: 4 }, "relative")).toEqual({ min: -0.25, max: 1 });
  });

  test("a map without numbers has no range", () => {
    expect(rangesOf([entry({ values: new Float32Array(0) })], "each").size).toBe(0);
  });
});

describe("pixels", () => {
  const picture = { data: new Uint8ClampedArray(4 * 16).fill(100), width: 4, height: 4 };

  test("each place of the map colours its pixels, opacity mixes", () => {
    const full = paintMap(entry(), { min: 0, max: 4 }, "viridis", picture, 1);
    const table = colourMap("viridis");
    expect([...full.data.slice(0, 3)]).toEqual([...table.slice(0, 3)]);
    expect([...full.data.slice(4 * 15, 4 * 15 + 3)]).toEqual([...table.slice(765)]);
    expect([...full.data.slice(4, 7)]).toEqual([...full.data.slice(0, 3)]);
    expect([...paintMap(entry(), { min: 0, max: 4 }, "viridis", picture, 0).data]).toEqual([...picture.data]);
  });

  test("signed maps diverge: zero is the middle of the map", () => {
    const zero = entry({ signed: true, values: Float32Array.of(0, 0, 0, 0) });
    for (const reach of [1, 0]) {
      const [r, g, b] = paintMap(zero, { min: -reach, max: reach }, "viridis", picture, 1).data;
      expect([r, g, b]).toEqual([...colourMap("diverging").slice(3 * 128, 3 * 128 + 3)]);
    }
  });

  test("the value under a point, the edge included", () => {
    expect([valueUnder(entry(), 0.1, 0.1), valueUnder(entry(), 0.9, 0.1), valueUnder(entry(), 1, 1)]).toEqual([0, 1, 4]);
  });

  test("mass in a region: places whose middle lies inside, magnitudes", () => {
    const signed = entry({ values: Float32Array.of(-1, 1, 2, 4) });
    expect(massIn(signed, [0, 0, 0.5, 1])).toBeCloseTo(2 / 8);
    expect(massIn(signed, [0, 0, 1, 1])).toBe(1);
    expect(massIn(entry({ values: new Float32Array(4) }), [0, 0, 1, 1])).toBeNull();
  });
});

test("a region in patches", () => {
  expect(patchesIn([0, 0.5, 0.5, 1], { rows: 2, cols: 4 })).toEqual([2, 3]);
});

test("a table has every value in a line, and gives the same float32 back", () => {
  const values = Float32Array.of(0.1, -1e-9, 0, 3);
  const table = toTable([{ label: "best class", entry: entry({ method: 'A(x=1, y="b")', best: "cat", values }) }]);
  const [head, ...lines] = table.trimEnd().split("\n");
  expect(head).toBe("method,subject,done,passes,row,col,value");
  expect(lines[1]).toMatch(/^"A\(x=1, y=""b""\)","best class: cat",1,1,0,1,/);
  expect(Float32Array.from(lines, (line) => Number(line.split(",").pop()))).toEqual(values);
  expect(toTable([{ label: "a", entry: entry({ values: new Float32Array(0) }) }])).toBe("");
});

test("numbers are short and do not lie", () => {
  expect([0, 1234.5, 0.01234, 0.00001234, -0.5, 1e6].map(short)).toEqual(["0", "1230", "0.0123", "1.2e−5", "-0.5", "1.0e6"]);
});

test("progress says how far a map is", () => {
  expect(progress(entry({ finished: false, done: 3, passes: 50, seconds: 1.234 }))).toBe("3 of 50 passes · 1.23 s");
  expect(progress(entry({ passes: 50, seconds: 12.3 }))).toBe("50 passes · 12 s");
  expect(progress(entry())).toBe("0.50 s");
});

test("classes are found by words, the beginning first", () => {
  const names = ["Persian cat", "tabby, tabby cat", "catamaran", "tiger cat"];
  expect(search(names, "cat", 3)).toEqual([2, 0, 1]);
  expect(search(names, "cat tabby", 9)).toEqual([1]);
  expect(search(names, " ", 9)).toEqual([]);
});
