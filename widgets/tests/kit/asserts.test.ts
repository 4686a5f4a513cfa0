import { expect, test } from "vitest";
import { assert, defined } from "../../src/kit/asserts";

test("a broken assumption says what it was", () => {
  expect(() => assert(1 > 0, "never")).not.toThrow();
  expect(() => assert(false, "rows must be 8")).toThrow("[mimviz] rows must be 8");
  expect(defined(0, "zero")).toBe(0);
  expect(() => defined(undefined, "a canvas")).toThrow("a canvas is missing");
});
