/** Files: a PNG drawn here; figures and numbers made by Python and handed to the view that asked. */
import type { Exploration } from "../../kit/exploration";
import { placeOf } from "../../kit/stacks";
import { download } from "./download";
import { h } from "./dom";
import type { Heads } from "./heads";

const SIZE = 224;
const GAP = 16;
const HEAD = 22;
const TYPES: Record<string, string> = { npz: "application/zip", json: "application/json", svg: "image/svg+xml", pdf: "application/pdf" };

export class Save {
  private readonly view = Math.random().toString(36).slice(2);

  constructor(
    private readonly session: Exploration,
    private readonly parts: { heads: () => Heads; opacity: () => number; picture: () => CanvasImageSource | null; aspect: () => number },
    private readonly tell: (news: string) => void,
    signal: AbortSignal,
  ) {
    const { model } = session;
    const take = (message: { kind?: string; view?: string; name?: string }, buffers: DataView[]) => {
      const [data] = buffers;
      if (message.kind !== "file" || message.view !== this.view || !data) return;
      const name = message.name ?? "attention";
      const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
      download(new Blob([bytes], { type: TYPES[name.split(".").pop()!] ?? "" }), name);
      this.tell(`saved ${name}`);
    };
    model.on("msg:custom", take);
    signal.addEventListener("abort", () => model.off("msg:custom", take), { once: true });
  }

  ask(format: string): void {
    this.tell(`Python makes the ${format} …`);
    this.session.model.send({ kind: "save", format, view: this.view });
  }

  /** The panels with their captions and ranges, under a line that says what they are. */
  png(): void {
    const panels = this.parts.heads().live;
    const columns = Math.min(6, panels.length);
    const tall = Math.round(SIZE * this.parts.aspect());
    const rows = Math.ceil(panels.length / columns);
    const canvas = h("canvas", { width: columns * (SIZE + GAP) + GAP, height: HEAD + rows * (tall + 2 * HEAD) + GAP });
    const context = canvas.getContext("2d");
    if (!context || !panels.length) return;
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = "#111";
    context.font = "13px sans-serif";
    const { session } = this;
    context.fillText(`${session.sides.map(({ name }) => name).join(", ")} · ${session.part} · ${placeOf(session.shape(0), session.layer, session.token)}`, GAP, 18);
    const picture = this.parts.picture();
    panels.forEach(({ panel, bar }, i) => {
      const left = GAP + (i % columns) * (SIZE + GAP);
      const top = HEAD + Math.floor(i / columns) * (tall + 2 * HEAD);
      context.fillStyle = "#111";
      context.fillText(panel.head.querySelector("button")?.textContent ?? "", left, top + 15);
      if (picture) context.drawImage(picture, left, top + HEAD, SIZE, tall);
      panel.copy(context, left, top + HEAD, SIZE, tall, this.parts.opacity());
      context.fillText([...bar.root.querySelectorAll("span")].map((span) => span.textContent).join(" – "), left, top + HEAD + tall + 15);
    });
    canvas.toBlob((blob) => blob && download(blob, "attention.png"), "image/png");
  }
}
