// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { PanelSaid } from "../../src/kit/recipe_lab";
import { readFacts, readPanels } from "../../src/kit/recipe_lab";
import { figureFor } from "../../src/views/parts/lab_figures";
import { LabMeter } from "../../src/views/parts/lab_meter";
import { LabPanels } from "../../src/views/parts/lab_panels";
import { fakeCanvas } from "../fake_canvas";

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const said = (more: Partial<PanelSaid>): PanelSaid => ({
  place: 0, key: "k", caption: "c", meaning: "m", rows: 2, cols: 2, width: 2, height: 2, map: true, unit: "code", signed: false, hatched: false, say: "said",
  figure: "", names: [], moves: [], data: floats(0, 1, 2, NaN), blank: null, ...more,
});
const signal = () => new AbortController().signal;
const line = (root: HTMLElement) => root.querySelector(".mv-value")!.textContent;

beforeEach(() => void fakeCanvas({ width: 4, height: 4 }));
afterEach(() => vi.unstubAllGlobals());

describe("numbers", () => {
  test("without names say the code, with names their name and a legend without none", () => {
    const codes = figureFor(said({ figure: "numbers" }), signal());
    codes.draw({ said: said({ figure: "numbers" }), pixels: null });
    codes.say({ row: 1, col: 0 });
    expect(line(codes.root)).toBe("code 2");
    codes.say({ row: 1, col: 1 });
    expect(line(codes.root)).toBe("no code here");
    codes.say(null);
    expect(line(codes.root)).toBe("said");
    expect(codes.root.querySelector<HTMLElement>(".mv-legend")!.hidden).toBe(true);
    const named = said({ figure: "numbers", names: ["none", "pixels", "pixels + features"] });
    const losses = figureFor(named, signal());
    losses.draw({ said: named, pixels: null });
    losses.say({ row: 1, col: 0 });
    expect(line(losses.root)).toBe("pixels + features");
    expect([...losses.root.querySelectorAll(".mv-legend > span")].map((each) => each.textContent)).toEqual(["pixels", "pixels + features"]);
  });
});

test("a matrix has a pointer of its own, and no patch of the picture is a cell of it", () => {
  const one = said({ figure: "matrix", names: ["3", "12"], data: floats(0.1, 0.9, 0.4, 0.6), say: "" });
  const matrix = figureFor(one, signal());
  matrix.draw({ said: one, pixels: null });
  expect([matrix.panel, line(matrix.root)]).toEqual([null, "2 blocks × 2 layers, the first left"]);
  const frame = matrix.root.querySelector<HTMLElement>(".mv-frame")!;
  frame.getBoundingClientRect = () => ({ left: 0, top: 0, width: 100, height: 50 }) as DOMRect;
  frame.dispatchEvent(Object.assign(new Event("pointermove"), { clientX: 75, clientY: 10 }));
  expect(line(matrix.root)).toBe("block 1, layer 12: 0.900");
  frame.dispatchEvent(new Event("pointerleave"));
  expect(line(matrix.root)).toContain("2 blocks");
});

test("a spectrum says periods over the picture, counted from the middle", () => {
  const one = said({ figure: "spectrum", unit: "log", data: floats(0.1, 0.9, 0.4, 0.6) });
  const spectrum = figureFor(one, signal());
  spectrum.draw({ said: one, pixels: null });
  const frame = spectrum.root.querySelector<HTMLElement>(".mv-frame")!;
  frame.getBoundingClientRect = () => ({ left: 0, top: 0, width: 100, height: 100 }) as DOMRect;
  frame.dispatchEvent(Object.assign(new Event("pointermove"), { clientX: 10, clientY: 90 }));
  expect(line(spectrum.root)).toBe("-1 across, 0 down: 0.400");
});

test("bars are as high as their share of the most frequent, and a line lies over them", () => {
  const one = said({ figure: "bars", names: ["64"], data: floats(0.5, 0.25, 0.25, 0.5) });
  const bars = figureFor(one, signal());
  bars.draw({ said: one, pixels: null });
  expect([...bars.root.querySelectorAll("rect")].map((each) => each.getAttribute("height"))).toEqual(["100", "50"]);
  expect(bars.root.querySelector("polyline")!.getAttribute("points")).toBe("0.00,50.00 100.00,0.00");
  expect(bars.root.querySelector(".mv-axis")!.textContent).toContain("64");
});

describe("the jigsaw", () => {
  const picture = { width: 2, height: 2, data: new Uint8ClampedArray(16).fill(9) };
  const one = said({ figure: "jigsaw", map: false, moves: [[0, 3, 0], [3, 0, 3], [1, 1, 2]] });

  test("flies together, says who lies where, and goes where it is told", async () => {
    const jigsaw = figureFor(one, signal());
    jigsaw.draw({ said: one, pixels: picture });
    const pressed = () => jigsaw.root.querySelector("[aria-pressed=true]")!.textContent;
    expect(pressed()).toBe("as guessed");
    jigsaw.say({ row: 1, col: 0 });
    expect(line(jigsaw.root)).toBe("belongs to row 1, col 2");
    jigsaw.say({ row: 0, col: 0 });
    expect(line(jigsaw.root)).toBe("in its place");
    jigsaw.say({ row: 0, col: 1 });
    expect(line(jigsaw.root)).toBe("its place was told");
    jigsaw.root.querySelector<HTMLElement>("[data-stage=lies]")!.click();
    expect(pressed()).toBe("shuffled");
    jigsaw.say({ row: 0, col: 0 });
    expect(line(jigsaw.root)).toBe("belongs to row 2, col 2");
  });

  test("does not fly where less motion is wished, and stops with the view", () => {
    const frames = vi.fn();
    vi.stubGlobal("requestAnimationFrame", frames);
    vi.stubGlobal("matchMedia", () => ({ matches: true }));
    figureFor(one, signal()).draw({ said: one, pixels: picture });
    expect(frames).not.toHaveBeenCalled();
    vi.stubGlobal("matchMedia", () => ({ matches: false }));
    const life = new AbortController();
    figureFor(one, life.signal).draw({ said: one, pixels: picture });
    expect(frames).toHaveBeenCalledTimes(1);
    life.abort();
    frames.mock.calls[0]![0]();
    expect(frames).toHaveBeenCalledTimes(1);
  });
});

describe("the collapse meter", () => {
  const facts = (why: string[], codes: unknown = null) => readFacts({ collapse: { rank: 57.2, most: 192, spread: 0.68, content: 0.28, codes, why } }).collapse;

  test("is quiet while all is well, red with words where it is not, and gone where nothing is known", () => {
    const meter = new LabMeter();
    meter.show(facts([]));
    expect([meter.root.hidden, meter.root.classList.contains("is-ill")]).toEqual([false, false]);
    expect(meter.root.querySelector(".mv-metersaid")!.textContent).toBe("nothing has collapsed");
    expect(meter.root.querySelector('[data-gauge="effective rank"]')!.textContent).toContain("57.2 of 192");
    expect(meter.root.querySelector<HTMLElement>('[data-gauge="codes told apart"]')!.hidden).toBe(true);
    meter.show(facts(["features lie in 1.2 of 192 directions"], [1.5, 64]));
    expect(meter.root.classList.contains("is-ill")).toBe(true);
    expect(meter.root.querySelector<HTMLElement>(".mv-ill")!.hidden).toBe(false);
    expect(meter.root.querySelector("[role=alert]")!.textContent).toContain("1.2 of 192 directions");
    expect(meter.root.querySelector('[data-gauge="codes told apart"]')!.textContent).toContain("1.50 of 64");
    meter.show(readFacts({}).collapse);
    expect(meter.root.hidden).toBe(true);
  });
});

test("a figure that becomes another kind leaves nothing that listens", () => {
  const life = new AbortController();
  const panels = new LabPanels(() => {}, life.signal);
  const matrix = said({ figure: "matrix" });
  panels.draw([{ said: matrix, pixels: null }], true);
  const frame = panels.root.querySelector<HTMLElement>(".mv-frame")!;
  panels.draw([{ said: said({ figure: "" }), pixels: null }], true);
  frame.dispatchEvent(Object.assign(new Event("pointermove"), { clientX: 0, clientY: 0 }));
  expect(frame.parentElement!.querySelector(".mv-value")!.textContent).toBe("said");
  expect(panels.root.querySelector("[data-panel=k]")).not.toBeNull();
});

test("what Python says of a figure is read with its moves and names", () => {
  const [one] = readPanels([{ key: "jigsaw", figure: "jigsaw", names: ["a"], moves: [[1, 2, 3]], start: 0, size: 4, blank: 0 }], new Uint8Array(4));
  expect([one!.figure, one!.names, one!.moves]).toEqual(["jigsaw", ["a"], [[1, 2, 3]]]);
  expect(readPanels([{ key: "plain" }], new Uint8Array(0))[0]!.figure).toBe("");
});
