/** A painter on a fake model in a fake DOM, and the hands to use it. */
import type { MaskPainterTraits } from "../../src/traits";
import widget from "../../src/views/mask_painter";
import { FakeModel, bytes } from "../fake_model";

export const settle = () => new Promise((resolve) => setTimeout(resolve, 5));
export const report = (more = {}) => ({
  stroke: 0, exact: true, loss: 0.03, psnr: 20, ms: 8, device: "cpu", model: "tiny", note: "", leaks: false, hidden: 1, events: 1, runs: 1, ...more,
});

export function mount(traits: Partial<MaskPainterTraits> = {}, model = new FakeModel({ original: bytes([1]), ...traits })) {
  const host = new AbortController();
  const el = document.createElement("div");
  document.body.append(el);
  const close = widget.render({ model: model.asModel, el, signal: host.signal } as unknown as Parameters<typeof widget.render>[0]);
  const find = <T extends HTMLElement>(selector: string) => el.querySelector(selector) as T;
  for (const frame of el.querySelectorAll<HTMLElement>("[data-frame]")) {
    frame.getBoundingClientRect = () => ({ left: 0, top: 0, width: 80, height: 80 }) as DOMRect;
  }
  const point = (type: string, x: number, y: number, more: PointerEventInit = {}) => {
    const event = new PointerEvent(type, { clientX: x, clientY: y, isPrimary: true, bubbles: true, ...more });
    return find(`[data-frame="${frame}"]`).dispatchEvent(event);
  };
  let frame = "original";
  const on = (name: string) => ((frame = name), { down, move, up, cancel });
  const down = (x: number, y: number, more = {}) => point("pointerdown", x, y, more);
  const move = (x: number, y: number) => point("pointermove", x, y);
  const up = (x: number, y: number) => point("pointerup", x, y);
  const cancel = () => point("pointercancel", 0, 0);
  const press = (key: string, more: KeyboardEventInit = {}, at = '[data-frame="masked"]') => {
    find(at).dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));
  };
  const click = (action: string) => find(`[data-action="${action}"]`).click();
  return { host, model, el, close, find, press, click, on, root: () => find(".mv-painter") };
}
