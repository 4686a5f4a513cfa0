// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { fullness, piece } from "../../src/kit/target_explorer";
import type { TargetExplorerTraits } from "../../src/traits";
import widget from "../../src/views/target_explorer";
import { fakeCanvas } from "../fake_canvas";
import { Fake, bytes } from "../fake_model";
import { countListeners } from "./listeners";
import { stage } from "./stage";

const ANSWERS = { edges: 0.8, directions: -0.2, colour: 0.5, parts: 0.75 };

/** One map of 2 × 2 cosines for target `place`. */
function answer(query = [0, 3]): Partial<TargetExplorerTraits> {
  const map = new Uint8Array(Float32Array.from([0.1, -0.4, 0.5, 1]).buffer);
  const at = { place: 0, key: "alike", caption: "alike", meaning: "m", rows: 2, cols: 2, width: 2, height: 2, map: true, unit: "cosine", signed: true, hatched: false, say: "48 numbers", start: 0, size: 16, blank: 0 };
  return {
    panels: [at], pixels: new DataView(map.buffer), report: { query, ms: 12, device: "cpu", done: 1, of: 2 },
    near: [
      { near: [[1, 2, 0.9], [0, 0, 0.4]], tied: 1, problem: {} },
      { near: [], tied: 0, problem: { kind: "error", title: "This target cannot be asked", text: "ValueError: no rows", hint: "" } },
    ],
  };
}

function mount(traits: Partial<TargetExplorerTraits> = {}) {
  const model = new Fake<TargetExplorerTraits>({
    title: "Targets", rows: 2, cols: 2, height: 4, width: 4, names: ["pixels", "HOG"], captions: ["cat", "coffee"], originals: bytes([1, 2]), sizes: [1, 1],
    query: [0, 3], shown: -1, panels: [], pixels: bytes([]), near: [], readout: {}, report: {}, problem: {}, ...traits,
  } as TargetExplorerTraits);
  return { model, ...stage(widget, model) };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 60));
const over = (element: Element, x: number, y: number, type = "pointermove") => {
  element.getBoundingClientRect = () => ({ left: 0, top: 0, width: 100, height: 100 }) as DOMRect;
  element.dispatchEvent(Object.assign(new Event(type, { bubbles: true }), { clientX: x, clientY: y }));
};

beforeEach(() => void fakeCanvas({ width: 4, height: 4 }));
afterEach(() => {
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

describe("columns", () => {
  test("say that they wait, then show the map and the nearest patches with their cosines", async () => {
    const { model, find, all } = mount();
    await settle();
    expect(all(".mv-target h4").map((each) => each.textContent)).toEqual(["pixels", "HOG"]);
    expect(find(".mv-target .mv-value").textContent).toBe("asking the target …");
    expect(find(".mv-state").textContent).toContain("computing");
    model.push(answer());
    await settle();
    expect(find('[data-target="pixels"] .mv-bar').textContent).toBe("-1.001.00");
    expect(all(".mv-piece").map((each) => each.textContent)).toEqual(["0.90", "0.40"]);
    expect(find(".mv-piece").getAttribute("aria-label")).toBe("row 2, col 1 of coffee: 0.90");
    expect(find(".mv-piece canvas")).not.toBeNull();
    expect(find(".mv-state").dataset.state).toBe("computing:");
  });

  test("a target that fails says why, the others go on; equals are counted", async () => {
    const { model, find } = mount();
    model.push({ ...answer(), near: [{ near: [[1, 2, 1]], tied: 7, problem: {} }, ...answer().near!.slice(1)] });
    await settle();
    expect(find('[data-target="HOG"] .mv-problem').textContent).toContain("no rows");
    expect(find('[data-target="HOG"] .mv-panels').hidden).toBe(true);
    expect(find('[data-target="pixels"] > .mv-value').textContent).toBe("7 equally alike, of them");
  });

  test("of an older question are faded until theirs has come", async () => {
    const { model, find } = mount();
    model.push(answer([0, 3]));
    await settle();
    expect(find("[data-target=pixels] .mv-panel").classList.contains("is-stale")).toBe(false);
    find(".mv-piece").click();
    await settle();
    expect(model.last.query).toEqual([1, 2]);
    expect(find("[data-target=pixels] .mv-panel").classList.contains("is-stale")).toBe(true);
    model.push({ ...answer([1, 2]), report: { ...answer().report!, query: [1, 2], done: 2 } });
    await settle();
    expect(find(".mv-state").textContent).toBe("exact");
  });
});

describe("asking", () => {
  test("a click on a picture asks about its patch; the hover is one over picture and columns", async () => {
    const { model, find } = mount();
    model.push(answer());
    await settle();
    const frame = find('[data-frame="picture 1"]');
    over(frame, 60, 10, "click");
    expect(model.last.query).toEqual([1, 1]);
    model.push({ query: [0, 3] });
    over(find('[data-frame="picture 0"]'), 10, 60);
    expect(find("[data-target=pixels] [data-frame=alike]").parentElement!.querySelector(".mv-value")!.textContent).toBe("cosine 0.500");
    over(frame, 10, 60);
    expect(find("[data-target=pixels] [data-frame=alike]").parentElement!.querySelector(".mv-value")!.textContent).toBe("48 numbers");
  });

  test("keys walk over a picture and ask", async () => {
    const { model, find } = mount();
    await settle();
    const frame = find('[data-frame="picture 1"]');
    frame.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
    frame.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
    frame.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
    expect(model.last.query).toEqual([1, 1]);
  });

  test("another picture may be looked in", async () => {
    const { model, find } = mount();
    const menu = find<HTMLSelectElement>("[aria-label='Picture in the columns']");
    menu.value = "1";
    menu.dispatchEvent(new Event("change"));
    expect(model.last.shown).toBe(1);
  });
});

test("the table fills while one watches; what fails or cannot be measured says so", async () => {
  const { model, find, all } = mount();
  model.push({ ...answer(), readout: { pixels: { ...ANSWERS, colour: null } } });
  await settle();
  const cells = () => all(".mv-sees tbody tr").map((row) => [...row.querySelectorAll("td")].map((cell) => cell.textContent));
  expect(cells()).toEqual([["0.80", "-0.20", "?", "0.75"], ["–", "–", "–", "–"]]);
  expect(all(".mv-seesbar > span").map((each) => each.style.width)).toEqual(["80%", "0%", "50%"]);
  model.push({ problem: { kind: "error", title: "The targets could not be asked", text: "x", hint: "y" } });
  expect(find(".mv-targets > .mv-problem").textContent).toContain("could not be asked");
  expect(find(".mv-state").textContent).toBe("no result");
});

test("bars begin where there is nothing to see, and pieces end with the picture", () => {
  expect([fullness(0.75, 0.5), fullness(0.4, 0.5), fullness(1.2, 0)]).toEqual([0.5, 0, 1]);
  const data = new Uint8ClampedArray(64).map((_, i) => (i % 4 === 3 ? 255 : i >> 2));
  const cut = piece({ width: 4, height: 4, data }, { rows: 2, cols: 2 }, 0, 1);
  expect([cut.width, cut.height, cut.data[3], cut.data[4 * (2 * 6 + 2) + 3], cut.data[4 * (3 * 6 + 3)]]).toEqual([6, 6, 0, 255, 5]);
});

test("nothing listens after the view has gone", async () => {
  const counter = countListeners();
  const { model, host, find } = mount();
  model.push(answer());
  await settle();
  find(".mv-piece").click();
  await settle();
  host.abort();
  await settle();
  expect([counter.live(), model.listeners]).toEqual([0, 0]);
  counter.stop();
});
