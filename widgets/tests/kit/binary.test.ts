import { expect, test } from "vitest";
import { asBytes, asFloats, toView } from "../../src/kit/binary";

test("bytes of a view in the middle of somebody else's buffer", () => {
  const view = new DataView(Uint8Array.of(9, 9, 1, 2, 3, 9).buffer, 2, 3);
  expect([...asBytes(view)]).toEqual([1, 2, 3]);
  expect(asBytes(null)).toHaveLength(0);
  expect([...asBytes(Uint8Array.of(4, 5).buffer)]).toEqual([4, 5]);
});

test("little-endian floats at any offset", () => {
  const raw = new DataView(new ArrayBuffer(11));
  raw.setFloat32(3, 0.25, true);
  raw.setFloat32(7, -2, true);
  expect([...asFloats(new DataView(raw.buffer, 3, 8))]).toEqual([0.25, -2]);
  expect(asFloats(undefined)).toHaveLength(0);
});

test("a view to send has a buffer of its own and of exact size", () => {
  const source = Uint8Array.of(1, 2, 3, 4).subarray(1, 3);
  const view = toView(source);
  source[0] = 9;
  expect(view.buffer.byteLength).toBe(2);
  expect(view.getUint8(0)).toBe(2);
});
