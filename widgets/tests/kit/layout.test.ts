import { expect, test } from "vitest";
import { panelWidth } from "../../src/kit/layout";

test.each([
  [1100, 210, 5],
  [760, 142, 5],
  [700, 225, 3],
  [440, 214, 2],
  [280, 280, 1],
  [3000, 320, 5],
])("%i pixels give panels of %i, %i in a row", (total, width, columns) => {
  expect(panelWidth(total, 12, null)).toBe(width);
  expect(columns * width + (columns - 1) * 12).toBeLessThanOrEqual(total);
});

test("a chosen width holds as far as there is room", () => {
  expect(panelWidth(1000, 12, 400)).toBe(400);
  expect(panelWidth(300, 12, 400)).toBe(300);
});
