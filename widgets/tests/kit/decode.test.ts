// @vitest-environment happy-dom
import { afterEach, expect, test, vi } from "vitest";
import { decode } from "../../src/kit/decode";
import { fakeCanvas } from "../fake_canvas";

afterEach(() => vi.unstubAllGlobals());

test("a picture becomes pixels and its bitmap is given back", async () => {
  const { bitmaps } = fakeCanvas({ width: 3, height: 2 });
  const pixels = await decode(new Blob([Uint8Array.of(1)]));
  expect([pixels.width, pixels.height, pixels.data.length]).toEqual([3, 2, 24]);
  expect(bitmaps.every((bitmap) => bitmap.close.mock.calls.length === 1)).toBe(true);
});

test("bytes that are no picture are refused", async () => {
  fakeCanvas({ width: 3, height: 2 });
  await expect(decode(new Blob([]))).rejects.toThrow();
});
