import { inflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { encodeGrey } from "../../src/kit/png";

test("a grey PNG of one pixel per patch, readable by zlib", () => {
  const png = encodeGrey(Uint8Array.of(0, 255, 255, 0, 0, 255), 3, 2);
  const view = new DataView(png.buffer);
  expect([...png.slice(0, 8)]).toEqual([137, 80, 78, 71, 13, 10, 26, 10]);
  expect([view.getUint32(16), view.getUint32(20), png[24], png[25]]).toEqual([3, 2, 8, 0]);
  const length = view.getUint32(33);
  expect([...inflateSync(png.slice(41, 41 + length))]).toEqual([0, 0, 255, 255, 0, 0, 0, 255]);
  expect(view.getUint32(png.length - 4)).toBe(0xae426082); // the CRC of every IEND
});

test("more than one block", () => {
  const grey = new Uint8Array(300 * 300).fill(255);
  const png = encodeGrey(grey, 300, 300);
  const length = new DataView(png.buffer).getUint32(33);
  expect(inflateSync(png.slice(41, 41 + length))).toHaveLength(300 * 301);
});
