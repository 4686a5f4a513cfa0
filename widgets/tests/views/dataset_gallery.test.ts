// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { DatasetGalleryTraits } from "../../src/traits";
import widget from "../../src/views/dataset_gallery";
import { Fake, bytes } from "../fake_model";
import { countListeners } from "./listeners";
import { stage } from "./stage";

const item = (row: number, more = {}) => ({ row, name: `${row}.png`, label: "<b>fox</b>", told: "2.5", error: "", size: 1, ...more });
const found = { count: 3, of: 5, page: 0, pages: 2, broken: 1, items: [item(4), item(2), item(0, { size: 0, error: "no picture" })] };
const traits = (): DatasetGalleryTraits => ({
  title: "store", filters: {}, sort: "row", descending: false, colour: "loss", page: 0, size: 3, picked: -1, tools: ["MaskPainter"], wanted: "", dark: false, chosen: -1, clear: 0,
  columns: [{ name: "label", kind: "class", values: [[0, "bee"], [1, "fox"]] }, { name: "loss", kind: "number", min: 0, max: 4 }],
  found, thumbnails: bytes([1, 2]), detail: {}, picture: bytes([]), problem: {},
});

function mount() {
  const model = new Fake<DatasetGalleryTraits>(traits());
  return { model, ...stage(widget, model) };
}

beforeEach(() => {
  vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: vi.fn(() => "blob:x"), revokeObjectURL: vi.fn() }));
});
afterEach(() => {
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

test("thumbnails with words, the broken one said, names never as markup", () => {
  const { all } = mount();
  expect(all(".mv-gallery-words").map((each) => each.textContent)).toEqual(Array(3).fill("2.5 · <b>fox</b>"));
  expect(all(".mv-gallery-item img").length).toBe(2);
  expect(all(".mv-gallery-frame")[2]!.textContent).toBe("broken");
  expect(all("b").length).toBe(0);
  expect(all("[role=status]")[0]!.textContent).toBe("3 of 5 pictures, 1 broken");
});

test("a click picks, and what is picked is marked", () => {
  const { model, all } = mount();
  all(".mv-gallery-item")[1]!.click();
  expect(model.last).toEqual({ picked: 2 });
  expect(all("[aria-selected=true]").map((each) => each.dataset.row)).toEqual(["2"]);
  model.push({ detail: { row: 2, facts: [["name", "2.png"]], note: "gone" } });
  expect(all(".mv-gallery-picked")[0]!.textContent).toContain("2.png");
  all(".mv-gallery-picked .mv-button")[0]!.click();
  expect(model.last).toEqual({ wanted: "MaskPainter" });
});

test("pages end at the last one", () => {
  const { model, all } = mount();
  const [back, next] = all(".mv-gallery-pager .mv-button");
  back!.click();
  expect(model.sent.filter((each) => "page" in each)).toEqual([]);
  next!.click();
  expect(model.last).toEqual({ page: 1 });
});

test("filters by number and by class, taken away by their chip", () => {
  const { model, all } = mount();
  const which = all("[aria-label='Filter by']")[0] as HTMLSelectElement;
  const set = (element: HTMLInputElement | HTMLSelectElement, value: string) => {
    element.value = value;
    element.dispatchEvent(new Event("change"));
  };
  set(which, "loss");
  set(all("[aria-label='At least']")[0] as HTMLInputElement, "2");
  expect(model.last).toEqual({ filters: { loss: [2, null] } });
  set(which, "label");
  set(all("[aria-label='Class to show']")[0] as HTMLSelectElement, "1");
  expect(model.last).toEqual({ filters: { loss: [2, null], label: [1] } });
  expect(all(".mv-gallery-chips button").map((each) => each.textContent)).toEqual(["label: fox ×", "loss ≥ 2 ×"]);
  all(".mv-gallery-chips button")[1]!.click();
  expect(model.last).toEqual({ filters: { label: [1] } });
});

test("nothing passes: it says what to do", () => {
  const { model, all } = mount();
  model.push({ found: { ...found, count: 0, items: [] } });
  expect(all(".mv-gallery-grid")[0]!.textContent).toContain("take one away");
});

test("off the page, nothing listens", () => {
  const counter = countListeners();
  const { model, host, all } = mount();
  all(".mv-gallery-item")[0]!.click();
  expect(model.listeners).toBeGreaterThan(5);
  host.abort();
  expect(model.listeners).toBe(0);
  expect(counter.live()).toBe(0);
  counter.stop();
});
