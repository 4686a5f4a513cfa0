/** One saliency map with its caption, colour bar, progress, value and words. */
import type { MapName } from "../../kit/colours";
import { type Pixels, type Range } from "../../kit/compose";
import { type Entry, type Region, type Scale, type Subject, massIn, paintMap, progress, saidRange, short, valueUnder } from "../../kit/saliency";
import { Bar } from "./bar";
import { h, setText } from "./dom";
import { Panel } from "./panel";
import type { Figure } from "./saliency_sheet";

export interface Look {
  scale: Scale;
  colours: MapName;
  opacity: number;
  describe: boolean;
}

export class MapPanel {
  readonly panel: Panel;
  private readonly bar = new Bar("from the smallest to the largest value", short);
  private readonly gauge = h("progress", { class: "mv-gauge", max: 1, value: 0, hidden: true });
  private readonly pace = h("div", { class: "mv-value" });
  private readonly warning = h("div", { class: "mv-warning", hidden: true, role: "note" });
  private readonly words = h("p", { class: "mv-words", hidden: true });
  private entry: Entry | null = null;
  private range: Range | null = null;

  constructor(
    readonly key: string,
    private readonly caption: string,
    readonly subject: Subject,
  ) {
    this.panel = new Panel(key, caption, caption);
    this.panel.root.append(this.bar.root, this.gauge, this.pace, this.warning, this.words);
  }

  get root(): HTMLElement {
    return this.panel.root;
  }

  draw(entry: Entry | null, range: Range | null, picture: Pixels | null, look: Look, stopped: boolean): void {
    [this.entry, this.range] = [entry, range];
    const ready = entry && range && picture && entry.values.length;
    const wait = stopped ? "stopped" : "waiting for the model …";
    this.panel.show(ready ? paintMap(entry, range, look.colours, picture, look.opacity) : null, entry?.error ? "no map" : wait);
    this.bar.show(ready ? saidRange(range, look.scale) : null, entry?.signed ? "diverging" : look.colours);
    const open = entry !== null && !entry.finished && entry.passes > 1;
    this.gauge.hidden = !open;
    if (open) this.gauge.value = entry.done / entry.passes;
    setText(this.pace, entry && !entry.error ? [progress(entry), entry.best].filter(Boolean).join(" · ") : "");
    this.pace.title = entry ? `${entry.by}, ${entry.batch} at a time` : "";
    const wrong = entry?.error ? `${entry.error.title}. ${entry.error.text}` : entry?.warning ?? "";
    this.warning.hidden = !wrong;
    this.warning.classList.toggle("is-error", Boolean(entry?.error));
    setText(this.warning, wrong);
    this.words.hidden = !look.describe || !entry?.words;
    setText(this.words, entry?.words ?? "");
    this.panel.describe(ready ? entry.words || `${short(range.min)} to ${short(range.max)}` : entry?.error ? wrong : wait);
  }

  /** What is on display here. */
  get figure(): Figure {
    const { panel, caption, subject, bar, pace, warning, words } = this;
    const notes = [pace, warning, words].flatMap((each) => (each.hidden || !each.textContent ? [] : [each.textContent]));
    return { panel, caption, tall: subject.height / subject.width, bar: bar.shown, notes };
  }

  /** The raw number under the cursor; without one, what the drawn region holds. */
  say(at: { x: number; y: number } | null, region: Region | null): void {
    const { entry } = this;
    if (!entry || !this.range) return this.panel.say("");
    const value = at && valueUnder(entry, at.x, at.y);
    if (value !== null) return this.panel.say(short(value));
    const inside = region && massIn(entry, region);
    this.panel.say(inside !== null ? `${(100 * inside).toFixed(1)} % of mass inside` : entry.signed ? "red for, blue against" : "");
  }
}
