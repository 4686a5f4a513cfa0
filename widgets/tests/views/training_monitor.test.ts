// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import widget from "../../src/views/training_monitor";
import type { TrainingMonitorTraits } from "../../src/traits";
import { fakeCanvas } from "../fake_canvas";
import { Fake, bytes } from "../fake_model";
import { countListeners } from "./listeners";
import { stage } from "./stage";

const settle = (ms = 40) => new Promise((resolve) => setTimeout(resolve, ms));
const floats = (...values: number[]) => new DataView(Float32Array.from(values).buffer);
const rows = (count: number, from = 1) => Array.from({ length: count }, (_, i) => [from + i, 1 / (i + 1), 1 / (i + 1), 1 / (i + 1), 1e-3, 0.5]).flat();

function run(more: Record<string, unknown> = {}) {
  return {
    name: "first", state: "running", message: "Training, from step 0.", done: 8, steps: 20, loss: 0.125, rate: 9e-4, peak: 1e-3, drives: true, speed: 50,
    left: 12, seconds: 8, moments: [0, 4, 8], exact: [0, 8], bytes: 2e6, budget: 1e9, changes: [], warnings: [], health: {}, error: "", ...more,
  };
}

const report = (...runs: object[]) => ({ runs, points: runs.map(() => 8) });
const panel = (place: number, key: string) => ({ place, key, caption: key, meaning: key, rows: 2, cols: 2, width: 2, height: 2, map: true, unit: "value", signed: false, hatched: false, say: "", start: 16 * place, size: 16, blank: 0 });

function frameOf(asked: number, places = 1) {
  return {
    steps: Array(places).fill(asked < 0 ? 8 : asked), exact: Array(places).fill(true), asked, ms: 20,
    places: Array.from({ length: places }, (_, i) => ({ run: i, picture: 0, classes: [["cat", 0.75]], problems: i ? [{ kind: "error", title: "LRP gave no map", text: "why" }] : [] })),
    panels: Array.from({ length: places }, (_, i) => panel(i, "loss")),
  };
}

async function mount(traits: Partial<TrainingMonitorTraits> = {}) {
  const model = new Fake<TrainingMonitorTraits>({
    title: "Training", report: report(run()), curves: floats(...rows(8)), frame: {}, pictures: bytes([]), methods: ["Attention", "LRP"], chosen: ["Attention"],
    moment: -1, command: {}, branching: false, problem: {}, ...traits,
  });
  const { host, el, find: one } = stage(widget, model);
  await settle();
  const click = (name: string, at = 0) => ([...el.querySelectorAll(`[data-action=${name}]`)][at] as HTMLElement).click();
  return { model, host, el, one, click };
}

beforeEach(() => void fakeCanvas({ width: 2, height: 2 }));
afterEach(() => {
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

describe("a run", () => {
  test("says where it is and is paused, stopped and given another rate from its row", async () => {
    const { model, one, click } = await mount();
    expect(one(".mv-train-facts").textContent).toBe("step 8 of 20  ·  loss 0.125  ·  50 pictures/s  ·  about 12 s left");
    expect(one<HTMLProgressElement>(".mv-train-gauge").value).toBeCloseTo(0.4);
    expect(one(".mv-train-message").textContent).toBe("");
    click("go");
    expect(model.last).toEqual({ command: { do: "pause", run: 0, count: 1 } });
    click("stop");
    expect(model.last).toEqual({ command: { do: "stop", run: 0, count: 2 } });
    const rate = one<HTMLInputElement>("[aria-label='Peak of the learning rate']");
    rate.value = "0.0005";
    rate.dispatchEvent(new Event("change"));
    expect(model.last).toEqual({ command: { do: "lr", run: 0, value: 0.0005, count: 3 } });
    const sent = model.sent.length;
    rate.value = "-1";
    rate.dispatchEvent(new Event("change"));
    expect(model.sent.length).toBe(sent);
    expect(rate.value).toBe("0.001");
  });

  test.each([["new", "Start"], ["paused", "Resume"], ["failed", "Try again"], ["stopped", "Resume"]])("%s: the button says %s and starts", async (state, word) => {
    const { model, one, click } = await mount({ report: report(run({ state, message: "What was kept." })) });
    expect(one("[data-action=go]").textContent).toBe(word);
    expect(one(".mv-train-message").textContent).toBe("What was kept.");
    expect(one(".mv-train-message").classList.contains("is-error")).toBe(state === "failed");
    click("go");
    expect(model.last).toEqual({ command: { do: "start", run: 0, count: 1 } });
  });

  test("finished, or opened without its model: nothing can be started", async () => {
    for (const more of [{ state: "finished" }, { state: "stopped", drives: false }]) {
      const { model, one, click, host } = await mount({ report: report(run(more)) });
      expect(one("[data-action=go]").getAttribute("aria-disabled")).toBe("true");
      if (more.state === "finished") click("go");
      expect(model.sent.length).toBe(0);
      host.abort();
    }
  });

  test("warnings are chips that open; health names the layers that are not well", async () => {
    const layers = [["blocks.0", 0.1, 2, 0.001, 0, 0, ""], ["head", 0, 1, 0, 1, 0, "dead"]];
    const { one, el } = await mount({ report: report(run({ warnings: [{ step: 1, title: "All labels are the same", text: "Is it sorted" }], health: { step: 5, layers } })) });
    expect(one(".mv-train-chip summary").textContent).toBe("All labels are the same");
    expect(one(".mv-train-chip p").textContent).toBe("Is it sorted. (Seen at step 1.)");
    expect(one(".mv-train-health summary").textContent).toBe("Health of layers: step 5: head is dead");
    expect([...el.querySelectorAll(".mv-train-table tbody tr")].map((row) => row.className)).toEqual(["", "is-ill"]);
  });
});

describe("curves", () => {
  test("hover reads the same step in all of them, a click goes to the nearest kept moment", async () => {
    const { model, el, one } = await mount();
    const frame = one("[data-frame=train-loss]");
    frame.getBoundingClientRect = () => ({ left: 0, top: 0, width: 200, height: 100, right: 200, bottom: 100, x: 0, y: 0, toJSON: () => "" });
    frame.dispatchEvent(new PointerEvent("pointermove", { clientX: 20 })); // step 2 of 20
    await settle();
    const said = [...el.querySelectorAll("[data-chart] .mv-value")].map((each) => each.textContent);
    expect(said[0]).toMatch(/^step 2: 0.500 \(smoothed/);
    expect(said[1]).toBe("step 2: 0.00100");
    expect(el.querySelectorAll(".mv-train-hover").length).toBe(3);
    frame.dispatchEvent(new MouseEvent("click", { clientX: 50 })); // step 5
    expect(model.last).toEqual({ moment: 4 });
    await settle();
    expect(one<SVGLineElement>(".mv-train-cursor").getAttribute("x1")).toBe("20");
  });

  test("held-out pictures have points beside the loss, the share that is right a chart of its own; without them there is neither", async () => {
    const { model, el, one } = await mount();
    const chart = one<HTMLElement>("[data-chart=train-accuracy]");
    expect([chart.hidden, one<HTMLElement>(".mv-train-legend").hidden, el.querySelectorAll(".mv-train-dot").length]).toEqual([true, true, 0]);
    model.push({ report: report(run({ validation: [[4, 0.5, 0.25], [8, 2, 0.75]] })), curves: floats(...rows(8)) });
    await settle();
    expect([chart.hidden, one<HTMLElement>(".mv-train-legend").hidden]).toEqual([false, false]);
    expect(chart.querySelector(".mv-value")!.textContent).toBe("75.0 %");
    const dots = el.querySelector("[data-chart=train-loss] .mv-train-dot")!.getAttribute("d")!;
    expect(dots).toMatch(/^M20.00,[\d.]+h0M40.00,4.00h0$/); // the greatest of all is at the top
    expect(one(".mv-train-facts").textContent).toContain("held out 2.00, 75.0 % right");
    expect(one("[data-chart=train-loss] .mv-value").textContent).toContain("held out 2.00");
    model.push({ moment: 4 });
    await settle();
    expect(one(".mv-train-when").textContent).toContain("step 4 (2 of 3) · near: weights in 8 bits of their way · held out 0.500, 25.0 % right");
    model.push({ report: report(run({ validation: [[4, 0.5, null], [8, null, null]] })), curves: floats(...rows(8)) });
    await settle();
    expect(chart.hidden).toBe(true);
    expect(one(".mv-train-facts").textContent).toContain("held out not finite");
  });

  test("numbers and curves of one message that come apart are drawn once both are there", async () => {
    const { model, el } = await mount();
    model.push({ report: report(run(), run({ name: "second" })) });
    expect(el.querySelectorAll(".mv-train-run").length).toBe(1);
    model.push({ curves: floats(...rows(8), ...rows(8)) });
    await settle();
    expect(el.querySelectorAll(".mv-train-run").length).toBe(2);
    expect(el.querySelectorAll("[data-chart=train-loss] polyline.is-run1").length).toBeGreaterThan(0);
  });

  test("a thousand updates leave as many elements and listeners as ten", async () => {
    const counter = countListeners();
    const { model, el } = await mount({ frame: frameOf(-1), pictures: floats(1, 2, 3, 4) });
    const count = () => [el.querySelectorAll("*").length, counter.live(), model.listeners];
    const update = async (n: number) => {
      for (let i = 0; i < n; i++) {
        model.push({ report: report(run({ loss: 1 / (i + 2) })), curves: floats(...rows(8)), frame: { ...frameOf(-1) }, pictures: floats(1, 2, 3, i) });
        if (i % 20 === 0) await settle(2);
      }
      await settle();
    };
    await update(10);
    const few = count();
    await update(1000);
    expect(count()).toEqual(few);
    counter.stop();
  });
});

describe("the time machine", () => {
  test("arrow keys go from moment to moment, Live comes back", async () => {
    const { model, one, click } = await mount();
    const range = one("[aria-label='Moment of the training']");
    const press = (key: string) => range.dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true }));
    press("ArrowLeft");
    expect(model.get("moment")).toBe(8);
    await settle();
    expect(one(".mv-train-when").textContent).toBe("step 8 (3 of 3) · exact");
    press("ArrowLeft");
    await settle();
    expect(one(".mv-train-when").textContent).toBe("step 4 (2 of 3) · near: weights in 8 bits of their way");
    click("live");
    expect(model.get("moment")).toBe(-1);
  });

  test("play waits for the pictures of each moment", async () => {
    const { model, click } = await mount();
    click("play");
    expect(model.get("moment")).toBe(0);
    await settle(400);
    expect(model.get("moment")).toBe(0);
    model.push({ frame: frameOf(0), pictures: floats(1, 2, 3, 4) });
    await settle(400);
    expect(model.get("moment")).toBe(4);
    click("play");
    model.push({ frame: frameOf(4), pictures: floats(1, 2, 3, 4) });
    await settle(400);
    expect(model.get("moment")).toBe(4);
  });

  test("a branch begins at the moment on display, with another rate if one is given", async () => {
    const { model, one, click } = await mount({ moment: 4 });
    click("branch");
    expect(model.last).toEqual({ command: { do: "branch", run: 0, value: 4, count: 1 } });
    one<HTMLInputElement>("[aria-label='Learning rate of the branch']").value = "0.01";
    model.push({ branching: true });
    await settle();
    expect(one("[data-action=branch]").textContent).toBe("Branching …");
    click("branch");
    expect(model.sent.length).toBe(1);
    model.push({ branching: false });
    await settle();
    click("branch");
    expect(model.last).toEqual({ command: { do: "branch", run: 0, value: 4, lr: 0.01, count: 2 } });
  });
});

describe("pictures", () => {
  test("a row for each run, with its classes and what could not be shown", async () => {
    const { el, one } = await mount({ report: report(run(), run({ name: "second" })), curves: floats(...rows(8), ...rows(8)), frame: frameOf(-1, 2), pictures: floats(0, 1, 2, 4, 3, 3, 3, 9) });
    expect([...el.querySelectorAll(".mv-train-label")].map((each) => each.textContent)).toEqual(["picture 1 · first, step 8", "picture 1 · second, step 8"]);
    expect([...el.querySelectorAll(".mv-train-places .mv-bar")].map((each) => each.textContent)).toEqual(["0.004.00", "3.009.00"]);
    expect(one(".mv-train-class").textContent).toBe("cat75.0 %");
    expect(el.querySelectorAll<HTMLElement>(".mv-train-wrong")[1]!.textContent).toBe("LRP gave no map. why");
  });

  test("none watched: the page says how to", async () => {
    const { one } = await mount({ frame: { steps: [8], exact: [true], places: [], panels: [], asked: -1, ms: 0 } });
    expect(one(".mv-train-blank").hidden).toBe(false);
    expect(one(".mv-train-blank").textContent).toContain("watch=[picture]");
  });

  test("a moment that is asked for is stale until its pictures come", async () => {
    const { model, el, click } = await mount({ frame: frameOf(-1), pictures: floats(1, 2, 3, 4) });
    click("play");
    expect(el.querySelectorAll(".is-stale").length).toBe(1);
    model.push({ frame: frameOf(0), pictures: floats(1, 2, 3, 4) });
    await settle();
    expect(el.querySelectorAll(".is-stale").length).toBe(0);
  });
});

test("nothing listens after the view has gone", async () => {
  const counter = countListeners();
  const { model, host } = await mount({ frame: frameOf(-1), pictures: floats(1, 2, 3, 4) });
  expect(model.listeners).toBeGreaterThan(0);
  host.abort();
  await settle();
  expect(model.listeners).toBe(0);
  expect(counter.live()).toBe(0);
  counter.stop();
});
