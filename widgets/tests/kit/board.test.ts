import { describe, expect, test } from "vitest";
import { brief, column, keyOf, pace, readBoard, readDetail, readJudges, sorted } from "../../src/kit/board";

const judges = readJudges({ Deletion: { better: "lower", words: "w", film: true }, Mass: { better: "higher", words: "", film: false } });
const board = readBoard({
  cells: [
    ["A", "Deletion", 0.2, 0.1, 0.3, 4, 2, ""], ["B", "Deletion", 0.05, 0.01, 0.4, 4, 1, ""], ["C", "Deletion", null, null, null, 0, 0, "no map"],
    ["A", "Mass", 0.9, null, null, 1, 1, ""], ["B", "Mass", 0.1, null, null, 1, 0.5, ""],
  ],
  differ: [["Deletion", "Mass", 1], ["Mass", "Deletion", null]], done: 3, of: 6, seconds: 4.5,
});

describe("a board", () => {
  test("is read once, whatever came", () => {
    expect(judges.map(({ name, higher }) => [name, higher])).toEqual([["Deletion", false], ["Mass", true]]);
    expect(board.cells.get(keyOf("C", "Deletion"))).toMatchObject({ mean: null, error: "no map" });
    expect([...board.differ]).toEqual([[keyOf("Deletion", "Mass"), 1]]);
    expect(readBoard({ cells: "?", differ: [1] })).toMatchObject({ done: 0, of: 0 });
  });

  test("the best is the lowest where lower is better; the range holds the intervals", () => {
    expect(column(board, judges[0]!, ["A", "B", "C"])).toEqual({ min: 0.01, max: 0.4, best: "B" });
    expect(column(board, judges[1]!, ["A", "B", "C"]).best).toBe("A");
  });

  test("sorts with the best first and the unknown last", () => {
    expect(sorted(board, ["A", "B", "C"], judges[0]!)).toEqual(["B", "A", "C"]);
    expect(sorted(board, ["C", "B", "A"], judges[1]!)).toEqual(["A", "B", "C"]);
    expect(sorted(board, ["C", "A"], null)).toEqual(["C", "A"]);
  });

  test("seconds are for one picture", () => {
    expect(pace(board, "A", judges)).toBe(0.75);
    expect(pace(board, "nobody", judges)).toBe(null);
  });

  test("three digits that matter", () => {
    expect([0.04, 1, 0, -0.00108, 0.000012, 12345, null].map(brief)).toEqual(["0.04", "1", "0", "-0.00108", "1.2e-5", "1.2e+4", "–"]);
  });

  test("a detail without three names is none", () => {
    expect(readDetail({})).toBe(null);
    const detail = readDetail({ selected: ["A", "Deletion", "0"], curve: { x: [0, 1], y: [0.5, null] }, films: [{ name: "grey", exact: true, frames: [{ share: 0, score: 0.5, top: [["cat", 0.5]], start: 0, size: 9 }] }] });
    expect(detail!.y[1]).toBeNaN();
    expect(detail!.films[0]!.frames[0]!.top).toEqual([["cat", 0.5]]);
  });
});
