// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { fakeCanvas } from "../fake_canvas";
import { bytes, hiddenIn } from "../fake_model";
import { countListeners } from "./listeners";
import { mount, report, settle } from "./mount";

let shown: Record<string, ImageData>;

beforeEach(() => ({ shown } = fakeCanvas()));
afterEach(() => {
  document.body.replaceChildren();
  vi.unstubAllGlobals();
});

describe("painting", () => {
  test("a fast drag sends every patch on its way, then the end", () => {
    const { model, on } = mount();
    const { down, move, up } = on("original");
    down(5, 5);
    model.push({ report: report({ stroke: 1, exact: false }) });
    move(65, 5);
    up(65, 5);
    expect(model.sent.map((traits) => traits.dragging)).toEqual([true, true, false]);
    expect(hiddenIn(model.sent[0]!)).toEqual([0]);
    expect(hiddenIn(model.sent[1]!)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(model.get("hidden").byteLength).toBe(64);
    expect(model.get("stroke")).toBe(2);
  });

  test("coalesced samples are followed, not cut short", () => {
    const { model, find, on } = mount();
    const { down, up } = on("pasted");
    down(5, 5);
    const event = new PointerEvent("pointermove", { clientX: 25, clientY: 5, isPrimary: true, bubbles: true });
    event.getCoalescedEvents = () => [[5, 25], [25, 25], [25, 5]].map(([clientX, clientY]) => new PointerEvent("pointermove", { clientX, clientY }));
    find('[data-frame="pasted"]').dispatchEvent(event);
    up(25, 5);
    expect(hiddenIn(model.sent[1]!)).toEqual([0, 2, 8, 10, 16, 17, 18]);
  });

  test("rectangle, erase and the opposite of the tool", () => {
    const { model, press, on } = mount();
    const { down, move, up } = on("masked");
    press("r");
    down(5, 5);
    move(75, 75);
    move(15, 15);
    up(15, 15);
    expect(hiddenIn({ hidden: model.get("hidden") })).toEqual([0, 1, 8, 9]);
    press("e");
    down(5, 5);
    up(5, 5);
    expect(hiddenIn({ hidden: model.get("hidden") })).toEqual([1, 8, 9]);
    press("b");
    down(15, 5, { button: 2 });
    up(15, 5);
    expect(hiddenIn({ hidden: model.get("hidden") })).toEqual([8, 9]);
  });

  test("a cancelled drag leaves the mask as it was", () => {
    const { model, on } = mount();
    const { down, move, cancel } = on("original");
    down(5, 5);
    move(45, 45);
    cancel();
    expect(hiddenIn({ hidden: model.get("hidden") })).toEqual([]);
    expect(model.last.dragging).toBe(false);
  });

  test("the outputs are looked at, not painted on", () => {
    const { model, on, find } = mount();
    const { down, move } = on("error");
    down(5, 5);
    move(15, 25);
    expect(model.sent).toHaveLength(0);
    expect(find(".mv-panel:nth-child(2) .mv-value").textContent).toBe("row 3, col 2: visible");
  });
});

describe("keys and buttons", () => {
  test("arrows move, Space toggles, Shift paints", () => {
    const { model, press } = mount();
    press("ArrowDown"); // shows the cursor
    press("ArrowDown");
    press(" ");
    expect(hiddenIn(model.last)).toEqual([8]);
    press("ArrowRight", { shiftKey: true });
    press("ArrowRight", { shiftKey: true });
    expect(hiddenIn(model.last)).toEqual([8, 9, 10]);
    press("Enter");
    expect(hiddenIn(model.last)).toEqual([8, 9]);
  });

  test("every shortcut does what its button does", () => {
    const { model, press, click } = mount({ hidden: bytes([1, ...Array<number>(63).fill(0)]) });
    press("g");
    expect(hiddenIn(model.last)).toEqual([0, 1, 8]);
    press("s");
    expect(hiddenIn(model.last)).toEqual([0]);
    press("i");
    expect(hiddenIn(model.last)).toHaveLength(63);
    press("c");
    expect(hiddenIn(model.last)).toEqual([]);
    press("z", { ctrlKey: true });
    expect(hiddenIn(model.last)).toHaveLength(63);
    press("y", { metaKey: true });
    expect(hiddenIn(model.last)).toEqual([]);
    click("undo"), press("u");
    expect(hiddenIn(model.last)).toEqual([0]);
    click("redo");
    expect(hiddenIn(model.last)).toHaveLength(63);
  });

  test("typing in an entry field paints nothing", () => {
    const { model, press } = mount();
    press("i", {}, 'input[type="number"]');
    expect(model.sent).toHaveLength(0);
  });

  test("every control has a name and says its shortcut", () => {
    const { el } = mount();
    const controls = [...el.querySelectorAll("button, input, select, [tabindex='0']")];
    expect(controls.length).toBeGreaterThan(20);
    for (const control of controls) expect(control.getAttribute("aria-label") || control.textContent).toBeTruthy();
    expect(el.querySelector('[data-action="undo"]')?.getAttribute("title")).toContain("(Ctrl+Z)");
  });

  test("Draw asks for a mask with strategy, ratio and seed; Next seed for another one", () => {
    const { model, find, click } = mount();
    const menu = find<HTMLSelectElement>('[aria-label="Strategy"]');
    expect([...menu.options].map((option) => option.value)).toEqual(["random", "block", "grid", "simmim"]);
    menu.value = "block";
    menu.dispatchEvent(new Event("change"));
    const entry = find<HTMLInputElement>('[aria-label="Ratio, as a number"]');
    entry.value = "1.7";
    entry.dispatchEvent(new Event("change"));
    expect(entry.value).toBe("1");
    click("draw");
    expect(model.last).toMatchObject({ draw: 1 });
    expect([model.get("strategy"), model.get("ratio"), model.get("seed")]).toEqual(["block", 1, 0]);
    click("next");
    expect(model.last).toMatchObject({ draw: 2, seed: 1 });
  });
});

describe("what Python sends", () => {
  test("a mask repaints and can be undone", () => {
    const { model, find, press } = mount();
    model.push({ hidden: bytes([1, 1, ...Array<number>(62).fill(0)]) });
    expect(find(".mv-panel:nth-child(2) .mv-value").textContent).toBe("2 of 64 hidden");
    press("u");
    expect(hiddenIn(model.last)).toEqual([]);
  });

  test("a painter whose first result is there before it is shown is exact at once", async () => {
    const { root, find } = mount({ picture: bytes(Array<number>(3 * 64 * 64).fill(7)), report: report() });
    await settle();
    expect(find(".mv-state").textContent).toBe("exact");
    expect(root().dataset.exact).toBe("true");
  });

  test("a result is drawn, said and measured once", async () => {
    performance.clearMeasures();
    const { model, root, find, on } = mount();
    const { down, up } = on("original");
    down(5, 5);
    up(5, 5);
    const error = new DataView(new Float32Array(64).fill(0).map((_, i) => (i ? 0 : 0.25)).buffer);
    model.push({ picture: bytes([1, 2, 3]), error, report: report({ stroke: 1, exact: false }) });
    await settle();
    expect([root().dataset.stroke, root().dataset.exact]).toEqual(["1", "false"]);
    model.push({ report: report({ stroke: 1, events: 2 }) });
    await settle();
    expect(root().dataset.exact).toBe("true");
    const [measure, ...others] = performance.getEntriesByName("mimviz:latency") as PerformanceMeasure[];
    expect(measure?.detail).toEqual({ stroke: 1, bytes: 259 });
    expect(others).toHaveLength(0);
    expect(find(".mv-status").textContent).toContain("exacttiny");
    expect(find('[role="status"]').textContent).toContain("PSNR 20.0 dB");
    expect(find(".mv-bar").textContent).toBe("0.0000.250");
    expect([...shown.error!.data.slice(0, 8)]).toEqual([252, 253, 191, 255, 0, 0, 4, 255]);
    expect([shown.pasted!.width, shown.error!.width]).toEqual([64, 8]);
  });

  test("while the hand moves, the masked panel follows at once and the others with the next answer", async () => {
    const { model, on } = mount();
    await settle();
    model.push({ picture: bytes([1]), report: report() });
    await settle();
    const { down, move, up } = on("masked");
    down(5, 5);
    const { masked, pasted } = shown;
    move(25, 5);
    expect(shown.masked).not.toBe(masked);
    expect(shown.pasted).toBe(pasted);
    model.push({ picture: bytes([1]), report: report({ stroke: 2, exact: false }) });
    await settle();
    expect(shown.pasted).not.toBe(pasted);
    up(25, 5);
  });

  test("late results are dropped", async () => {
    const { model, root } = mount();
    model.push({ picture: bytes([1]), report: report({ stroke: 5 }) });
    await settle();
    model.push({ report: report({ stroke: 4 }) });
    await settle();
    expect(root().dataset.stroke).toBe("5");
  });

  test("an old exact result is not called exact after the mask has changed", async () => {
    const { model, find, press } = mount();
    model.push({ picture: bytes([1]), report: report() });
    await settle();
    expect(find(".mv-state").textContent).toBe("exact");
    press("i");
    expect(find(".mv-state").textContent).toBe("computing …");
  });

  test("a leaking picture has its badge, an honest one has none", async () => {
    const { model, find, el } = mount({ normalized: true });
    const badges = () => [find(".mv-leak"), ...el.querySelectorAll<HTMLElement>(".mv-badge")].filter((badge) => !badge.hidden).length;
    model.push({ picture: bytes([1]), report: report({ note: "from visible patches" }) });
    await settle();
    expect([badges(), find(".mv-note").textContent]).toEqual([0, "from visible patches"]);
    const menu = find<HTMLSelectElement>('[aria-label="Statistics of hidden patches"]');
    menu.value = "true";
    menu.dispatchEvent(new Event("change"));
    expect(model.last).toEqual({ statistics: "true" });
    model.push({ report: report({ leaks: true }) });
    await settle();
    expect(badges()).toBe(4);
    expect(find(".mv-leak").textContent).toContain("uses the hidden pixels");
  });

  test("a pixel model has no statistics to choose", () => {
    expect(mount().find('[aria-label="Statistics of hidden patches"]').closest<HTMLElement>(".mv-field")?.hidden).toBe(true);
  });

  test("a problem is said, the mask stays, the next answer takes it away", async () => {
    const { model, find, press } = mount();
    press("i");
    model.push({ problem: { kind: "error", title: "The model failed", text: "RuntimeError: boom", hint: "Paint on." }, picture: bytes([]), report: report({ stroke: 1 }) });
    await settle();
    expect(find(".mv-problem").textContent).toBe("The model failedRuntimeError: boomPaint on.");
    expect(find(".mv-problem").getAttribute("role")).toBe("alert");
    expect(find(".mv-panel:nth-child(2) .mv-value").textContent).toBe("64 of 64 hidden");
    model.push({ problem: {} });
    expect(find(".mv-problem").hidden).toBe(true);
  });

  test("a picture that cannot be decoded is said, not thrown", async () => {
    const { find, model } = mount();
    vi.stubGlobal("createImageBitmap", () => Promise.reject(new Error("bad")));
    model.push({ picture: bytes([1, 2]), report: report() });
    await settle();
    expect(find(".mv-problem").textContent).toContain("The reconstruction cannot be drawn");
  });
});

describe("files", () => {
  const drop = (el: HTMLElement, file: File) => {
    const event = new Event("drop", { bubbles: true, cancelable: true });
    Object.assign(event, { dataTransfer: { files: [file] } });
    el.dispatchEvent(event);
  };

  test("a dropped picture is sent with its name", async () => {
    const { model, root } = mount();
    drop(root(), new File([Uint8Array.of(7, 8)], "cat.jpg", { type: "image/jpeg" }));
    await settle();
    expect([...new Uint8Array(model.last.upload!.buffer)]).toEqual([7, 8]);
    expect(model.last.upload_name).toBe("cat.jpg");
  });

  test("a dropped RLE file becomes the mask; one of another grid is refused and nothing is lost", async () => {
    const { model, root, find } = mount();
    drop(root(), new File(["8x8:5 3 56\n"], "mask.rle"));
    await settle();
    expect(hiddenIn(model.last)).toEqual([5, 6, 7]);
    drop(root(), new File(["7x7:49"], "mask.rle"));
    await settle();
    expect(find(".mv-problem").textContent).toContain("mask has 7 x 7 patches, but this model's grid is 8 x 8");
    expect(hiddenIn({ hidden: model.get("hidden") })).toEqual([5, 6, 7]);
    find('[aria-label="Dismiss"]').click();
    expect(find(".mv-problem").hidden).toBe(true);
  });

  test("RLE text can be pasted", async () => {
    const { model, root } = mount();
    const event = new Event("paste", { bubbles: true, cancelable: true });
    Object.assign(event, { clipboardData: { getData: () => "8x8:0 2 62" } });
    root().dispatchEvent(event);
    await settle();
    expect(hiddenIn(model.last)).toEqual([0, 1]);
  });
});

describe("lifetimes", () => {
  test("two views of one model stay in step", () => {
    const one = mount();
    const other = mount({}, one.model);
    one.press("i");
    expect(other.find(".mv-panel:nth-child(2) .mv-value").textContent).toBe("64 of 64 hidden");
    other.press("u");
    expect(one.find(".mv-panel:nth-child(2) .mv-value").textContent).toBe("0 of 64 hidden");
  });

  test.each(["the host's signal", "the cleanup function"])("zero listeners are left after %s", async (way) => {
    const listeners = countListeners();
    const { host, model, on, close, el } = mount();
    on("original").down(5, 5); // in the middle of a drag
    model.push({ picture: bytes([1]), report: report() });
    expect(model.listeners).toBeGreaterThan(10);
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
