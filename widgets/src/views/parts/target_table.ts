/** Which targets see edges, colour, parts: a row for each, a bar for each answer. */
import { type Answers, QUESTIONS, fullness } from "../../kit/target_explorer";
import { h } from "./dom";

export class TargetTable {
  readonly root = h("table", { class: "mv-sees" });

  draw(names: string[], answers: Map<string, Answers>, failed: Set<string>): void {
    const heads = QUESTIONS.map(({ name, unit, hint }) => h("th", { scope: "col", title: hint }, name, " ", h("small", {}, unit)));
    const rows = names.map((name) => {
      const told = answers.get(name);
      const cells = QUESTIONS.map(({ name: question, base }) => {
        const value = told?.[question];
        if (value === undefined) return h("td", { class: "is-open" }, failed.has(name) ? "–" : "…");
        if (value === null) return h("td", { title: "cannot be measured on these pictures" }, "?");
        const bar = h("span", { class: "mv-seesbar", "aria-hidden": "true" }, h("span", {}));
        (bar.firstChild as HTMLElement).style.width = `${100 * fullness(value, base)}%`;
        return h("td", {}, h("span", { class: "mv-seesvalue" }, value.toFixed(2)), bar);
      });
      return h("tr", {}, h("th", { scope: "row" }, name), ...cells);
    });
    this.root.replaceChildren(h("caption", {}, "What each target sees"), h("thead", {}, h("tr", {}, h("td", {}), ...heads)), h("tbody", {}, ...rows));
  }
}
