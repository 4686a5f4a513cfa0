import { describe, expect, it } from "vitest";
import { saysMap } from "../../src/kit/alt";

const write = (value: number) => value.toFixed(2);

describe("a map in words", () => {
  it("says its range and where the largest number lies", () => {
    expect(saysMap(new Float32Array([0, 0.25, 0.5, 4, 1, 2]), { rows: 2, cols: 3 }, write)).toBe("0.00 to 4.00, largest in row 2, column 1 of 2 × 3");
  });

  it("says how many share the largest number, and skips what is no number", () => {
    expect(saysMap(new Float32Array([NaN, 3, 3, 1]), { rows: 2, cols: 2 }, write)).toBe("1.00 to 3.00, largest in row 1, column 2 and 1 more of 2 × 2");
  });

  it("names no place where all numbers are the same, or none is there", () => {
    expect(saysMap(new Float32Array([2, 2]), { rows: 1, cols: 2 }, write)).toBe("2.00 everywhere");
    expect(saysMap(new Float32Array([NaN]), { rows: 1, cols: 1 }, write)).toBe("no numbers yet");
  });
});
