import { expect, test } from "vitest";
import { Sheet } from "../../src/kit/sheet";
import { encode } from "../../src/page/attending";

test("rows read back as Python's do: tokens in front to 1/131,070, patches to 0.4 % of the row's spread", () => {
  const rows = [Float32Array.of(0.9, 0.01, 0.05, 0.04, 0), Float32Array.of(0.2, 0.2, 0.2, 0.2, 0.2), Float32Array.of(0, 0, 0, 0, 0)];
  const view = encode(rows, 1);
  expect(view.byteLength % 4).toBe(0);
  const sheet = new Sheet(new Uint8Array(view.buffer as ArrayBuffer), { heads: 1, front: 1, rows: 2, cols: 2, queries: { rows: 1, cols: 2 } }, 3);
  rows.forEach((row, i) => {
    const read = sheet.row(0, i)!;
    const spread = Math.max(...row.subarray(1)) - Math.min(...row.subarray(1));
    expect(Math.abs(read.front[0]! - row[0]!)).toBeLessThan(1 / 131_000);
    read.patches.forEach((value, k) => expect(Math.abs(value - row[k + 1]!)).toBeLessThanOrEqual(0.004 * spread + 1e-7));
  });
});
