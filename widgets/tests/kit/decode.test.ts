// @vitest-environment happy-dom
import { afterEach, expect, test, vi } from "vitest";
import { decode, fromRgb } from "../../src/kit/decode";
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

test("plain RGB bytes are pixels already, if they are as many as the picture has", () => {
  const pixels = fromRgb(Uint8Array.of(1, 2, 3, 250, 251, 252), { width: 2, height: 1 });
  expect(pixels && [...pixels.data]).toEqual([1, 2, 3, 255, 250, 251, 252, 255]);
  expect(fromRgb(Uint8Array.of(1, 2, 3, 4), { width: 2, height: 1 })).toBeNull();
});
