// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { RecipeLabTraits } from "../../src/traits";
import widget from "../../src/views/recipe_lab";
import { fakeCanvas } from "../fake_canvas";
import { Fake, bytes, hiddenIn } from "../fake_model";
import { countListeners } from "./listeners";
import { stage } from "./stage";

const number = (name: string, value: number, path = [name]) => ({ path, name, kind: "number", value, min: 0, max: 1, step: 0.01 });
const RECIPE = {
  paper: { title: "Masked Autoencoders", source: "He. CVPR 2022. arXiv 2111.06377", url: "https://arxiv.org/abs/2111.06377", idea: "Hide most.", verified: "Equal to the code." },
  hint: "", slots: [],
  options: [number("ratio", 0.75), { path: ["normalize"], name: "normalize", kind: "toggle", value: false }],
};
const choice = (name: string, refused = "") => ({ name, hint: `what ${name} does`, refused });
const WORDS = {
  paper: {}, hint: "how Drop", options: [],
  slots: [
    { slot: "where", word: "Highest", choices: [choice("Highest"), choice("Blocks")], options: [number("ratio", 0.75), { path: ["score"], name: "score", kind: "word", value: "Noise", choices: ["Noise", "Coloured"] }] },
    { slot: "how", word: "Drop", choices: [choice("Drop"), choice("MaskToken", "the decoder wants fewer")], options: [] },
    { slot: "loss", word: "squared", choices: [choice("squared")], options: [] },
  ],
};
const said = (recipe = "mae") => ({ recipe, encoder: "tiny", options: recipe === "compose" ? {} : { ratio: 0.75 }, words: recipe === "compose" ? { where: { word: "Highest", options: {} }, how: { word: "Drop", options: {} } } : {} });
const FACTS = { problem: {}, loss: 0.0385, terms: { entropy: 0.2 }, psnr: 20.2, ms: 14, parameters: 2_266_608, weights: "encoder: tiny's weights", note: "", said: "", leaks: false, encoder: "tiny" };

/** A picture of 2 x 2 pixels and a map of 2 x 2 values, as Python packs them. */
function answer(place = 0, more = {}) {
  const map = new Uint8Array(Float32Array.from([NaN, 1, 2, 4]).buffer);
  const pixels = new Uint8Array([...Array<number>(12).fill(128), 1, 0, 0, 0, ...map]);
  const at = { place, rows: 2, cols: 2, width: 2, height: 2, meaning: "m", unit: "loss", signed: false, hatched: false, say: "", blank: 0 };
  return {
    pixels: new DataView(pixels.buffer),
    panels: [
      { ...at, key: "guess", caption: "guess", map: false, start: 0, size: 12, blank: 4 },
      { ...at, key: "loss", caption: "loss per patch", map: true, start: 16, size: 16 },
    ],
    report: { stroke: 0, exact: true, sides: [FACTS], ms: 20, events: 1, runs: 1, device: "cpu", reading: "AvgDist 2.9 px", ...more },
  };
}

function lab(traits: Partial<RecipeLabTraits> = {}) {
  return new Fake<RecipeLabTraits>({
    rows: 2, cols: 2, height: 4, width: 4, title: "Lab", hidden: bytes([0, 1, 1, 1]), stroke: 0, dragging: false, original: bytes([1]),
    report: {}, problem: {}, strategies: ["own word", "random"], strategy: "random", ratio: 0.75, seed: 0, draw: 0, normalized: false,
    statistics: "visible", upload: bytes([]), upload_name: "", said: [said()], forms: [RECIPE], panels: [], pixels: bytes([]), codes: ["import mimviz as mv"],
    catalogue: {
      recipes: [{ name: "mae", title: "MAE" }, { name: "simmim", title: "SimMIM" }], compose: "compose", encoders: ["tiny", "small ViT"],
      studies: [{ name: "sweep", hint: "more and more", asks: false }, { name: "influence", hint: "click a patch", asks: true }],
    },
    study: "", query: -1, studied: {}, study_pixels: bytes([]), training: false, steps: 60, lr: 1e-3, trained_on: "on your batches", command: {}, curves: {},
    ...traits,
  } as RecipeLabTraits);
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 30));

async function mount(traits: Partial<RecipeLabTraits> = {}) {
  const model = lab(traits);
  const { host, el, find, all } = stage(widget, model);
  await settle();
  const choose = (selector: string, value: string) => {
    const menu = find<HTMLSelectElement>(selector);
    menu.value = value;
    menu.dispatchEvent(new Event("change"));
  };
  const tell = async (traits: object) => {
    model.push(traits as Partial<RecipeLabTraits>);
    await settle();
  };
  return { model, host, el, find, all, choose, tell };
}

beforeEach(() => void fakeCanvas({ width: 4, height: 4 }));
afterEach(() => {
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

describe("a sentence", () => {
  test("shows its recipe, its options and its paper with idea and check", async () => {
    const { find, all } = await mount();
    expect(find<HTMLSelectElement>("[aria-label=Recipe]").value).toBe("mae");
    expect(all<HTMLInputElement>(".mv-labform input").map((each) => each.type)).toEqual(["range", "number", "checkbox"]);
    expect(find<HTMLAnchorElement>(".mv-labpaper a").href).toBe("https://arxiv.org/abs/2111.06377");
    expect(find(".mv-labpaper").textContent).toContain("How it was verified: Equal to the code.");
  });

  test("another recipe is said without options, so that Python begins with its own", async () => {
    const { model, choose } = await mount();
    choose("[aria-label=Recipe]", "simmim");
    expect(model.last.said).toEqual([{ recipe: "simmim", encoder: "tiny" }]);
  });

  test("an option is said; the slider under the hand stays where it is", async () => {
    const { model, find, tell } = await mount();
    const slider = find<HTMLInputElement>('[aria-label="ratio of the recipe"]');
    slider.focus();
    slider.value = "0.4";
    slider.dispatchEvent(new Event("input"));
    expect(model.last.said).toEqual([{ ...said(), options: { ratio: 0.4 } }]);
    await tell({ forms: [{ ...RECIPE, options: [number("ratio", 0.41), RECIPE.options[1]] }] });
    expect(find<HTMLInputElement>('[aria-label="ratio of the recipe"]')).toBe(slider);
    expect(slider.value).toBe("0.4");
    slider.blur();
    await tell({ forms: [{ ...RECIPE, options: [number("ratio", 0.5), RECIPE.options[1]] }] });
    expect(slider.value).toBe("0.5");
  });

  test("words: a menu each, the encoder among them; a word that does not fit says so and can be chosen all the same", async () => {
    const { model, all, find, choose } = await mount({ said: [said("compose")], forms: [WORDS] });
    expect(all(".mv-labwords > *").map((each) => each.querySelector("span")!.textContent)).toEqual(["where", "how", "Encoder", "loss"]);
    const token = all<HTMLOptionElement>("[data-slot=how] option")[1]!;
    expect([token.textContent, token.title, token.disabled]).toEqual(["MaskToken ✕", "does not go with the other words: the decoder wants fewer", false]);
    choose("[data-slot=how]", "MaskToken");
    expect((model.last.said![0] as { words: object }).words).toMatchObject({ how: { word: "MaskToken" } });
    choose('[aria-label="score of where"]', "Coloured");
    expect((model.last.said![0] as { words: object }).words).toMatchObject({ where: { word: "Highest", options: { score: { word: "Coloured", options: {} } } } });
    expect(find(".mv-labwords").hidden).toBe(false);
  });

  test("a second one is put beside it and taken away", async () => {
    const { model, find, tell } = await mount();
    expect(find('[data-place="1"]').hidden).toBe(true);
    find('[data-action="compare"]').click();
    expect(model.last.said).toEqual([said(), { recipe: "simmim" }]);
    await tell({ said: [said(), said("simmim")], forms: [RECIPE, RECIPE] });
    expect(find('[data-place="1"]').hidden).toBe(false);
    find('[data-action="remove"]').click();
    expect(model.last.said).toEqual([said()]);
  });

  test("its Python is copied; where that is forbidden it is shown and selected", async () => {
    const writeText = vi.fn().mockResolvedValue(undefined);
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    const { find } = await mount();
    find('[data-action="copy-0"]').click();
    await settle();
    expect(writeText).toHaveBeenCalledWith("import mimviz as mv");
    expect(find(".mv-news").textContent).toContain("copied");
    writeText.mockRejectedValue(new Error("no"));
    find('[data-action="copy-0"]').click();
    await settle();
    expect(find<HTMLDetailsElement>(".mv-labcode").closest("details")!.open).toBe(true);
  });
});

describe("what came of it", () => {
  test("panels, numbers, terms and the reading of the mask", async () => {
    const { find, all, tell } = await mount();
    await tell(answer());
    expect(all('[data-place="0"] figcaption').map((each) => each.firstChild!.textContent)).toEqual(["guess", "loss per patch", "training", "collapse meter"]);
    expect(find('[data-place="0"] .mv-bar').textContent).toBe("1.004.00");
    expect(find(".mv-labfacts").textContent).toContain("loss 0.0385  ·  of it entropy 0.200");
    expect(find(".mv-labshared").textContent).toContain("3 of 4 hidden");
    expect(find(".mv-status").textContent).toContain("AvgDist 2.9 px");
    expect(find(".mv-state").textContent).toBe("exact");
  });

  test("a coarse answer changes what it brings and leaves the rest", async () => {
    const { all, tell } = await mount();
    await tell(answer());
    const coarse = answer(0, { exact: false, stroke: 1 });
    await tell({ ...coarse, panels: coarse.panels.slice(0, 1) });
    expect(all('[data-place="0"] [data-panel]').map((each) => each.dataset.panel)).toEqual(["guess", "loss"]);
  });

  test("a sentence that cannot be keeps its pictures, faded, and names what would mend it", async () => {
    const { find, tell } = await mount({ said: [said("compose")], forms: [WORDS] });
    await tell(answer());
    await tell({ panels: [], report: { ...answer().report, sides: [{ problem: { kind: "error", title: "No picture", text: "too many rows" } }] } });
    expect(find('[data-place="0"] .mv-problem').textContent).toContain("too many rows");
    expect(find(".mv-labnote").textContent).toContain("how Drop");
    expect(find('[data-place="0"] .mv-panel').classList.contains("is-stale")).toBe(true);
    expect(find(".mv-state").textContent).toBe("no result");
  });

  test("before the first answer it says that it computes; a blank page says what to do", async () => {
    const { find, tell } = await mount();
    expect(find(".mv-state").textContent).toBe("computing …");
    await tell({ problem: { kind: "blank", title: "Nothing is hidden", text: "The model sees all.", hint: "Paint." } });
    expect(find(".mv-state").textContent).toBe("waiting for you");
    expect(find(".mv-problem").textContent).toContain("Paint.");
  });
});

test("the mask is painted on its panel", async () => {
  const { model, find } = await mount();
  const frame = find('[data-frame="masked"]');
  frame.getBoundingClientRect = () => ({ left: 0, top: 0, width: 80, height: 80 }) as DOMRect;
  const point = (type: string, x: number) => frame.dispatchEvent(new PointerEvent(type, { clientX: x, clientY: 10, isPrimary: true, buttons: 1, bubbles: true }));
  point("pointerdown", 10);
  expect(hiddenIn(model.last as { hidden?: DataView })).toEqual([0, 1, 2, 3]);
  point("pointerup", 10);
  expect(model.get("dragging")).toBe(false);
  expect(model.get("stroke")).toBe(1);
});

describe("training", () => {
  test("go, rest, end, begin anew", async () => {
    const { model, find, tell } = await mount();
    const go = find('[data-action="train"]');
    expect([go.textContent, find(".mv-labtrain .mv-labnews").textContent]).toEqual(["Train", "on your batches"]);
    go.click();
    expect(model.get("training")).toBe(true);
    expect(go.textContent).toBe("Pause");
    find('[data-action="stop"]').click();
    expect(model.last.command).toEqual({ do: "stop", count: 1 });
    find('[data-action="fresh"]').click();
    expect(model.last.command).toEqual({ do: "fresh", count: 2 });
    await tell({ curves: { losses: [[3, 2, 1]], pace: 2, steps: 60 } });
    expect(find(".mv-labtrain .mv-labnews").textContent).toBe("step 3 · about 29 s left");
  });

  test("the curve of each sentence grows", async () => {
    const { all, tell } = await mount({ said: [said(), said("simmim")], forms: [RECIPE, RECIPE] });
    const charts = all('[data-chart="curve"]');
    expect(charts.map((each) => each.hidden)).toEqual([true, true]);
    await tell({ curves: { losses: [[4, 2, 1], [0.5]], pace: 12, steps: 60 } });
    expect(charts.map((each) => each.hidden)).toEqual([false, true]);
    expect(charts[0]!.querySelectorAll("polyline")).toHaveLength(2);
    expect(charts[0]!.textContent).toContain("12 steps/s");
  });
});

describe("a closer look", () => {
  const part = () => ({ study_pixels: answer().pixels, studied: { name: "influence", words: "patch 2", problem: {}, panels: answer().panels.slice(1), mask: "2x2:0 2 2" } });

  test("is chosen, shown with its words, and its mask is put on", async () => {
    const { model, find, all, choose, tell } = await mount();
    choose('[aria-label="Closer look"]', "influence");
    expect(model.last).toEqual({ study: "influence" });
    await tell(part());
    const section = find('[aria-label="A closer look"]');
    expect(section.textContent).toContain("patch 2");
    expect(all('[aria-label="A closer look"] .mv-panel')).toHaveLength(1);
    find('[data-action="wear"]').click();
    expect(hiddenIn(model.last as { hidden?: DataView })).toEqual([0, 1]);
  });

  test("asks about the patch that is clicked in the guess, and only where the study asks", async () => {
    const { model, find, tell } = await mount({ study: "sweep" });
    await tell(answer());
    const frame = find('[data-place="0"] [data-frame="guess"]');
    frame.getBoundingClientRect = () => ({ left: 0, top: 0, width: 80, height: 80 }) as DOMRect;
    const click = () => {
      frame.dispatchEvent(new PointerEvent("pointermove", { clientX: 60, clientY: 10, isPrimary: true, bubbles: true }));
      frame.click();
    };
    click();
    expect(model.get("query")).toBe(-1);
    await tell({ study: "influence" });
    click();
    expect(model.get("query")).toBe(1);
  });

  test("that failed says why", async () => {
    const { find, tell } = await mount({ study: "sweep" });
    await tell({ studied: { name: "sweep", words: "", problem: { kind: "error", title: "gave nothing", text: "no memory" }, panels: [] } });
    expect(find('[aria-label="A closer look"] .mv-problem').textContent).toContain("no memory");
  });
});

test("nothing listens after the view has gone", async () => {
  const counter = countListeners();
  const { model, host, tell } = await mount({ said: [said("compose"), said()], forms: [WORDS, RECIPE] });
  await tell(answer());
  expect(model.listeners).toBeGreaterThan(0);
  host.abort();
  await settle();
  expect(model.listeners).toBe(0);
  expect(counter.live()).toBe(0);
  counter.stop();
});
