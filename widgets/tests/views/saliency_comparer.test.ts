// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import widget from "../../src/views/saliency_comparer";
import { fakeCanvas } from "../fake_canvas";
import { bytes } from "../fake_model";
import { countListeners } from "./listeners";
import { stage } from "./stage";

type Traits = Record<string, unknown>;

class Model {
  readonly sent: Traits[] = [];
  private dirty: Traits = {};
  private readonly heard = new Map<string, Set<() => void>>();
  private readonly traits: Traits = {
    title: "Compare", methods: ["A", "B", "C"], chosen: ["A", "B"], classes: ["cat", "dog", "catfish"], targets: [-1],
    subjects: { list: [{ label: "best class", width: 4, height: 4, rows: 2, cols: 2, start: 0, size: 1 }], pictures: 1 },
    originals: bytes([1]), stopped: false, region: [], entry: {}, part: bytes([]), resend: 0, report: {}, problem: {},
  };

  get = (name: string) => this.traits[name];
  set = (name: string, value: unknown) => {
    this.dirty[name] = value;
    this.push({ [name]: value });
  };
  on = (event: string, callback: () => void) => void this.heard.set(event, (this.heard.get(event) ?? new Set()).add(callback));
  off = (event: string, callback: () => void) => void this.heard.get(event)?.delete(callback);
  save_changes = () => {
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

const settle = () => new Promise((resolve) => setTimeout(resolve, 40));
const floats = (...values: number[]) => new DataView(Float32Array.from(values).buffer);

async function mount(traits: Traits = {}) {
  const model = new Model();
  model.push(traits);
  const { host, el, all } = stage(widget, model);
  await settle();
  const tell = async (method: string, more: Traits = {}, values = floats(0, 1, 2, 4)) => {
    model.push({ part: values, entry: { key: `${method}|0.0.-1`, method, rows: 2, cols: 2, finished: true, done: 1, passes: 1, seconds: 0.1, by: `${method}()`, ...more } });
    await settle();
  };
  return { model, host, el, all, tell, panel: (i: number) => all(".mv-panel")[i]! };
}

let written: string[] = [];
beforeEach(() => ({ written } = fakeCanvas({ width: 4, height: 4 })));
afterEach(() => {
  document.body.replaceChildren();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("maps", () => {
  test("a panel for the picture and one for each method; a new view asks for what was told before", async () => {
    const { model, all } = await mount();
    expect(all("figcaption").map((each) => each.textContent)).toEqual(["pictureleaks", "Aleaks", "Bleaks"]);
    expect(model.sent).toContainEqual({ resend: 1 });
  });

  test("a map shows its range, its pace and its words when asked", async () => {
    const { tell, panel, all } = await mount();
    await tell("A", { words: "All of it lies left.", best: "cat" });
    expect(panel(1).querySelector(".mv-bar")!.textContent).toBe("04");
    expect(panel(1).textContent).toContain("0.10 s · cat");
    const words = panel(1).querySelector<HTMLElement>(".mv-words")!;
    expect(words.hidden).toBe(true);
    all('[data-action="describe"]')[0]!.click();
    await settle();
    expect(words.hidden).toBe(false);
    expect(panel(1).querySelector("canvas")!.getAttribute("aria-label")).toContain("All of it lies left.");
  });

  test("parts of a slow map show how far it is, then the gauge goes", async () => {
    const { tell, panel } = await mount();
    await tell("B", { finished: false, done: 10, passes: 40 });
    const gauge = panel(2).querySelector("progress")!;
    expect([gauge.hidden, gauge.value]).toEqual([false, 0.25]);
    await tell("B", { done: 40, passes: 40 });
    expect(gauge.hidden).toBe(true);
  });

  test("a warning and an error stand under their map", async () => {
    const { tell, panel } = await mount();
    await tell("A", { warning: "the map is 0 everywhere" });
    await tell("B", { error: { kind: "error", title: "B gave no map", text: "no memory" } }, floats());
    expect(panel(1).querySelector(".mv-warning")!.textContent).toBe("the map is 0 everywhere");
    expect(panel(2).querySelector(".mv-warning")!.className).toContain("is-error");
    expect(panel(2).querySelector(".mv-empty")!.textContent).toBe("no map");
  });
});

describe("choosing", () => {
  test("ticking a method sends it, and its panel stands there", async () => {
    const { model, all } = await mount();
    const box = all<HTMLInputElement>(".mv-tick input")[2]!;
    box.checked = true;
    box.dispatchEvent(new Event("change"));
    await settle();
    expect(model.get("chosen")).toEqual(["A", "B", "C"]);
    expect(all(".mv-panel")).toHaveLength(4);
  });

  test("a class is found by name, added, and left out again", async () => {
    const { model, all } = await mount();
    const entry = all<HTMLInputElement>(".mv-picker input")[0]!;
    entry.value = "cat";
    entry.dispatchEvent(new Event("input"));
    expect(all(".mv-hit").map((each) => each.textContent)).toEqual(["cat", "catfish"]);
    all(".mv-hit")[1]!.click();
    expect(model.get("targets")).toEqual([-1, 2]);
    all(".mv-picked")[0]!.click();
    expect(model.get("targets")).toEqual([2]);
  });

  test("stop and go on", async () => {
    const { model, all } = await mount();
    const hold = all('[data-action="stop"]')[0]!;
    hold.click();
    await settle();
    expect([model.get("stopped"), hold.textContent]).toEqual([true, "Go on"]);
  });
});

test("a region drawn on one panel is sent in whole patches, and every map says its share", async () => {
  const { model, tell, panel, all } = await mount();
  await tell("A");
  const frame = panel(2).querySelector<HTMLElement>(".mv-frame")!;
  frame.getBoundingClientRect = () => ({ left: 0, top: 0, width: 80, height: 80 }) as DOMRect;
  const point = (type: string, x: number, y: number) => frame.dispatchEvent(new PointerEvent(type, { clientX: x, clientY: y, isPrimary: true, buttons: 1, bubbles: true }));
  point("pointerdown", 45, 45);
  point("pointermove", 70, 5);
  point("pointerup", 70, 5);
  frame.dispatchEvent(new PointerEvent("pointerleave"));
  await settle();
  expect(model.get("region")).toEqual([0, 0.5, 1, 1]);
  expect(panel(1).querySelector(".mv-value")!.textContent).toBe("71.4 % of mass inside");
  all('[data-action="clear-region"]')[0]!.click();
  expect(model.get("region")).toEqual([]);
});

test("new words for a region come without values: the map stays, and is not called finished again", async () => {
  const { model, tell, panel, all } = await mount();
  await tell("A", { words: "before" });
  await tell("B", {}, floats(5, 6, 7, 8));
  model.push({ entry: { key: "A|0.0.-1", kept: true, words: "The drawn region holds 71 %." } });
  await settle();
  expect(panel(1).querySelector(".mv-words")!.textContent).toBe("The drawn region holds 71 %.");
  expect(panel(1).querySelector(".mv-bar")!.textContent).toBe("04");
  expect(panel(2).querySelector(".mv-bar")!.textContent).toBe("58");
  expect(all(".mv-live")[0]!.textContent).toBe("B is finished");
});

describe("files", () => {
  function downloads() {
    const saved: { name: string; blob: Blob }[] = [];
    vi.stubGlobal("URL", { createObjectURL: (blob: Blob) => void saved.push({ name: "", blob }), revokeObjectURL: () => undefined });
    vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
      saved.at(-1)!.name = this.download;
    });
    vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(600);
    const sizes: [number, number][] = [];
    HTMLCanvasElement.prototype.toBlob = function (take: BlobCallback) {
      sizes.push([this.width, this.height]);
      take(new Blob(["png"]));
    };
    return { saved, sizes };
  }

  test("a picture holds every caption, the true range of every bar and what stands below", async () => {
    const { saved, sizes } = downloads();
    const { tell, all } = await mount({ report: { models: ["tiny"], finished: 2, all: 2 } });
    await tell("A", { best: "cat" });
    await tell("B", { signed: true }, floats(-3, 0, 1, 2));
    all('[data-action="png"]')[0]!.click();
    expect(saved.map(({ name }) => name)).toEqual(["saliency.png"]);
    for (const words of ["Compare", "picture", "A", "0", "4", "B", "-3", "3", "0.10 s · cat"]) expect(written).toContain(words);
    expect(written.join(" ")).toContain("colour scale: each map its own");
    expect(sizes[0]![0]).toBe(2 * (16 + 192 + 12 + 192 + 12 + 192 + 16)); // three panels as wide as on the page
    expect(all(".mv-news")[0]!.textContent).toBe("saved saliency.png");
  });

  test("a picture says why a panel is empty, and all words where they are on display", async () => {
    downloads();
    const { tell, all } = await mount();
    await tell("A", { words: "All of it lies left." });
    await tell("B", { error: { kind: "error", title: "B gave no map", text: "no memory" } }, floats());
    all('[data-action="png"]')[0]!.click();
    expect(written.join(" ")).toContain("no map");
    expect(written.join(" ")).not.toContain("All of it");
    all('[data-action="describe"]')[0]!.click();
    await settle();
    all('[data-action="png"]')[0]!.click();
    expect(written.join(" ")).toContain("All of it lies left.");
  });

  test("numbers are saved as a table; without any, nothing is", async () => {
    const { saved } = downloads();
    const { tell, all } = await mount();
    all('[data-action="csv"]')[0]!.click();
    expect(saved).toEqual([]);
    expect(all(".mv-news")[0]!.textContent).toContain("no numbers yet");
    await tell("A");
    all('[data-action="csv"]')[0]!.click();
    expect(saved[0]!.name).toBe("saliency.csv");
    expect((await saved[0]!.blob.text()).split("\n")[4]).toBe('"A","best class",1,1,1,1,4');
  });
});

test("keys: arrows read values, Space sets two corners, Escape takes the region away", async () => {
  const { model, tell, panel } = await mount();
  await tell("A");
  const frame = panel(1).querySelector<HTMLElement>(".mv-frame")!;
  const press = (key: string) => frame.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  press("ArrowRight");
  press("ArrowRight");
  expect(panel(1).querySelector(".mv-value")!.textContent).toBe("1");
  press(" ");
  press("ArrowDown");
  press(" ");
  expect(model.get("region")).toEqual([0, 0.5, 1, 1]);
  press("Escape");
  expect(model.get("region")).toEqual([]);
});

test("nothing listens after the view has gone", async () => {
  const counter = countListeners();
  const { model, host, tell } = await mount();
  await tell("A");
  expect(model.listeners).toBeGreaterThan(0);
  host.abort();
  await settle();
  expect(model.listeners).toBe(0);
  expect(counter.live()).toBe(0);
  counter.stop();
});
