/** Plain RGB bytes -> RGBA pixels; null where their number says that they are something else. */
export function fromRgb(bytes: Uint8Array, { width, height }: { width: number; height: number }): Pixels | null {
  if (bytes.length !== 3 * width * height) return null;
  const data = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let from = 0, to = 0; from < bytes.length; from += 3, to += 4) {
    data[to] = bytes[from]!;
    data[to + 1] = bytes[from + 1]!;
    data[to + 2] = bytes[from + 2]!;
  }
  return { data, width, height };
}

/** Encoded picture -> RGBA pixels, off the main thread where the browser can. */
import { defined } from "./asserts";
import type { Pixels } from "./compose";

export async function decode(blob: Blob): Promise<Pixels> {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const { width, height } = bitmap;
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = defined(canvas.getContext("2d", { willReadFrequently: true }), "2d canvas");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  return { data: data as Uint8ClampedArray<ArrayBuffer>, width, height };
}
