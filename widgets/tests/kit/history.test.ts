import { expect, test } from "vitest";
import { History } from "../../src/kit/history";

test("undo and redo walk the line of states", () => {
  const history = new History<string>();
  history.push("a"); // now b
  history.push("b"); // now c
  expect(history.undo("c")).toBe("b");
  expect(history.undo("b")).toBe("a");
  expect(history.canUndo).toBe(false);
  expect(history.undo("a")).toBeUndefined();
  expect(history.redo("a")).toBe("b");
  expect(history.redo("b")).toBe("c");
  expect(history.canRedo).toBe(false);
});

test("a new change ends the redo line", () => {
  const history = new History<string>();
  history.push("a");
  history.undo("b");
  history.push("a");
  expect(history.canRedo).toBe(false);
});

test("the oldest states are forgotten", () => {
  const history = new History<number>(3);
  for (let i = 0; i < 9; i++) history.push(i);
  expect([history.undo(9), history.undo(8), history.undo(7), history.undo(6)]).toEqual([8, 7, 6, undefined]);
  history.clear();
  expect(history.canRedo).toBe(false);
});
