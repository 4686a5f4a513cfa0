/** JudgeBoard: which map can be trusted, by whose measure, and how sure is that? */
import type { AnyModel } from "@anywidget/types";
import { asBytes } from "../kit/binary";
import { type Board, type Judge, readBoard, readDetail, readJudges } from "../kit/board";
import { panelWidth } from "../kit/layout";
import { follow, listen, watchSize } from "../kit/lifetime";
import { list, number, record, text } from "../kit/read";
import { renderer } from "../kit/renderer";
import { readProblem } from "../kit/report";
import type { JudgeBoardTraits } from "../traits";
import { BoardFilm } from "./parts/board_film";
import { h, setText } from "./parts/dom";
import { download } from "./parts/download";
import { field } from "./parts/fields";
import { ProblemArea } from "./parts/problems";
import { type Given, ScoreTable, drawDiffering } from "./parts/score_table";
import { StatusLine } from "./parts/status_line";

const GAP = 12;

class JudgeBoard {
  private readonly root = h("div", { class: "mv-widget mv-judge" });
  private readonly title = h("div", { class: "mv-title" });
  private readonly hold = h("button", { type: "button", class: "mv-button", "data-action": "stop" }, "Stop");
  private readonly progress = h("progress", { class: "mv-judge-progress", max: 1, value: 0, "aria-label": "Cells judged" });
  private readonly picture = h("select", { "aria-label": "Picture of the film" });
  private readonly differing = h("div", { class: "mv-judge-scroll" });
  private readonly body = h("div", { class: "mv-judge-body" });
  private readonly board: ScoreTable;
  private readonly film: BoardFilm;
  private readonly status: StatusLine;
  private readonly problems: ProblemArea;
  private given: Given = { methods: [], words: {}, baselines: [], judges: [] };
  private known: Board = readBoard({});
  private frame = 0;

  constructor(
    private readonly model: AnyModel<JudgeBoardTraits>,
    el: HTMLElement,
    private readonly signal: AbortSignal,
  ) {
    this.status = new StatusLine({}, signal);
    this.problems = new ProblemArea(signal);
    this.board = new ScoreTable((method, judge) => this.select(method, judge), () => this.draw());
    this.film = new BoardFilm(field("Picture", this.picture), signal);
    this.assemble();
    el.append(this.root);
    this.connect();
    signal.addEventListener("abort", () => (this.board.end(), cancelAnimationFrame(this.frame)), { once: true });
  }

  private assemble(): void {
    const { signal, model } = this;
    const exported = (kind: string, word: string, hint: string) => {
      const button = h("button", { type: "button", class: "mv-button", "data-action": kind, title: hint }, word);
      listen(button, "click", () => this.put("wanted", kind), signal);
      return button;
    };
    listen(this.hold, "click", () => this.put("stopped", !model.get("stopped")), signal);
    listen(this.picture, "change", () => {
      const [method, judge] = model.get("selected");
      if (method && judge) this.select(method, judge);
    }, signal);
    const files = h("div", { class: "mv-group", role: "group", "aria-label": "Export" },
      exported("csv", "CSV", "Every cell, one a line"), exported("latex", "LaTeX", "The table with its intervals"),
      exported("manifest", "Manifest", "Model hash, pictures, methods, judges, seed and versions, as JSON"));
    const about = "How far two judges differ in their order of the methods: 0 the same, 0.5 as by chance, 1 reversed.";
    const differ = h("details", { class: "mv-judge-details" }, h("summary", {}, "Where judges disagree"), h("p", {}, about), this.differing);
    this.body.append(this.board.root, this.film.root, differ);
    this.root.append(h("div", { class: "mv-row mv-head" }, this.title, h("div", { class: "mv-group" }, this.hold), files), this.progress, this.body, this.problems.root, this.status.root);
  }

  private connect(): void {
    const { model, signal } = this;
    const on = (name: keyof JudgeBoardTraits, read: () => void) => {
      follow(model, `change:${name}`, read, signal);
      read();
    };
    on("title", () => setText(this.title, model.get("title")));
    on("about", () => this.takeAbout());
    on("known", () => {
      this.known = readBoard(record(model.get("known")));
      this.draw();
    });
    on("stopped", () => this.draw());
    on("selected", () => this.takeSelected());
    on("detail", () => this.takeDetail());
    follow(model, "change:file", () => this.takeFile(), signal);
    on("problem", () => (this.problems.remote = readProblem(model.get("problem"))));
    watchSize(this.body, () => this.fit(), signal);
  }

  private put<K extends "selected" | "stopped" | "wanted">(name: K, value: JudgeBoardTraits[K]): void {
    this.model.set(name, value);
    this.model.save_changes();
  }

  private select(method: string, judge: string): void {
    this.put("selected", [method, judge, this.picture.value || "0"]);
  }

  private takeAbout(): void {
    const about = record(this.model.get("about"));
    const words = Object.fromEntries(Object.entries(record(about.methods)).map(([name, value]) => [name, text(value)]));
    const judges: Judge[] = readJudges(about.judges);
    this.given = { methods: this.model.get("methods"), words, baselines: list(about.baselines).map(text), judges };
    const count = number(about.pictures) ?? 1;
    this.picture.replaceChildren(...Array.from({ length: count }, (_, i) => h("option", { value: i }, `${i + 1} of ${count}`)));
    this.draw();
  }

  private takeSelected(): void {
    const [method, judge, picture] = this.model.get("selected");
    if (picture !== undefined) this.picture.value = picture;
    const told = record(this.model.get("detail")).selected as string[] | undefined;
    const same = told?.join() === this.model.get("selected").join();
    if (!same) this.film.wait(method ? `${method} judged by ${judge}: looking …` : "");
    this.draw();
  }

  private takeDetail(): void {
    const detail = readDetail(record(this.model.get("detail")));
    if (detail && detail.selected.join() !== this.model.get("selected").join()) return; // somebody has clicked on
    void this.film.show(detail, asBytes(this.model.get("pictures_data")).slice()).then(() => this.fit());
  }

  private takeFile(): void {
    const file = record(this.model.get("file"));
    if (!text(file.name)) return;
    download(new Blob([text(file.text)], { type: "text/plain" }), text(file.name));
    this.status.tell(`${text(file.name)} saved`);
  }

  /** Once a frame at most. */
  private draw(): void {
    if (this.frame || this.signal.aborted) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      const { done, of, seconds } = this.known;
      const stopped = this.model.get("stopped");
      this.board.draw(this.known, this.given, this.model.get("selected"));
      drawDiffering(this.differing, this.known, this.given.judges);
      this.progress.max = Math.max(1, of);
      this.progress.value = done;
      this.progress.hidden = done === of;
      setText(this.hold, stopped ? "Go on" : "Stop");
      this.hold.hidden = done === of;
      this.hold.setAttribute("aria-pressed", String(stopped));
      const state = done === of ? "exact" : stopped ? "stopped" : "working …";
      const device = text(record(this.model.get("about")).device);
      this.status.show(state, [device, `${done} of ${of} cells`, `${seconds.toFixed(1)} s`].filter(Boolean), done ? "" : "The first cells are on their way.");
    });
  }

  private fit(): void {
    this.root.style.setProperty("--mv-width", `${panelWidth(this.body.clientWidth, GAP, Math.min(240, this.body.clientWidth))}px`);
    this.film.fit();
  }
}

export default { render: renderer(JudgeBoard) };
