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
