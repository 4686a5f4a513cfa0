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

test("hidden patches are hatched run by run", () => {
  fakeCanvas();
  const cut: number[][] = [];
  const canvas = Object.assign(document.createElement("canvas"), { width: 30, height: 20 });
  const context = { canvas, clearRect() {}, drawImage: (_: unknown, ...at: number[]) => cut.push(at.slice(4)) };
  const mask = new Uint8Array([0, 1, 1, 1, 0, 1]);
  drawMarks(context as unknown as CanvasRenderingContext2D, 1, { grid: { rows: 2, cols: 3 }, mask, strong: false, ring: null, brush: [] });
  expect(cut).toEqual([[10, 0, 20, 10], [0, 10, 10, 10], [20, 10, 10, 10]]);
});

test("a button shows what the model says about visible patches too", () => {
  fakeCanvas();
  const { find } = mount();
  const button = find(".mv-toggle");
  expect(button.getAttribute("aria-pressed")).toBe("false");
  button.click();
  expect(button.getAttribute("aria-pressed")).toBe("true");
});
