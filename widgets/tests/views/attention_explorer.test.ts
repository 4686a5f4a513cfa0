// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { fakeCanvas } from "../fake_canvas";
import { bytes } from "../fake_model";
import { FakeExplorer, closeAll, mountExplorer as mount, overview, sheet } from "./explore";
import { countListeners } from "./listeners";

const settle = () => new Promise((resolve) => setTimeout(resolve, 40));
const what = { version: 0, part: "encoder" };
let drawn: Record<string, ImageData>;

beforeEach(() => ({ shown: drawn } = fakeCanvas()));
afterEach(() => {
  closeAll();
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

/** The brightest patch that a panel shows, by the sum of its colours; viridis rises. */
function brightest(panel: string): number {
  const { data } = drawn[panel]!;
  const sums = Array.from({ length: data.length / 4 }, (_, i) => data[4 * i]! + data[4 * i + 1]! + data[4 * i + 2]!);
  return sums.indexOf(Math.max(...sums));
}

describe("what opens", () => {
  test("the kept token's exact row in every head of the open layer, and the overview", async () => {
    const { find, shown } = mount();
    await settle();
    expect(shown().map((panel) => panel.querySelector(".mv-name")!.textContent)).toEqual(["head 1", "head 2"]);
    expect([brightest("head-0-0"), brightest("head-0-1")]).toEqual([1, 2]);
    expect(find(".mv-state").textContent).toBe("exact");
    expect(find(".mv-parts").textContent).toContain("vit 0 · cpu");
    expect(shown()[0]!.querySelector(".mv-value")!.textContent).toBe("CLS 0.500");
    expect(shown()[0]!.querySelector(".mv-bar")!.textContent).toBe("0.05000.350");
    expect(find("[data-overview]").getAttribute("aria-label")).toContain("2 layers");
  });

  test("before the first pass it says that it computes, and nothing is asked", async () => {
    const { find, model } = mount({ sides: [], overview_info: {}, exact_info: {}, report: {}, statistics_info: {} });
    await settle();
    expect(find(".mv-state").textContent).toBe("computing …");
    expect(model.sent).toEqual([]);
  });

  test("a problem is said, and the next answer takes it away", async () => {
    const { find, model } = mount({ problem: { kind: "error", title: "The attention could not be read", text: "boom", hint: "Undo." } });
    await settle();
    expect(find(".mv-problem").textContent).toBe("The attention could not be readboomUndo.");
    expect(find(".mv-state").textContent).toBe("no result");
    model.push({ problem: {} });
    await settle();
    expect(find(".mv-problem").hidden).toBe(true);
  });
});

describe("hovering", () => {
  test("fetches the layer once, then needs no kernel", async () => {
    const { model, at, find } = mount();
    at("pointermove", "query", 0, 0);
    at("pointermove", "query", 0, 1);
    expect(model.sent.map(({ request }) => request)).toEqual([{ serial: 1, part: "encoder", layers: [1], row: "" }]);
    await settle();
    expect(find(".mv-state").textContent).toBe("computing …");
    expect(find(".mv-heat").classList.contains("is-stale")).toBe(true);
    model.push({ sheet: sheet(1), sheet_info: { ...what, layer: 1, row: "" } });
    await settle();
    expect([brightest("head-0-0"), brightest("head-0-1")]).toEqual([3, 0]); // from patch 1, token 2
    at("pointermove", "query", 1, 1);
    await settle();
    expect([brightest("head-0-0"), brightest("head-0-1")]).toEqual([1, 2]); // from patch 3, token 4
    expect(model.sent).toHaveLength(1);
    expect(find(".mv-state").textContent).toBe("coarse (one byte a patch)");
    at("pointerleave", "query", 0, 0);
    await settle();
    expect(find(".mv-state").textContent).toBe("exact");
    expect(performance.getEntriesByName("mimviz:hover").length).toBeGreaterThan(0);
  });

  test("a head's panel reads weights, with their error where they are rounded", async () => {
    const { at, shown, model } = mount();
    await settle();
    at("pointermove", "head-0-0", 0, 1);
    expect(shown()[0]!.querySelector(".mv-value")!.textContent).toBe("1,2: 0.3500");
    model.push({ sheet: sheet(1), sheet_info: { ...what, layer: 1, row: "" } });
    at("pointermove", "query", 0, 0);
    at("pointermove", "head-0-0", 1, 1);
    await settle();
    expect(shown()[0]!.querySelector(".mv-value")!.textContent).toMatch(/^2,2: 0\.0500 ± \d\.\de−\d$/);
  });

  test("a click keeps a token; a chip is a token too, and so is a patch of a head", async () => {
    const { at, model, find } = mount();
    await settle();
    at("click", "query", 1, 0);
    expect(model.last).toEqual({ query: "1,0" });
    find('[data-token="CLS"]').click();
    expect(model.last).toEqual({ query: "CLS" });
    at("click", "head-0-1", 0, 1);
    expect(model.last).toEqual({ query: "0,1" });
  });

  test("with the keyboard: arrows look, Enter keeps, K knocks out, brackets open layers", () => {
    const { press, model } = mount();
    press("ArrowUp");
    press("ArrowLeft");
    press("Enter");
    expect(model.last).toEqual({ query: "0,0" });
    press("k");
    expect(model.last).toEqual({ edits: { heads: [], tokens: ["0,0"] } });
    press("[");
    expect(model.get("layer")).toBe(0);
    expect(model.last.request).toMatchObject({ layers: [0] });
  });

  test("a layer that is too large comes row by row, one on its way at a time", async () => {
    const big = { heads: 16, front: 1, rows: 37, cols: 37, query_rows: 37, query_cols: 37 };
    const stack = { front: ["CLS"], rows: 37, cols: 37, layers: [big] };
    const { at, model } = mount({ sides: [{ name: "large", parts: { encoder: stack } }], layer: 0, overview_info: {}, exact_info: {}, version: 0 });
    model.push({ overview: bytes(Array<number>(16 * 8 + 32 + 16 * 1369).fill(0)), overview_info: { ...what, query: "CLS" } });
    at("pointermove", "query", 0, 0);
    at("pointermove", "query", 0, 1);
    at("pointermove", "query", 1, 1);
    expect(model.sent.map(({ request }) => request!.row)).toEqual(["9,9"]);
    model.push({ sheet: bytes(Array<number>(16 * 8 + 32 + 16 * 1369).fill(0)), sheet_info: { ...what, layer: 0, row: "9,9" } });
    expect(model.sent.map(({ request }) => request!.row)).toEqual(["9,9", "27,27"]);
  });
});

describe("looks", () => {
  test("mean, maximum and chosen heads", async () => {
    const { click, shown, all } = mount();
    await settle();
    click("max");
    await settle();
    expect(shown()).toHaveLength(1);
    expect(shown()[0]!.querySelector(".mv-bar")!.textContent).toBe("0.05000.350");
    click("mean");
    await settle();
    expect(shown()[0]!.querySelector(".mv-bar")!.textContent).toBe("0.05000.200");
    click("all");
    await settle();
    all(".mv-name")[1]!.click();
    click("chosen");
    await settle();
    expect(shown().map((panel) => panel.querySelector(".mv-name")!.textContent)).toEqual(["head 2"]);
  });

  test("heads sorted by a statistic", async () => {
    const { find, shown } = mount();
    await settle();
    const order = find<HTMLSelectElement>('[aria-label="Order of heads"]');
    order.value = "value";
    order.dispatchEvent(new Event("change"));
    await settle();
    expect(shown().map((panel) => panel.querySelector(".mv-name")!.textContent)).toEqual(["head 2", "head 1"]); // entropy 4, 3
    expect(find<HTMLSelectElement>('[aria-label="Statistic"]').textContent).toBe("entropydistance");
  });

  test("two models share the hovered token", async () => {
    const model = new FakeExplorer({ exact_info: {} }, 2);
    const { shown, find, at } = mount({}, model);
    await settle();
    expect(shown()).toHaveLength(4);
    expect(find(".mv-sides").textContent).toContain("vit 1");
    model.push({ sheet: sheet(1, 2), sheet_info: { ...what, layer: 1, row: "" } });
    at("pointermove", "query", 1, 1);
    await settle();
    expect(brightest("head-1-0")).toBe(brightest("head-0-0"));
  });

  test("a decoder is edited like an encoder", async () => {
    const { click, model, all } = mount();
    await settle();
    click("decoder");
    expect(model.last).toEqual({ part: "decoder", layer: -1 });
    await settle();
    all(".mv-heat .mv-toggle")[0]!.click();
    expect(model.last.edits).toMatchObject({ heads: [[0, "decoder", expect.any(Number), 0]] });
  });
});

describe("knocking out", () => {
  test("heads and tokens, undone and restored", async () => {
    const { model, all, click, at, find } = mount();
    await settle();
    all(".mv-heat .mv-toggle")[1]!.click();
    expect(model.last.edits).toEqual({ heads: [[0, "encoder", 1, 1]], tokens: [] });
    await settle();
    expect(find(".mv-state").textContent).toBe("computing …");
    expect(all(".mv-heat")[1]!.classList.contains("is-out")).toBe(true);
    click("out");
    at("click", "query", 1, 1);
    expect(model.last.edits).toEqual({ heads: [[0, "encoder", 1, 1]], tokens: ["1,1"] });
    click("undo");
    expect(model.last.edits).toEqual({ heads: [[0, "encoder", 1, 1]], tokens: [] });
    click("redo");
    click("restore");
    expect(model.last.edits).toEqual({ heads: [], tokens: [] });
  });

  test("what was fetched before an edit is forgotten, and the open layer fetched again", async () => {
    const { model, at, find } = mount();
    at("pointermove", "query", 0, 0);
    model.push({ sheet: sheet(1), sheet_info: { ...what, layer: 1, row: "" } });
    model.push({ overview: overview(0), overview_info: { version: 1, part: "encoder", query: "CLS" } });
    expect(model.sent).toHaveLength(2);
    expect(model.last.request).toEqual({ serial: 2, part: "encoder", layers: [1], row: "" });
    model.push({ sheet: sheet(0), sheet_info: { ...what, layer: 1, row: "" } }); // late, of the pass before
    await settle();
    expect(find(".mv-state").textContent).toBe("computing …"); // nothing of it is shown
  });

  test("classes say what they were", async () => {
    const { find, model } = mount({ edits: { heads: [[0, "encoder", 0, 0]], tokens: [] } });
    await settle();
    expect(find(".mv-class").textContent).toBe("cat70 % (was 90 %)");
    expect(find(".mv-parts").textContent).toContain("1 head knocked out");
    expect(model.sent).toEqual([]);
  });
});

describe("around it", () => {
  test("the certificate opens its explanation", async () => {
    const { find, model } = mount();
    await settle();
    expect(find(".mv-certificate summary").textContent).toBe("certificate: exact");
    expect(find(".mv-certificate p").textContent).toContain("1.0e-7");
    model.push({ report: { ...model.get("report"), certificate: { exact: false, error: 0.1, scale: 1, name: "x", layers: 2 } } });
    await settle();
    expect(find(".mv-certificate").dataset.exact).toBe("false");
  });

  test("a file that Python makes is handed to the view that asked", () => {
    const saved: string[] = [];
    vi.stubGlobal("URL", { createObjectURL: () => "blob:1", revokeObjectURL: () => undefined });
    vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
      saved.push(this.download);
    });
    const { click, model } = mount();
    click("npz");
    const asked = model.messages[0] as { kind: string; format: string; view: string };
    expect(asked).toMatchObject({ kind: "save", format: "npz" });
    model.hear("msg:custom", { kind: "file", view: "another", name: "attention.npz" }, [bytes([1])]);
    model.hear("msg:custom", { kind: "file", view: asked.view, name: "attention.npz" }, [bytes([1])]);
    expect(saved).toEqual(["attention.npz"]);
  });

  test.each(["the host's signal", "the cleanup function"])("zero listeners are left after %s", async (way) => {
    const listeners = countListeners();
    const { host, model, at, close, el } = mount();
    await settle();
    at("pointermove", "query", 0, 0);
    expect(model.listeners).toBeGreaterThan(8);
    expect(listeners.live()).toBeGreaterThan(30);
    if (way === "the host's signal") host.abort();
    else close();
    await settle();
    expect(model.listeners).toBe(0);
    expect(listeners.live()).toBe(0);
    if (way !== "the host's signal") expect(el.children).toHaveLength(0);
    listeners.stop();
  });
});
