import { describe, expect, test } from "vitest";
import { brush, centre, clampPatch, indexOf, line, patchAt, rectangle, toPoint } from "../../src/kit/grid";

const grid = { rows: 4, cols: 6 };
const cells = (indices: number[]) => [...indices].sort((a, b) => a - b);

describe("where a pointer is", () => {
  const box = { left: 100, top: 50, width: 60, height: 40 };
  test("in patches of a grid that is not square", () => {
    expect(toPoint(grid, box, 135, 65)).toEqual({ x: 3.5, y: 1.5 });
    expect(patchAt(grid, { x: 3.5, y: 1.5 })).toEqual({ row: 1, col: 3 });
    expect(indexOf(grid, { row: 1, col: 3 })).toBe(9);
    expect(centre({ row: 1, col: 3 })).toEqual({ x: 3.5, y: 1.5 });
  });
  test("outside there is no patch", () => {
    for (const [x, y] of [[-0.01, 1], [6, 1], [1, 4], [1, -1]]) expect(patchAt(grid, { x: x!, y: y! })).toBeNull();
    expect(clampPatch(grid, { row: 9, col: -3 })).toEqual({ row: 3, col: 0 });
  });
});

describe("the way between two samples", () => {
  test("crosses every patch, in either direction, each beside the last", () => {
    for (const [ax, ay, bx, by] of [[0.2, 0.3, 5.7, 3.1], [5.7, 3.1, 0.2, 0.3], [0.5, 0.5, 3.5, 3.5], [2, 3.9, 2, 0], [4, 1, 0, 1]]) {
      const way = line({ x: ax!, y: ay! }, { x: bx!, y: by! });
      expect(way[0]).toEqual({ row: Math.floor(ay!), col: Math.floor(ax!) });
      expect(way.at(-1)).toEqual({ row: Math.floor(by!), col: Math.floor(bx!) });
      for (let i = 1; i < way.length; i++) {
        expect(Math.abs(way[i]!.row - way[i - 1]!.row) + Math.abs(way[i]!.col - way[i - 1]!.col)).toBe(1);
      }
    }
  });
  test("is the one that dense samples find", () => {
    const [a, b] = [{ x: 0.31, y: 3.77 }, { x: 5.63, y: 0.18 }];
    const dense = new Set<number>();
    for (let t = 0; t <= 1; t += 1e-4) dense.add(indexOf(grid, patchAt(grid, { x: a.x + t * (b.x - a.x), y: a.y + t * (b.y - a.y) })!));
    expect(cells(line(a, b).map((patch) => indexOf(grid, patch)))).toEqual(cells([...dense]));
  });
  test("of a pointer at rest is one patch", () => {
    expect(line({ x: 1.5, y: 1.5 }, { x: 1.5, y: 1.5 })).toEqual([{ row: 1, col: 1 }]);
  });
});

describe("brushes", () => {
  const at = (x: number, y: number, size: number) => cells(brush(grid, { x, y }, { x, y }, size));
  test("1 is a patch, 2 a block around the nearest corner, 3 a block, 4 a disc", () => {
    expect(at(2.5, 1.5, 1)).toEqual([8]);
    expect(at(2.9, 1.9, 2)).toEqual([8, 9, 14, 15]);
    expect(at(2.1, 1.1, 2)).toEqual([1, 2, 7, 8]);
    expect(at(2.5, 1.5, 3)).toEqual([1, 2, 3, 7, 8, 9, 13, 14, 15]);
    expect(at(3, 2, 4)).toHaveLength(12);
  });
  test("are cut at the border", () => {
    expect(at(0.1, 0.1, 3)).toEqual([0, 1, 6, 7]);
    expect(at(-5, -5, 3)).toEqual([]);
  });
  test("leave no gap on a fast drag", () => {
    expect(cells(brush(grid, { x: 0.5, y: 0.5 }, { x: 5.5, y: 0.5 }, 1))).toEqual([0, 1, 2, 3, 4, 5]);
  });
});

describe("rectangles", () => {
  test("between any two corners, both included", () => {
    const wanted = [7, 8, 9, 13, 14, 15];
    expect(rectangle(grid, { x: 1.2, y: 1.9 }, { x: 3.1, y: 2.1 })).toEqual(wanted);
    expect(rectangle(grid, { x: 3.1, y: 2.1 }, { x: 1.2, y: 1.9 })).toEqual(wanted);
  });
  test("may be pulled out of the picture", () => {
    expect(rectangle(grid, { x: 4.5, y: 3.5 }, { x: 99, y: 99 })).toEqual([22, 23]);
    expect(rectangle(grid, { x: -9, y: -9 }, { x: -1, y: -1 })).toEqual([]);
  });
});
