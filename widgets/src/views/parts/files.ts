/** Pictures and masks in and out: files, drag and drop, clipboard. */
import { decode } from "../../kit/decode";
import { toView } from "../../kit/binary";
import { listen } from "../../kit/lifetime";
import { type Mask, MaskError, fromPixels, fromRle, looksLikeRle, toRle } from "../../kit/mask";
import { encodeGrey } from "../../kit/png";
import type { Problem } from "../../kit/report";
import type { MaskSession, PainterModel } from "../../kit/session";
import { h } from "./dom";
import { download } from "./download";

const HEAVY = 8 * 2 ** 20; // kernels refuse messages above 10 MB: heavier pictures are made smaller here

export class Files {
  private readonly picture = h("input", { type: "file", accept: "image/*", hidden: true, "aria-label": "Picture file", "data-file": "picture" });
  private readonly mask = h("input", { type: "file", accept: ".png,.rle,.txt,image/png,text/plain", hidden: true, "aria-label": "Mask file", "data-file": "mask" });

  constructor(
    private readonly root: HTMLElement,
    private readonly model: PainterModel,
    private readonly session: MaskSession,
    private readonly tell: (problem: Problem | null, news?: string) => void,
    signal: AbortSignal,
  ) {
    root.append(this.picture, this.mask);
    const chosen = (input: HTMLInputElement, use: (file: File) => Promise<void>) => {
      listen(input, "change", () => {
        const file = input.files?.[0];
        if (file) void this.attempt(() => use(file));
        input.value = ""; // the same file can be chosen again
      }, signal);
    };
    chosen(this.picture, (file) => this.upload(file));
    chosen(this.mask, (file) => this.load(file));
    this.accept(signal);
  }

  openPicture(): void {
    this.picture.click();
  }

  openMask(): void {
    this.mask.click();
  }

  savePng(): void {
    const { rows, cols } = this.session.grid;
    const grey = this.session.mask.map((hidden) => (hidden ? 255 : 0));
    download(new Blob([encodeGrey(grey, cols, rows)], { type: "image/png" }), "mask.png");
  }

  saveRle(): void {
    download(new Blob([`${this.text}\n`], { type: "text/plain" }), "mask.rle");
  }

  copyRle(): void {
    void this.attempt(async () => {
      if (!navigator.clipboard) throw new MaskError("this page may not use the clipboard: save the mask as RLE instead");
      await navigator.clipboard.writeText(this.text);
      this.tell(null, `copied ${this.text.length > 40 ? `${this.text.slice(0, 40)}…` : this.text}`);
    }, "The mask was not copied");
  }

  private get text(): string {
    return toRle(this.session.mask, this.session.grid);
  }

  private accept(signal: AbortSignal): void {
    const { root } = this;
    listen(root, "dragover", (event) => {
      event.preventDefault();
      event.stopPropagation();
      root.classList.add("is-dropping");
    }, signal);
    listen(root, "dragleave", (event) => {
      if (!root.contains(event.relatedTarget as Node | null)) root.classList.remove("is-dropping");
    }, signal);
    listen(root, "drop", (event) => {
      event.preventDefault();
      event.stopPropagation();
      root.classList.remove("is-dropping");
      const file = event.dataTransfer?.files[0];
      if (file) void this.attempt(() => (isText(file) ? this.load(file) : this.upload(file)));
    }, signal);
    listen(root, "paste", (event) => {
      const text = event.clipboardData?.getData("text/plain") ?? "";
      if (!looksLikeRle(text)) return;
      event.preventDefault();
      void this.attempt(async () => this.use(fromRle(text, this.session.grid), "pasted text"));
    }, signal);
  }

  /** Read a mask file: RLE text or a picture with one pixel per patch. */
  private async load(file: File): Promise<void> {
    const { grid } = this.session;
    if (isText(file)) return this.use(fromRle(await file.text(), grid), file.name);
    const pixels = await decode(file).catch(() => {
      throw new MaskError(`${file.name} is not a mask: a PNG with one pixel per patch or RLE text is wanted`);
    });
    this.use(fromPixels(pixels.data, pixels.height, pixels.width, grid), file.name);
  }

  private use(mask: Mask, from: string): void {
    this.session.change(mask);
    this.tell(null, `mask loaded from ${from}`);
  }

  private async upload(file: File): Promise<void> {
    const light = file.size > HEAVY ? await reduce(file) : file;
    this.model.set("upload_name", file.name);
    this.model.set("upload", toView(new Uint8Array(await light.arrayBuffer())));
    this.model.save_changes();
    this.tell(null, `opening ${file.name} …`);
  }

  private async attempt(work: () => Promise<void>, failure = "Nothing was loaded"): Promise<void> {
    try {
      await work();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.tell({ kind: "error", title: failure, text, hint: "Your mask is as it was." });
    }
  }
}

const isText = (file: File) => /\.(rle|txt)$/i.test(file.name);

async function reduce(file: File): Promise<Blob> {
  const bitmap = await createImageBitmap(file).catch(() => {
    const size = (file.size / 2 ** 20).toFixed(0);
    throw new MaskError(`${file.name} has ${size} MB and is no picture this browser reads: open it in Python with mv.image(path)`);
  });
  const scale = Math.min(1, 2048 / Math.max(bitmap.width, bitmap.height));
  const canvas = h("canvas", { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new MaskError(`${file.name} is too large for this browser`))), "image/jpeg", 0.92);
  });
}
