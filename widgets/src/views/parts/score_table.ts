/** The leaderboard: methods down, judges across; a cell shows its number, its interval, and opens what is behind it. */
import { type Board, type Judge, brief, column, keyOf, pace, sorted } from "../../kit/board";
import { listen } from "../../kit/lifetime";
import { h } from "./dom";

export interface Given {
  methods: string[];
  words: Record<string, string>; // repr of each method
  baselines: string[];
  judges: Judge[];
}

export class ScoreTable {
  readonly root = h("div", { class: "mv-judge-scroll", tabindex: "0", role: "region", "aria-label": "Leaderboard" });
  private order: string | null = null;
  private painted: AbortController | null = null;

  constructor(
    private readonly open: (method: string, judge: string) => void,
    private readonly again: () => void,
  ) {}

  draw(board: Board, given: Given, selected: string[]): void {
    const focus = (document.activeElement as HTMLElement | null)?.dataset?.cell;
    const kept = this.root.contains(document.activeElement) ? focus : undefined;
    this.painted?.abort();
    const { signal } = (this.painted = new AbortController());
    const judge = given.judges.find(({ name }) => name === this.order) ?? null;
    const columns = given.judges.map((each) => ({ judge: each, ...column(board, each, given.methods) }));
    const head = h("tr", {}, h("th", { scope: "col", class: "mv-judge-name" }, "method"), ...given.judges.map((each) => this.head(each, signal)), h("th", { scope: "col", title: "Seconds for one picture: its map and all that was judged" }, "s / picture"));
    const rows = sorted(board, given.methods, judge).map((method) => {
      const cells = columns.map(({ judge, min, max, best }) => this.cell(board, method, judge, { min, max, best: best === method }, selected, signal));
      const name = h("span", { title: given.words[method] ?? "" }, method);
      const base = given.baselines.includes(method) ? h("span", { class: "mv-judge-tag", title: "Knows nothing of the model: any method must beat it" }, "baseline") : "";
      return h("tr", {}, h("th", { scope: "row", class: "mv-judge-name" }, name, base), ...cells, h("td", { class: "mv-judge-pace" }, brief(pace(board, method, given.judges))));
    });
    this.root.replaceChildren(h("table", { class: "mv-judge-table" }, h("thead", {}, head), h("tbody", {}, ...rows)));
    if (kept) this.root.querySelector<HTMLElement>(`[data-cell="${CSS.escape(kept)}"]`)?.focus();
  }

  end(): void {
    this.painted?.abort();
  }

  private head(judge: Judge, signal: AbortSignal): HTMLElement {
    const on = this.order === judge.name;
    const word = judge.higher ? "higher is better" : "lower is better";
    const button = h("button", { type: "button", class: "mv-judge-head", "data-cell": `head ${judge.name}`, title: `${judge.words} Click to sort by it.` }, judge.name, h("small", {}, `${judge.higher ? "↑" : "↓"} ${word}${on ? " · sorted" : ""}`));
    listen(button, "click", () => {
      this.order = on ? null : judge.name;
      this.again();
    }, signal);
    return h("th", { scope: "col", "aria-sort": on ? (judge.higher ? "descending" : "ascending") : "none" }, button);
  }

  private cell(board: Board, method: string, judge: Judge, scale: { min: number; max: number; best: boolean }, selected: string[], signal: AbortSignal): HTMLElement {
    const cell = board.cells.get(keyOf(method, judge.name));
    const chosen = selected[0] === method && selected[1] === judge.name;
    if (!cell || (cell.mean === null && !cell.error && !cell.count)) {
      return h("td", { class: "mv-judge-cell" }, h("span", { class: "mv-judge-none", title: cell?.seconds ? "This judge can say nothing of this map" : "not judged yet" }, cell?.seconds ? "n/a" : "·"));
    }
    if (cell.error) return h("td", { class: "mv-judge-cell" }, h("span", { class: "mv-judge-error", title: cell.error }, "no map"));
    const place = (value: number | null) => (scale.max > scale.min && value !== null ? (100 * (value - scale.min)) / (scale.max - scale.min) : 50);
    const sure = cell.low === null ? "one picture" : `95 % ${brief(cell.low)} to ${brief(cell.high)}`;
    const bar = h("span", { class: "mv-judge-bar", "aria-hidden": "true" });
    if (cell.low !== null) bar.append(h("i", { style: `left:${place(cell.low)}%;width:${Math.max(1, place(cell.high) - place(cell.low))}%` }));
    bar.append(h("b", { style: `left:${place(cell.mean)}%` }));
    const label = `${method} by ${judge.name}: ${brief(cell.mean)}, ${sure}, ${cell.count} ${cell.count === 1 ? "picture" : "pictures"}${scale.best ? ", the best" : ""}`;
    const button = h("button", { type: "button", class: `mv-judge-open${scale.best ? " is-best" : ""}`, "data-cell": `${method}|${judge.name}`, "aria-label": label, "aria-pressed": String(chosen), title: `${label}. Click to look into it.` }, h("span", {}, brief(cell.mean)), bar);
    listen(button, "click", () => this.open(method, judge.name), signal);
    return h("td", { class: "mv-judge-cell" }, button);
  }
}

/** How far each two judges differ in their order of the methods. */
export function drawDiffering(root: HTMLElement, board: Board, judges: Judge[]): void {
  const head = h("tr", {}, h("th", {}), ...judges.map((_, i) => h("th", { scope: "col", title: judges[i]!.name }, String(i + 1))));
  const rows = judges.map((a, i) => {
    const cells = judges.map((b) => {
      const value = board.differ.get(keyOf(a.name, b.name));
      const shade = value === undefined || a === b ? "" : `background: color-mix(in srgb, var(--mv-warn-bg) ${Math.round(100 * value)}%, transparent)`;
      return h("td", { style: shade, title: `${a.name} and ${b.name}` }, value === undefined ? "·" : a === b ? "" : value.toFixed(2));
    });
    return h("tr", {}, h("th", { scope: "row" }, `${i + 1} ${a.name}`), ...cells);
  });
  root.replaceChildren(h("table", { class: "mv-judge-differ" }, h("thead", {}, head), h("tbody", {}, ...rows)));
}
