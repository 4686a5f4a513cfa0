// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { JudgeBoardTraits } from "../../src/traits";
import widget from "../../src/views/judge_board";
import { fakeCanvas } from "../fake_canvas";
import { Fake, bytes } from "../fake_model";
import { countListeners } from "./listeners";
import { stage } from "./stage";

const known = (more = {}) => ({
  cells: [["A", "Deletion", 0.2, 0.1, 0.3, 2, 1, ""], ["B", "Deletion", 0.1, null, null, 1, 1, ""], ["A", "Mass", null, null, null, 0, 0, ""], ["B", "Mass", null, null, null, 0, 0.2, "TypeError: no classes"]],
  differ: [["Deletion", "Mass", 0.5]], done: 3, of: 8, seconds: 2, ...more,
});
const traits = (): JudgeBoardTraits => ({
  title: "Judge", methods: ["A", "B"], judges: ["Deletion", "Mass"], stopped: false, selected: [], known: known(), detail: {}, pictures_data: bytes([]), wanted: "", file: {}, problem: {},
  about: { judges: { Deletion: { better: "lower", words: "Falls.", film: true }, Mass: { better: "higher", words: "Lies inside.", film: false } }, methods: { A: "A()", B: "B()" }, pictures: 2, baselines: ["A"], device: "cpu" },
}) as unknown as JudgeBoardTraits;
const settle = () => new Promise((resolve) => setTimeout(resolve, 40));

async function mount() {
  const model = new Fake<JudgeBoardTraits>(traits());
  const staged = stage(widget, model);
  await settle();
  return { model, ...staged };
}

beforeEach(() => void fakeCanvas({ width: 4, height: 4 }));
afterEach(() => {
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

describe("the leaderboard", () => {
  test("numbers, the best one marked, the baseline named, errors in their place", async () => {
    const { all } = await mount();
    expect(all("tbody th").slice(0, 2).map((each) => each.textContent)).toEqual(["Abaseline", "B"]);
    expect(all(".mv-judge-open").map((each) => each.textContent)).toEqual(["0.2", "0.1"]);
    expect(all(".is-best").map((each) => each.textContent)).toEqual(["0.1"]);
    expect(all(".mv-judge-error")[0]!.title).toContain("no classes");
    expect(all(".mv-judge-open")[0]!.getAttribute("aria-label")).toBe("A by Deletion: 0.2, 95 % 0.1 to 0.3, 2 pictures");
  });

  test("a head sorts by its judge, and back", async () => {
    const { all } = await mount();
    all(".mv-judge-head")[0]!.click();
    await settle();
    expect(all(".mv-judge-table tbody th").map((each) => each.textContent)).toEqual(["B", "Abaseline"]);
    expect(all("[aria-sort=ascending]").length).toBe(1);
    all(".mv-judge-head")[0]!.click();
    await settle();
    expect(all(".mv-judge-table tbody th").map((each) => each.textContent)).toEqual(["Abaseline", "B"]);
  });

  test("stops, goes on, and says how far it is", async () => {
    const { model, all } = await mount();
    expect(all(".mv-parts")[0]!.textContent).toContain("3 of 8 cells");
    all('[data-action="stop"]')[0]!.click();
    expect(model.last).toEqual({ stopped: true });
    await settle();
    expect(all('[data-action="stop"]')[0]!.textContent).toBe("Go on");
    expect(all(".mv-state")[0]!.textContent).toBe("stopped");
    model.push({ known: known({ done: 8 }) });
    await settle();
    expect(all(".mv-state")[0]!.textContent).toBe("exact");
  });
});

describe("behind a number", () => {
  const detail = { selected: ["A", "Deletion", "0"], value: 0.2, note: "", asked: "cat", curve: { x: [0, 0.5, 1], y: [0.6, 0.2, 0.1], x_label: "share hidden", y_label: "probability" },
    films: ["grey", "in-painted"].map((name) => ({ name, exact: true, width: 4, height: 4, frames: [0, 1, 2].map((i) => ({ share: i / 2, score: 0.6 - 0.2 * i, top: [["cat", 0.6 - 0.2 * i]], start: 0, size: 1 })) })) };

  test("a click asks, the answer is a curve and two films under one slider", async () => {
    const { model, all } = await mount();
    all(".mv-judge-open")[0]!.click();
    expect(model.last).toEqual({ selected: ["A", "Deletion", "0"] });
    expect(all(".mv-judge-heading")[0]!.textContent).toContain("looking …");
    model.push({ pictures_data: bytes([1]), detail });
    await settle();
    expect(all(".mv-judge-heading")[0]!.textContent).toBe("A judged by Deletion: 0.2");
    const slider = all<HTMLInputElement>(".mv-judge-film input[type=range]")[0]!;
    expect(slider.max).toBe("2");
    slider.value = "1";
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    expect(all(".mv-judge-film .mv-value").map((each) => each.textContent)).toEqual(["probability 0 to 0.6 ↑", "50 % gone · cat 40.0 %", "50 % gone · cat 40.0 %"]);
    expect(all("line.is-cursor").length).toBe(1);
  });

  test("an answer to an older click is not shown", async () => {
    const { model, all } = await mount();
    model.push({ selected: ["B", "Deletion", "0"] });
    model.push({ detail });
    await settle();
    expect(all(".mv-judge-heading")[0]!.textContent).toBe("B judged by Deletion: looking …");
  });
});

test("names of methods are text, never markup", async () => {
  const { model, all } = await mount();
  const evil = "<img src=x onerror=alert(1)>";
  model.push({ methods: [evil], about: { ...traits().about, methods: { [evil]: evil } }, known: known({ cells: [[evil, "Deletion", 0.2, null, null, 1, 1, ""]] }) });
  await settle();
  expect(all("img").length).toBe(0);
  expect(all(".mv-judge-table tbody th")[0]!.textContent).toBe(evil);
});

test("nothing listens after the end", async () => {
  const counter = countListeners();
  const { model, host, all } = await mount();
  all(".mv-judge-head")[0]!.click();
  await settle();
  expect(model.listeners).toBeGreaterThan(0);
  host.abort();
  await settle();
  expect(model.listeners).toBe(0);
  expect(counter.live()).toBe(0);
  counter.stop();
});
