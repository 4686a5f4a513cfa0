import { expect, test } from "vitest";
import { boxOf, cellAt, layOut, sortHeads, step } from "../../src/kit/atlas";

const shape = { heads: 3, front: 1, rows: 2, cols: 2, queries: { rows: 2, cols: 2 } };
const stack = { front: ["CLS"], rows: 2, cols: 2, layers: [shape, { ...shape, heads: 2 }] };

test("heads by number and by a statistic", () => {
  expect(sortHeads(stack, null)).toEqual([[0, 1, 2], [0, 1]]);
  expect(sortHeads(stack, [Float32Array.of(1, 3, 2), Float32Array.of(5, 5)])).toEqual([[1, 2, 0], [0, 1]]);
});

test("each map is found where it lies, and nowhere else", () => {
  const atlas = layOut(stack, 400, [[1, 2, 0], [0, 1]], 1);
  for (const [layer, heads] of atlas.order.entries()) {
    for (const [column, head] of heads.entries()) {
      const box = boxOf(atlas, layer, column);
      expect(cellAt(atlas, box.left + 1, box.top + 1)).toEqual({ layer, head });
      expect(box.left + box.width).toBeLessThanOrEqual(atlas.width);
      expect(box.top + box.height).toBeLessThanOrEqual(atlas.height);
    }
  }
  expect(cellAt(atlas, 3, 3)).toBeNull();
  expect(cellAt(atlas, boxOf(atlas, 1, 2).left, boxOf(atlas, 1, 2).top)).toBeNull();
});

test("arrow keys stay inside and keep the column", () => {
  const atlas = layOut(stack, 400, [[1, 2, 0], [0, 1]], 1);
  expect(step(atlas, { layer: 0, head: 1 }, 0, 1)).toEqual({ layer: 0, head: 2 });
  expect(step(atlas, { layer: 0, head: 0 }, 1, 0)).toEqual({ layer: 1, head: 1 });
  expect(step(atlas, { layer: 0, head: 1 }, -1, -1)).toEqual({ layer: 0, head: 1 });
});
