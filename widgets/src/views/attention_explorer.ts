/** AttentionExplorer: every layer and head at a glance, one layer under the pointer. */
import { asBytes } from "../kit/binary";
import type { Cell } from "../kit/atlas";
import { sortHeads } from "../kit/atlas";
import type { Pixels } from "../kit/compose";
import { decode } from "../kit/decode";
import { Exploration, type ExplorerModel } from "../kit/exploration";
import { count } from "../kit/mask";
import { describeKnockouts } from "../kit/knockouts";
import { follow, watchSize } from "../kit/lifetime";
import { list, number, record, text } from "../kit/read";
import { renderer } from "../kit/renderer";
import { readProblem } from "../kit/report";
import { nameOf, placeOf, saidOf } from "../kit/stacks";
import type { AttentionExplorerTraits } from "../traits";
import { CertificateChip } from "./parts/certificate";
import { Classes } from "./parts/classes";
import { h, setText } from "./parts/dom";
import { explorerActions } from "./parts/explorer_actions";
import { Heads, type Look } from "./parts/heads";
import { keyboard } from "./parts/keyboard";
import { LookSettings, STATISTICS } from "./parts/look";
import { Overview } from "./parts/overview";
import { ProblemArea } from "./parts/problems";
import { Query } from "./parts/query";
import { Save } from "./parts/save";
import { StatusLine } from "./parts/status_line";
import { Buttons } from "./parts/toolbar";

const GAP = 12;
const MEANING = {
  exact: "Float32, as the model computed it in this pass",
  "coarse (one byte a patch)": "While the pointer moves, rows are read from one byte for each patch; the value lines say how far they may be off",
};

class AttentionExplorer {
  private readonly root = h("div", { class: "mv-widget mv-explorer" });
  private readonly title = h("div", { class: "mv-title" });
  private readonly look: Look = { show: "all", shared: false, map: "viridis", mass: 0, order: [] };
  private readonly session: Exploration;
  private readonly query: Query;
  private readonly heads: Heads;
  private readonly settings: LookSettings;
  private readonly overviews: Overview[];
  private readonly classes = new Classes();
  private readonly certificate = new CertificateChip();
  private readonly buttons: Buttons;
  private readonly status: StatusLine;
  private readonly problems: ProblemArea;
  private readonly caption = h("h3", { class: "mv-layer" });
  private readonly top = h("div", { class: "mv-top" });
  private readonly tool = { on: false, token: () => this.session.token };
  private readonly parts = h("div", { class: "mv-group", role: "group", "aria-label": "Part of the model" });
  private picture: Pixels | null = null;
  private due: "nothing" | "heads" | "all" = "nothing"; // to be drawn in the next frame
  private started = 0; // when the pointer moved

  constructor(
    private readonly model: ExplorerModel,
    el: HTMLElement,
    private readonly signal: AbortSignal,
  ) {
    this.session = new Exploration(model, (hover) => this.update(hover ? "heads" : "all"), signal);
    this.settings = new LookSettings(this.look, () => this.fit(), signal);
    this.query = new Query(this.session, () => this.tool.on, signal);
    this.heads = new Heads(this.session, this.look, () => this.update("all"), () => this.tool.on, signal);
    this.buttons = new Buttons(signal);
    this.status = new StatusLine(MEANING, signal);
    this.problems = new ProblemArea(signal);
    this.overviews = [0, 1].map((side) => new Overview(side, this.session, this.look, (s, cell) => this.tellCell(s, cell), (said) => this.status.say(said), signal));
    for (const each of this.overviews) each.redraw = () => this.update("all");
    this.assemble();
    el.append(this.root);
    this.listen();
    this.fit();
  }

  private assemble(): void {
    const { buttons, session, settings, query, heads, root, signal } = this;
    const image = h("img", { alt: "" });
    const tell = (news: string) => this.status.tell(news);
    const save = new Save(session, { heads: () => heads, opacity: () => settings.opacity, picture: () => (image.complete ? image : null), aspect: () => this.aspect }, tell, signal);
    const all = explorerActions(session, this.look, this.tool, save, () => this.fit());
    const row = (name: string, ...children: Node[]) => h("div", { class: `mv-row mv-${name}` }, ...children);
    this.parts.append(...buttons.group("part", "Part of the model", all).children);
    const head = row("head", this.title, buttons.group("file", "Files", all));
    const toolbar = row("toolbar", this.parts, buttons.group("show", "Heads that are shown", all), buttons.group("edit", "Knock out and restore", all));
    const asking = h("div", { class: "mv-asking" }, query.panel.root, h("div", { class: "mv-from" }, h("span", {}, "other tokens"), query.chips));
    this.top.append(asking, ...this.overviews.map(({ root: each }) => each), this.classes.root);
    const opened = row("opened", this.caption, buttons.group("layer", "Layer", all), settings.zoom);
    this.status.line.append(this.certificate.root);
    root.append(head, toolbar, row("look", ...settings.fields), this.problems.root, this.top, opened, heads.root, this.status.root);
    const cursor = {
      step: (rows: number, cols: number) => (this.asks ? query.step(rows, cols) : heads.step(rows, cols)),
      toggle: () => (this.asks ? query.keep() : session.pin(nameOf(heads.at))),
    };
    keyboard(root, cursor, all, () => this.status.say(this.asks ? query.panel.text : heads.text), signal);
    follow(this.model, "change:original", () => void this.takePicture(image), signal);
    void this.takePicture(image);
  }

  /** The keyboard is on the picture that asks, not on a head. */
  private get asks(): boolean {
    return this.query.panel.frame.contains(document.activeElement);
  }

  private get aspect(): number {
    return this.model.get("height") / Math.max(1, this.model.get("width"));
  }

  private listen(): void {
    const { model, signal, root } = this;
    const on = (name: keyof AttentionExplorerTraits, read: () => void) => {
      follow(model, `change:${name}`, read, signal);
      read();
    };
    on("title", () => setText(this.title, model.get("title")));
    on("report", () => this.update("all"));
    on("problem", () => {
      this.problems.remote = readProblem(model.get("problem"));
      this.update("all");
    });
    watchSize(root, () => this.fit(), signal);
  }

  private async takePicture(image: HTMLImageElement): Promise<void> {
    const bytes = asBytes(this.model.get("original")).slice();
    const kind = bytes[0] === 0xff ? "jpeg" : "png";
    const url = `data:image/${kind};base64,${btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))}`;
    image.src = url;
    this.root.style.setProperty("--mv-picture", `url(${url})`);
    this.picture = await decode(new Blob([bytes])).catch(() => null);
    if (!this.signal.aborted) this.update("all");
  }

  /** Something to draw, in the next frame: a fast hand moves several times between two. */
  private update(what: "heads" | "all"): void {
    if (what === "heads" && this.due === "nothing") this.started = performance.now();
    if (this.due === "nothing") requestAnimationFrame(() => this.signal.aborted || this.draw());
    this.due = what === "all" || this.due === "all" || this.session.complete ? "all" : "heads";
  }

  private draw(): void {
    const { session, look, settings } = this;
    const all = this.due === "all";
    this.due = "nothing";
    settings.offer(session.known.statistics(session.part));
    const statistics = session.stacks.map((_, side) => session.statistic(side, settings.statistic));
    look.order = session.stacks.map((stack, side) => sortHeads(stack, settings.sorted ? statistics[side]! : null));
    const problem = readProblem(this.model.get("problem"));
    this.root.classList.toggle("is-failed", problem !== null);
    this.heads.draw(problem ? "no result" : session.sides.length ? "fetching the layer …" : "computing …");
    this.query.draw(this.picture);
    setText(this.caption, placeOf(session.shape(0), session.layer, session.token, session.depth));
    if (all) this.drawRest(statistics);
    this.inform(problem !== null);
    this.measure();
  }

  private drawRest(statistics: (Float32Array[] | null)[]): void {
    const { session, model, root } = this;
    const report = model.get("report");
    const width = Math.min(root.clientWidth - 26, 460);
    this.overviews.forEach((overview, side) => {
      const name = session.sides.length > 1 ? ` · ${session.sides[side]?.name}` : "";
      overview.draw(width, this.aspect, `layers × heads, from ${saidOf(session.complete ? session.token : session.pinned)}${name}`, statistics[side] ?? null);
    });
    const edited = session.knockouts.heads.length + session.knockouts.tokens.length > 0;
    this.classes.draw(report.classes, session.sides.map(({ name }) => name), edited);
    this.certificate.draw(record(report.certificate));
    this.parts.hidden = session.parts.length < 2;
    this.buttons.update();
  }

  private inform(failed: boolean): void {
    const { session, model } = this;
    const report = model.get("report");
    const rows = session.stacks.flatMap((_, side) => session.rows(side) ?? []);
    const known = rows.length > 0 && !session.waiting;
    const state = failed ? "no result" : !known ? "computing …" : rows.every((row) => !row || row.exact) ? "exact" : "coarse (one byte a patch)";
    const models = list(report.models).map((each) => `${text(record(each).name)} · ${text(record(each).device)}`);
    const losses = list(report.losses).flatMap((each) => describeLoss(record(each)));
    const hidden = asBytes(model.get("hidden"));
    const masked = hidden.length ? [`${count(hidden)} of ${hidden.length} patches hidden`] : [];
    const ms = number(report.ms);
    const time = ms === null ? [] : [`${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`];
    this.status.show(state, [...models, ...time, ...masked, ...losses, describeKnockouts(session.knockouts)].filter(Boolean));
  }

  /** From the pointer's move to the picture: a benchmark reads it. */
  private measure(): void {
    if (!this.started) return;
    performance.measure("mimviz:hover", { start: this.started, end: performance.now() });
    this.started = 0;
  }

  private fit(): void {
    const { root, settings } = this;
    const room = root.clientWidth - 26;
    const columns = Math.max(2, Math.min(6, Math.floor((room + GAP) / (140 + GAP))));
    const width = Math.min(settings.width ?? Math.min(300, Math.floor((room - (columns - 1) * GAP) / columns)), Math.max(room, 64));
    root.style.setProperty("--mv-width", `${width}px`);
    root.style.setProperty("--mv-aspect", `${this.model.get("width")} / ${this.model.get("height")}`);
    root.style.setProperty("--mv-opacity", String(settings.opacity));
    if (settings.width === null && width > 0) settings.showWidth(width);
    const ratio = window.devicePixelRatio || 1;
    this.query.panel.fit(ratio);
    this.heads.fit(ratio);
    this.update("all");
  }

  private tellCell(side: number, { layer, head }: Cell): string {
    const said = Object.entries(STATISTICS).flatMap(([name, { word, unit }]) => {
      const value = this.session.statistic(side, name)?.[layer]?.[head];
      return value === undefined || Number.isNaN(value) ? [] : [`${word} ${value.toFixed(2)}${unit && ` ${unit}`}`];
    });
    return [`${this.session.shape(side, layer)?.pool ? "pooling" : `layer ${layer + 1}`}, head ${head + 1}`, ...said].join(" · ");
  }
}

function describeLoss(raw: Record<string, unknown>): string[] {
  const [now, before] = [number(raw.now), number(raw.before)];
  if (now === null) return [];
  return [`loss ${now.toPrecision(3)}${before !== null && before !== now ? ` (was ${before.toPrecision(3)})` : ""}`];
}

export default { render: renderer(AttentionExplorer) };
