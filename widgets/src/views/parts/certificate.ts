/** A chip that says whether the attention shown is exact, and on a click how that is known. */
import { type Raw, number, record, text } from "../../kit/read";
import { h, setText } from "./dom";

export class CertificateChip {
  readonly root = h("details", { class: "mv-certificate", hidden: true });
  private readonly word = h("summary", {});
  private readonly words = h("p", {});

  constructor() {
    this.root.append(this.word, this.words);
  }

  draw(raw: Raw): void {
    const exact = raw.exact === true;
    const known = number(raw.error) !== null;
    this.root.hidden = !known;
    if (!known) return;
    this.root.dataset.exact = String(exact);
    setText(this.word, exact ? "certificate: exact" : "certificate: not exact");
    setText(this.words, explain(raw, exact));
  }
}

function explain(raw: Raw, exact: boolean): string {
  const error = number(raw.error) ?? 0;
  const scale = number(raw.scale) ?? 0;
  const share = scale > 0 ? error / scale : 0;
  const layers = number(record(raw).layers) ?? 0;
  const measured = `In each of ${layers} layers the attention was computed again from the queries and keys of this very pass, multiplied by the values, and compared with what the module itself made. The largest difference is ${error ? error.toExponential(1) : "0"}, or ${share ? share.toExponential(1) : "0"} of the largest value (${text(raw.name)}).`;
  const verdict = exact
    ? "That is rounding: what you see is what the model did."
    : "That is more than rounding: the maps are close to what the model did, but do not trust them digit by digit. Half precision is the usual cause; a model with float32 weights is exact.";
  return `${measured} ${verdict}`;
}
