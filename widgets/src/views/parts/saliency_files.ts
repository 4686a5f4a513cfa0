/** Two buttons: a picture of what is on display, and its numbers. */
import { listen } from "../../kit/lifetime";
import { h } from "./dom";
import { download } from "./download";
import { icon } from "./icons";
import { type Page, drawSheet } from "./saliency_sheet";

export class SaliencyFiles {
  readonly root = h("div", { class: "mv-group", role: "group", "aria-label": "Files" });

  constructor(
    private readonly parts: { page: () => Page; table: () => string },
    private readonly tell: (news: string) => void,
    signal: AbortSignal,
  ) {
    const button = (name: string, word: string, hint: string, run: () => void) => {
      const made = h("button", { type: "button", class: "mv-button", title: hint, "data-action": name }, icon("save"), h("span", {}, word));
      listen(made, "click", run, signal);
      this.root.append(made);
    };
    button("png", "PNG", "Save a picture of all panels as they are on the page, with their colour bars, at twice its resolution", () => this.png());
    button("csv", "CSV", "Save the raw numbers of the maps on display", () => this.csv());
  }

  private png(): void {
    const canvas = h("canvas");
    const fail = () => this.tell("no picture was saved: this browser cannot draw one so large, choose smaller panels");
    if (!drawSheet(canvas, this.parts.page())) return fail();
    canvas.toBlob((blob) => (blob ? this.give(blob, "saliency.png") : fail()), "image/png");
  }

  private csv(): void {
    const table = this.parts.table();
    if (!table) return this.tell("nothing was saved: there are no numbers yet");
    this.give(new Blob([table], { type: "text/csv" }), "saliency.csv");
  }

  private give(blob: Blob, name: string): void {
    download(blob, name);
    this.tell(`saved ${name}`);
  }
}
