/** The painter's status line, and the badge of pictures that use hidden pixels. */
import { type Report, describe } from "../../kit/report";
import { h } from "./dom";
import { StatusLine } from "./status_line";

const MEANING: Record<string, string> = {
  exact: "Computed for exactly this mask",
  coarse: "A quick answer while the pointer is down; the exact one follows on release",
};

export class Status extends StatusLine {
  readonly leak = h(
    "details",
    { class: "mv-leak", hidden: true },
    h("summary", {}, "uses the hidden pixels"),
    h("p", {}, "Mean and contrast of the hidden patches were read from the hidden pixels themselves. The picture looks better than what the model knows; choose the statistics “of visible patches” for an honest one."),
  );

  constructor(signal: AbortSignal) {
    super(MEANING, signal);
  }

  update(report: Report | null, hidden: number, patches: number, state: string): void {
    this.show(state, describe(report, hidden, patches), report?.note);
    this.leak.hidden = !report?.leaks;
  }
}
