/** Canvases and decoding for a DOM that has neither: every picture is one grey, drawing is recorded by panel, words in their order. */
import { vi } from "vitest";

export function fakeCanvas({ width = 64, height = 64 } = {}) {
  const bitmaps: { width: number; height: number; close: ReturnType<typeof vi.fn> }[] = [];
  const shown: Record<string, ImageData> = {};
  const written: string[] = [];
  class Picture {
    constructor(readonly data: Uint8ClampedArray, readonly width: number, readonly height: number) {}
  }
  const context = (canvas: HTMLCanvasElement) => {
    const known: Record<string, unknown> = {
      canvas,
      getImageData: (_x: number, _y: number, w: number, h: number) => new Picture(new Uint8ClampedArray(4 * w * h).fill(90), w, h),
      putImageData: (image: ImageData) => (shown[canvas.dataset.panel ?? ""] = image),
      measureText: (words: string) => ({ width: 6 * words.length }),
      fillText: (words: string) => void written.push(words),
      createLinearGradient: () => ({ addColorStop: () => undefined }),
    };
    return new Proxy(known, { get: (all, name: string) => all[name] ?? (() => undefined), set: () => true });
  };
  vi.stubGlobal("ImageData", Picture);
  vi.stubGlobal("createImageBitmap", async (blob: Blob) => {
    if (!blob.size) throw new Error("no picture");
    const bitmap = { width, height, close: vi.fn() };
    bitmaps.push(bitmap);
    return bitmap;
  });
  const fake = function (this: HTMLCanvasElement) {
    return context(this);
  };
  HTMLCanvasElement.prototype.getContext = fake as unknown as HTMLCanvasElement["getContext"];
  return { bitmaps, shown, written };
}
