// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { RegisterInspectorTraits } from "../../src/traits";
import widget from "../../src/views/register_inspector";
import { fakeCanvas } from "../fake_canvas";
import { bytes } from "../fake_model";
import { countListeners } from "./listeners";
import { stage } from "./stage";

type Traits = Partial<RegisterInspectorTraits>;
const N = 16;
const floats = (values: ArrayLike<number>) => new DataView(Float32Array.from(values).buffer);
const nothing = bytes([]);
const norms = (...high: number[]) => [50, ...Array.from({ length: N }, (_, i) => (high.includes(i) ? 100 : 2 + (i % 3) / 10))];
const mode = (threshold: number | null, why = "3 of 16 patches") => ({ threshold, confidence: 0.97, why, ratio: 50 });
const drawn = () => new Promise((resolve) => setTimeout(resolve, 40));

class Model {
  readonly sent: Traits[] = [];
  private dirty: Traits = {};
  private readonly heard = new Map<string, Set<() => void>>();
  readonly traits: RegisterInspectorTraits = {
    title: "Registers", name: "tiny", other: "", height: 32, width: 32, rows: 4, cols: 4, depth: 2, tokens: ["CLS", "outliers"], prefix: 1, original: bytes([1]),
    layer: 1, token: "CLS", thresholds: {}, treatment: "none", neurons: 10, count: 1, defects: false, repairing: false,
    norms: floats([...norms(), ...norms(3, 5)]), modes: { list: [mode(null, "no outliers: one mode fits better"), mode(20)] },
    about: floats(new Array(3 * 2 * N).fill(0.5)), about_info: { token: "CLS" }, features: bytes(new Array(3 * N).fill(7)), features_info: { layer: 1, explained: [] },
    channels: { list: [[], [{ index: 4, value: -124, ratio: 2000, massive: true, token: "row 1, col 4" }]] }, box: [0, 0, 16, 16], cosines: nothing,
    after: nothing, after_info: {}, after_about: nothing, after_about_info: {}, curve: {}, report: { device: "cpu", ms: 12, exact: true }, problem: {},
  };

  get = <K extends keyof RegisterInspectorTraits>(name: K): RegisterInspectorTraits[K] => this.traits[name];
  set = (name: keyof RegisterInspectorTraits, value: unknown): void => {
    this.dirty = { ...this.dirty, [name]: value };
    this.push({ [name]: value } as Traits);
  };
  on = (event: string, callback: () => void): void => void this.heard.set(event, (this.heard.get(event) ?? new Set()).add(callback));
  off = (event: string, callback: () => void): void => void this.heard.get(event)?.delete(callback);
  save_changes = (): void => {
    this.sent.push(this.dirty);
    this.dirty = {};
  };
  push(traits: Traits): void {
    Object.assign(this.traits, traits);
    for (const name of Object.keys(traits)) for (const callback of [...(this.heard.get(`change:${name}`) ?? [])]) callback();
  }
  get listeners(): number {
    return [...this.heard.values()].reduce((n, set) => n + set.size, 0);
  }
}

let shown: Record<string, ImageData>;
beforeEach(() => ({ shown } = fakeCanvas({ width: 32, height: 32 })));
afterEach(() => {
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

async function mount(traits: Traits = {}) {
  const model = new Model();
  Object.assign(model.traits, traits);
  const { host, el, find } = stage(widget, model);
  for (const frame of el.querySelectorAll<HTMLElement>("[data-frame]")) {
    frame.getBoundingClientRect = () => ({ left: 0, top: 0, width: 100, height: 100 }) as DOMRect;
  }
  const on = (frame: string, type: string, x: number, y = 50) => {
    const event = new PointerEvent(type, { clientX: x, clientY: y, isPrimary: true, bubbles: true, button: 0 });
    find(`[data-frame="${frame}"]`).dispatchEvent(event);
  };
  const line = (name: string) => find(`[data-frame="${name}"]`).closest("figure")!.querySelector(".mv-value")!.textContent;
  const type = (label: string, value: string, event = "input") => {
    const input = find<HTMLInputElement>(`[aria-label="${label}"]`);
    input.value = value;
    input.dispatchEvent(new Event(event, { bubbles: true }));
  };
  await drawn();
  return { model, host, el, find, on, line, type };
}

describe("norms", () => {
  test("the slider moves through the layers without a round trip, and tells Python when it rests", async () => {
    const { model, line, type } = await mount();
    expect(line("picture")).toBe("2 outliers · 4 × 4 patches");
    expect(line("histogram")).toBe("above 20.0: 2 of 16 · confidence 97 %");
    const before = shown.norms;
    type("Layer", "1");
    await drawn();
    expect(model.sent).toEqual([]);
    expect(shown.norms).not.toBe(before);
    expect(line("picture")).toBe("0 outliers · 4 × 4 patches");
    expect(line("histogram")).toBe("no outliers: one mode fits better");
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(model.sent).toEqual([{ layer: 0 }]);
  });

  test("the threshold follows the hand and is told when it is let go", async () => {
    const { model, on, line, find } = await mount();
    on("histogram", "pointerdown", 1);
    await drawn();
    expect(line("picture")).toBe("16 outliers · 4 × 4 patches");
    expect(model.sent).toEqual([]);
    on("histogram", "pointermove", 60);
    await drawn();
    expect(line("picture")).toBe("2 outliers · 4 × 4 patches");
    on("histogram", "pointerup", 60);
    await drawn();
    expect(model.sent).toHaveLength(1);
    const set = model.get("thresholds")["1"] as number;
    expect(set).toBeGreaterThan(3);
    expect(set).toBeLessThan(100);
    expect(line("histogram")).toContain("by hand");
    find<HTMLElement>('[data-frame="histogram"]').closest("figure")!.querySelector<HTMLElement>(".mv-toggle")!.click();
    expect(model.get("thresholds")).toEqual({});
  });

  test("the threshold has keys and says where it is", async () => {
    const { model, find } = await mount();
    const handle = find('[role="slider"][aria-label="Threshold of the norm"]');
    expect(handle.getAttribute("aria-valuetext")).toBe("outliers above 20.0");
    handle.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true, cancelable: true }));
    expect(model.get("thresholds")["1"]).toBeGreaterThan(20);
  });

  test("bars above the threshold stand out, massive channels too", async () => {
    const { el } = await mount();
    expect(el.querySelectorAll('[data-frame="histogram"] .is-high')).not.toHaveLength(0);
    expect(el.querySelectorAll('[data-frame="channels"] .is-high')).toHaveLength(1);
    expect(el.querySelector('[data-chart="channels"] .mv-value')!.textContent).toBe("1 massive · largest: 4 at row 1, col 4");
  });
});

describe("tokens", () => {
  test("a click on any map asks about that patch; its neighbours are named", async () => {
    const { model, on, line, find } = await mount();
    on("norms", "click", 80, 10);
    expect(model.sent.at(-1)).toEqual({ token: "3" });
    await drawn();
    expect(find("section h4").textContent).toBe("about patch row 1, col 4");
    expect(line("cosine")).toBe("its neighbours: 0.50");
    expect(find<HTMLSelectElement>('[aria-label="Token"]').value).toBe("3");
  });

  test("the menu and the keys do the same", async () => {
    const { model, type, find } = await mount();
    type("Token", "outliers", "change");
    expect(model.sent.at(-1)).toEqual({ token: "outliers" });
    const picture = find('[data-frame="picture"]');
    for (const key of ["ArrowRight", "ArrowRight", "ArrowDown", "Enter"]) {
      picture.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    }
    expect(model.sent.at(-1)).toEqual({ token: "5" });
  });

  test("hovering reads the raw number on every map", async () => {
    const { on, line } = await mount();
    on("norms", "pointermove", 80, 10);
    expect(line("norms")).toBe("norm 100");
    expect(line("cosine")).toBe("cosine 0.500");
    expect(line("picture")).toBe("row 1, col 4");
    on("norms", "pointerleave", 80, 10);
    expect(line("norms")).toBe("norm");
  });
});

describe("treatments", () => {
  const after = { after: floats([...norms(), ...norms()].flatMap((x, i) => (i % 17 ? [x] : [x, 99]))), after_about: floats(new Array(3 * 2 * N).fill(0.1)) };

  test("a second model has a button of its own and stands below the first", async () => {
    const alone = await mount();
    expect(alone.find('[data-action="treat-other"]').hidden).toBe(true);
    alone.host.abort();
    document.body.replaceChildren();
    const info = { kind: "other", names: ["CLS", "reg 1"], box: [0, 0, 32, 32], modes: [mode(null), mode(20)] };
    const { find, line } = await mount({ other: "tuned", treatment: "other", ...after, after_info: info, features: bytes(new Array(6 * N).fill(7)) });
    expect([find('[data-action="treat-other"]').hidden, find('[data-action="treat-other"]').getAttribute("aria-pressed")]).toEqual([false, "true"]);
    expect(find('[aria-label="after the treatment"] h4').textContent).toBe("the other model, tuned");
    expect(line("after histogram")).toContain("above 20.0");
  });

  test("test-time registers are asked for, and shown beside what was", async () => {
    const { model, find, line } = await mount();
    expect(find('[aria-label="after the treatment"]').hidden).toBe(true);
    find('[data-action="treat-registers"]').click();
    expect(model.sent.at(-1)).toEqual({ treatment: "registers", repairing: false });
    expect(find(".mv-state").textContent).toBeTruthy();
    const info = { kind: "registers", names: ["CLS", "reg 1"], neurons: [[0, 7, 3.5], [1, 2, 2.5]], layer: 1, box: [0, 0, 32, 32], modes: [mode(null), mode(null, "no outliers: one mode fits better")] };
    model.push({ ...after, after_info: info, features: bytes(new Array(6 * N).fill(7)) });
    await drawn();
    expect(find('[aria-label="after the treatment"]').hidden).toBe(false);
    expect(find(".mv-said h4").textContent).toBe("with test-time registers: 2 neurons of layers 1, 2 moved to reg 1; outliers taken from layer 2");
    expect(line("after histogram")).toBe("no outliers: one mode fits better");
    expect(line("after features")).toBe("object: a box of 16 patches");
    const own = find<HTMLElement>('[data-frame="after norms"]').closest("figure")!.querySelector(".mv-bar")!.textContent;
    expect(own).toContain("100"); // the range of both
    find('[data-action="scale"]').click();
    await drawn();
    expect(find<HTMLElement>('[data-frame="after norms"]').closest("figure")!.querySelector(".mv-bar")!.textContent).not.toContain("100");
  });

  test("where there is nothing to treat, it says so and shows no empty panels", async () => {
    const { find } = await mount({ treatment: "registers", after_info: { kind: "registers", why: "No layer has outliers." } });
    expect(find(".mv-said h4").textContent).toBe("No layer has outliers.");
    expect(find('[data-frame="after norms"]').closest("figure")!.hidden).toBe(true);
  });

  test("a repair runs, draws its curve and can be stopped", async () => {
    const { model, find, el } = await mount({ treatment: "repair" });
    const run = find('[data-action="repair"]');
    expect(run.textContent).toBe("Run");
    run.click();
    expect(model.sent.at(-1)).toEqual({ repairing: true });
    expect(run.textContent).toBe("Stop");
    model.push({ curve: { loss: [10, 5, null], ratio: [70, 30, 1.5], cosine: [1, 0.99, 0.97], of: 30, running: true } });
    await drawn();
    expect(find(".mv-state").textContent).toBe("computing: repair");
    expect(el.querySelectorAll('[data-frame="curve"] polyline')).toHaveLength(2);
    expect(find('[data-chart="curve"] .mv-value').textContent).toBe("step 3 of 30 · no defective patches left · max : median 1.50 · CLS cos 0.970");
    run.click();
    expect(model.sent.at(-1)).toEqual({ repairing: false });
  });

  test("defect directions come when they are wanted", async () => {
    const { model, find, el, line } = await mount();
    expect(find('[data-frame="defects"]').closest("figure")!.hidden).toBe(true);
    find('[data-action="defects"]').click();
    expect(model.sent.at(-1)).toEqual({ defects: true });
    model.push({ cosines: floats(Array.from({ length: 2 * N }, (_, i) => (i === N + 3 ? 0.99 : 0.1))) });
    await drawn();
    expect(el.querySelectorAll('[data-frame="scatter"] ellipse')).toHaveLength(N);
    expect(el.querySelectorAll('[data-frame="scatter"] .is-high')).toHaveLength(2);
    expect(line("defects")).toBe("|cos|");
  });
});

describe("states", () => {
  test("waiting, exact and broken are told apart", async () => {
    const { model, find } = await mount({ report: {}, norms: nothing, modes: {}, about: nothing });
    expect(find(".mv-state").textContent).toBe("computing …");
    expect(find('[data-frame="norms"] .mv-empty').textContent).toBe("waiting for the model …");
    model.push({ problem: { kind: "error", title: "This could not be computed", text: "TypeError: windows", hint: "kept" } });
    await drawn();
    expect(find(".mv-state").textContent).toBe("no result");
    expect(find(".mv-problem").textContent).toContain("TypeError: windows");
  });

  test("the status line names model, device, time and certificate", async () => {
    const { find } = await mount();
    expect(find(".mv-line").textContent).toBe("exacttiny  ·  cpu  ·  12 ms  ·  attention certified");
    expect(find(".mv-note").textContent).toBe("layer 2: 3 of 16 patches");
  });

  test("every control has a name, and nothing listens after the end", async () => {
    const counter = countListeners();
    const { model, host, el } = await mount({ treatment: "repair", defects: true });
    for (const control of el.querySelectorAll("button, input, select, [role=slider]")) {
      expect(control.getAttribute("aria-label") || control.textContent, control.outerHTML).toBeTruthy();
    }
    expect(model.listeners).toBeGreaterThan(10);
    host.abort();
    expect(model.listeners).toBe(0);
    expect(counter.live()).toBe(0);
    expect(el.childElementCount).toBe(1); // the host takes the element away
    counter.stop();
  });
});
