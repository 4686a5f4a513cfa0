import { expect, test } from "vitest";
import { colourMap, gradient } from "../../src/kit/colours";

test("the tables begin and end as matplotlib's", () => {
  const ends = (name: "viridis" | "magma" | "inferno" | "grey") => [[...colourMap(name).slice(0, 3)], [...colourMap(name).slice(-3)]];
  expect(ends("viridis")).toEqual([[68, 1, 84], [253, 231, 37]]);
  expect(ends("magma")).toEqual([[0, 0, 4], [252, 253, 191]]);
  expect(ends("inferno")).toEqual([[0, 0, 4], [252, 255, 164]]);
  expect(ends("grey")).toEqual([[0, 0, 0], [255, 255, 255]]);
});

test("brightness rises all along every map", () => {
  for (const name of ["viridis", "magma", "inferno", "grey"] as const) {
    const map = colourMap(name);
    const light = Array.from({ length: 16 }, (_, i) => 0.3 * map[51 * i]! + 0.59 * map[51 * i + 1]! + 0.11 * map[51 * i + 2]!);
    expect(light.every((value, i) => i === 0 || value > light[i - 1]!)).toBe(true);
  }
});

test("a colour bar in CSS", () => {
  expect(gradient("grey", "to right", 2)).toBe("linear-gradient(to right, rgb(0 0 0), rgb(255 255 255))");
});
