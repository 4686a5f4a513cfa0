// @vitest-environment happy-dom
import { expect, test } from "vitest";
import { drawMarks } from "../../src/views/parts/overlay";
import { fakeCanvas } from "../fake_canvas";
import { mount } from "./mount";

const GRID = { rows: 2, cols: 2 };

/** The rectangles that a context was asked to fill. */
function filled(veil: Uint8Array | null) {
  const rectangles: number[][] = [];
  const canvas = Object.assign(document.createElement("canvas"), { width: 20, height: 20 });
  const context = { canvas, clearRect() {}, fillRect: (...rectangle: number[]) => rectangles.push(rectangle), fillStyle: "" };
  drawMarks(context as unknown as CanvasRenderingContext2D, 1, { grid: GRID, mask: null, veil, strong: true, ring: null, brush: [] });
  return rectangles.map(([left, top]) => [left, top]);
}

test("visible patches of the reconstruction are blank, hidden ones are not", () => {
  expect(filled(new Uint8Array([1, 0, 0, 1]))).toEqual([[10, 0], [0, 10]]);
  expect(filled(null)).toEqual([]);
});

test("a button shows what the model says about visible patches too", () => {
  fakeCanvas();
  const { find } = mount();
  const button = find(".mv-toggle");
  expect(button.getAttribute("aria-pressed")).toBe("false");
  button.click();
  expect(button.getAttribute("aria-pressed")).toBe("true");
});
