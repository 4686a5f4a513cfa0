/** SaliencyComparer: maps of many methods side by side, on one honest scale. */
import type { AnyModel } from "@anywidget/types";
import { asBytes, asFloats } from "../kit/binary";
import type { Pixels } from "../kit/compose";
import { decode } from "../kit/decode";
import { indexOf } from "../kit/grid";
import { panelWidth } from "../kit/layout";
import { follow, listen, watchSize } from "../kit/lifetime";
import { number, record, text } from "../kit/read";
import { renderer } from "../kit/renderer";
import { readProblem } from "../kit/report";
import { type Entry, type Subject, keyOf, patchesIn, rangesOf, readEntry, readRegion, readSubjects, toTable } from "../kit/saliency";
import type { SaliencyComparerTraits } from "../traits";
import { ClassPicker, MethodMenu } from "./parts/choices";
import { h, ownKeys, setText } from "./parts/dom";
import { type Look, MapPanel } from "./parts/map_panel";
import { Panel } from "./parts/panel";
import { ProblemArea } from "./parts/problems";
import { RegionTool } from "./parts/region";
import { SaliencyFiles } from "./parts/saliency_files";
import { SCALES, SaliencyLook } from "./parts/saliency_look";
import type { Page } from "./parts/saliency_sheet";
import { StatusLine } from "./parts/status_line";

const GAP = 12;

class SaliencyComparer {
  private readonly root = h("div", { class: "mv-widget mv-saliency" });
  private readonly title = h("div", { class: "mv-title" });
  private readonly body = h("div", { class: "mv-body" });
  private readonly look: Look = { scale: "each", colours: "viridis", opacity: 1, describe: false };
  private readonly entries = new Map<string, Entry>();
  private subjects: Subject[] = [];
  private pictures: (Pixels | null)[] = [];
  private originals: Panel[] = [];
  private panels: MapPanel[] = [];
  private shown: AbortController | null = null; // of the panels on display
  private width = 0; // of a panel in pixels
  private frame = 0;
  private readonly settings: SaliencyLook;
  private readonly tool: RegionTool;
  private readonly status: StatusLine;
  private readonly problems: ProblemArea;
  private readonly hold = h("button", { type: "button", class: "mv-button", "data-action": "stop" }, "Stop");
  private readonly clear = h("button", { type: "button", class: "mv-button", "data-action": "clear-region", title: "Take the drawn region away (Escape)" }, "Clear region");

  constructor(
    private readonly model: AnyModel<SaliencyComparerTraits>,
    el: HTMLElement,
    private readonly signal: AbortSignal,
  ) {
    this.settings = new SaliencyLook(this.look, () => this.draw(), () => this.fit(), signal);
    this.tool = new RegionTool(() => this.mark(), (region) => this.put("region", region ?? []));
    this.status = new StatusLine({}, signal);
    this.problems = new ProblemArea(signal);
    this.assemble();
    el.append(this.root);
    this.connect();
    signal.addEventListener("abort", () => (this.shown?.abort(), cancelAnimationFrame(this.frame)), { once: true });
    this.put("resend", model.get("resend") + 1); // what other views were told before this one was there
  }

  private assemble(): void {
    const { model, signal } = this;
    listen(this.hold, "click", () => this.put("stopped", !this.model.get("stopped")), signal);
    listen(this.clear, "click", () => this.put("region", []), signal);
    const row = (name: string, ...children: Node[]) => h("div", { class: `mv-row mv-${name}` }, ...children);
    const { fields, words } = this.settings;
    this.root.append(
      row("head", this.title, new SaliencyFiles({ page: () => this.page, table: () => this.table }, (news) => this.status.tell(news), signal).root),
      row("choices", new MethodMenu(model, signal).root, new ClassPicker(model, signal).root),
      row("view", ...fields, h("div", { class: "mv-group" }, this.hold, words, this.clear)),
      this.body, this.problems.root, this.status.root,
    );
  }

  private connect(): void {
    const { model, signal } = this;
    const on = (name: keyof SaliencyComparerTraits, read: () => void) => {
      follow(model, `change:${name}`, read, signal);
      read();
    };
    on("title", () => setText(this.title, model.get("title")));
    on("subjects", () => void this.takeSubjects());
    follow(model, "change:chosen", () => this.rebuild(), signal);
    on("entry", () => this.takeEntry());
    on("region", () => {
      this.tool.region = readRegion(model.get("region"));
      this.mark();
    });
    on("stopped", () => this.draw());
    on("report", () => this.inform());
    on("problem", () => (this.problems.remote = readProblem(model.get("problem"))));
    watchSize(this.body, () => this.fit(), signal);
  }

  private put<K extends "region" | "stopped" | "resend">(name: K, value: SaliencyComparerTraits[K]): void {
    this.model.set(name, value);
    this.model.save_changes();
  }

  private async takeSubjects(): Promise<void> {
    const subjects = readSubjects(this.model.get("subjects"));
    const bytes = asBytes(this.model.get("originals")).slice();
    this.subjects = subjects;
    this.pictures = subjects.map(() => null);
    this.rebuild();
    const pictures = await Promise.all(subjects.map(({ start, size }) => decode(new Blob([bytes.slice(start, start + size)])).catch(() => null)));
    if (this.signal.aborted || subjects !== this.subjects) return;
    this.pictures = pictures;
    this.draw();
  }

  private takeEntry(): void {
    const raw = record(this.model.get("entry"));
    const entry = readEntry(raw, asFloats(this.model.get("part")), this.entries.get(text(raw.key)));
    if (!entry) return;
    this.entries.set(entry.key, entry);
    this.draw();
    if (entry.finished && raw.kept !== true) this.status.say(entry.error ? `${entry.method}: no map` : `${entry.method} is finished`);
  }

  /** Other methods or columns: other panels. */
  private rebuild(): void {
    this.shown?.abort();
    const shown = (this.shown = new AbortController());
    const chosen = this.model.get("chosen");
    this.originals = this.subjects.map((_, i) => new Panel(`original ${i}`, "picture", "the picture as the model sees it"));
    this.panels = this.subjects.flatMap((subject, i) => chosen.map((method) => new MapPanel(keyOf(method, this.columnOf(i)), method, subject)));
    const rows = this.subjects.map(({ label }, i) => {
      const maps = this.panels.slice(i * chosen.length, (i + 1) * chosen.length);
      const panels = h("div", { class: "mv-panels" }, this.originals[i]!.root, ...maps.map((panel) => panel.root));
      return h("section", { "aria-label": label }, h("div", { class: "mv-subject", hidden: this.subjects.length < 2 }, label), panels);
    });
    this.body.replaceChildren(...rows);
    this.originals.forEach((panel, i) => this.equip(panel, this.subjects[i]!, shown.signal));
    for (const { panel, subject } of this.panels) this.equip(panel, subject, shown.signal);
    this.fit();
  }

  private equip(panel: Panel, subject: Subject, signal: AbortSignal): void {
    panel.frame.style.aspectRatio = `${subject.width} / ${subject.height}`;
    panel.frame.tabIndex = 0;
    ownKeys(panel.frame);
    panel.frame.setAttribute("role", "application");
    panel.frame.setAttribute("aria-label", `${panel.name}: arrow keys read values, Space sets the corners of a region, Escape clears it`);
    this.tool.attach(panel.frame, subject, signal);
  }

  /** "model.picture.class" of a column, in the order in which Python makes them. */
  private columnOf(i: number): string {
    const targets = this.model.get("targets");
    const outer = Math.floor(i / targets.length);
    const pictures = number(record(this.model.get("subjects")).pictures) ?? 1;
    return `${Math.floor(outer / pictures)}.${outer % pictures}.${targets[i % targets.length]}`;
  }

  /** Once a frame at most: parts of several maps may come together. */
  private draw(): void {
    if (this.frame || this.signal.aborted) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      const stopped = this.model.get("stopped");
      const shown = this.panels.flatMap((panel) => this.entries.get(panel.key) ?? []);
      const ranges = rangesOf(shown, this.look.scale);
      this.originals.forEach((panel, i) => panel.show(this.pictures[i] ?? null, "opening …"));
      this.panels.forEach((panel) => {
        const picture = this.pictures[this.subjects.indexOf(panel.subject)] ?? null;
        panel.draw(this.entries.get(panel.key) ?? null, ranges.get(panel.key) ?? null, picture, this.look, stopped);
      });
      setText(this.hold, stopped ? "Go on" : "Stop");
      this.hold.setAttribute("aria-pressed", String(stopped));
      this.inform();
      this.mark();
    });
  }

  private mark(): void {
    const { hover, region } = this.tool;
    this.clear.hidden = !region;
    const each = (panel: Panel, subject: Subject) => {
      const ring = hover && { row: Math.floor(hover.y * subject.rows), col: Math.floor(hover.x * subject.cols) };
      panel.mark({ grid: subject, mask: null, strong: true, ring, brush: region ? patchesIn(region, subject) : [] });
      return ring;
    };
    this.originals.forEach((panel, i) => {
      const ring = each(panel, this.subjects[i]!);
      panel.say(ring ? `row ${ring.row + 1}, col ${ring.col + 1} (patch ${indexOf(this.subjects[i]!, ring) + 1})` : `${this.subjects[i]!.width} × ${this.subjects[i]!.height} px`);
    });
    for (const panel of this.panels) {
      each(panel.panel, panel.subject);
      panel.say(hover, region);
    }
  }

  private get models(): string {
    return (record(this.model.get("report")).models as string[] | undefined)?.join(" and ") ?? "";
  }

  /** What is on display, to be drawn as one picture. */
  private get page(): Page {
    const { panels, subjects, width } = this;
    const sections = subjects.map((subject, i) => {
      const picture = { panel: this.originals[i]!, caption: "picture", tall: subject.height / subject.width, bar: null, notes: [] };
      return { label: subjects.length > 1 ? subject.label : "", figures: [picture, ...panels.filter((panel) => panel.subject === subject).map(({ figure }) => figure)] };
    });
    const under = [this.models, `colour scale: ${SCALES[this.look.scale]}`].filter(Boolean).join(" · ");
    const columns = Math.floor((this.body.clientWidth + GAP) / (width + GAP));
    return { title: this.model.get("title"), under, sections, width, columns, scale: 2 * (window.devicePixelRatio || 1) };
  }

  /** The raw numbers of what is on display. */
  private get table(): string {
    return toTable(this.panels.flatMap(({ key, subject }) => {
      const entry = this.entries.get(key);
      return entry ? [{ label: subject.label, entry }] : [];
    }));
  }

  private inform(): void {
    const report = record(this.model.get("report"));
    const [finished, all] = [number(report.finished) ?? 0, number(report.all) ?? 0];
    const stopped = this.model.get("stopped");
    const state = !all ? "waiting for you" : finished === all ? "exact" : stopped ? "stopped" : "working …";
    this.status.show(state, [this.models, String(report.device ?? ""), `${finished} of ${all} maps`], all ? "" : "Choose a method.");
  }

  private fit(): void {
    const width = panelWidth(this.body.clientWidth, GAP, this.settings.width);
    this.root.style.setProperty("--mv-width", `${(this.width = width)}px`);
    for (const panel of [...this.originals, ...this.panels.map(({ panel }) => panel)]) panel.fit(window.devicePixelRatio || 1);
    this.draw();
  }
}

export default { render: renderer(SaliencyComparer) };
