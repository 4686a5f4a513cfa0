// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { linked } from "../../src/kit/linked";
import { countListeners } from "../views/listeners";

/** A view with one frame of 100 × 50 and what its frame felt. */
function view(group: { name: string }, size = { width: 100, height: 50 }) {
  const root = document.createElement("div");
  const frame = document.createElement("div");
  const beside = document.createElement("p");
  frame.className = "mv-frame";
  frame.getBoundingClientRect = () => ({ left: 10, top: 20, ...size }) as DOMRect;
  root.append(frame, beside);
  document.body.append(root);
  const felt: string[] = [];
  for (const kind of ["pointermove", "pointerleave", "click"]) {
    frame.addEventListener(kind, (event) => felt.push(`${kind} ${(event as MouseEvent).clientX} ${(event as MouseEvent).clientY}`));
  }
  const host = new AbortController();
  linked(() => group.name, root, host.signal);
  const act = (kind: string, x = 0, y = 0, on: HTMLElement = frame) => on.dispatchEvent(new PointerEvent(kind, { clientX: x, clientY: y, bubbles: true }));
  return { felt, act, host, root, beside };
}

let listeners: ReturnType<typeof countListeners>;
beforeEach(() => void (listeners = countListeners()));
afterEach(() => {
  listeners.stop();
  document.body.replaceChildren();
});

describe("linked views", () => {
  test("the other view feels the same share of the picture, whatever its size", () => {
    const group = { name: "g" };
    const [one, other] = [view(group), view(group, { width: 400, height: 400 })];
    one.act("pointermove", 60, 45);
    expect(other.felt).toEqual(["pointermove 210 220"]);
    expect(one.felt).toEqual(["pointermove 60 45"]); // its own event alone: no echo
    one.act("click", 10, 20);
    expect(other.felt.at(-1)).toBe("click 10 20");
  });

  test("it ends when the pointer leaves the picture, or the view", () => {
    const group = { name: "g" };
    const [one, other] = [view(group), view(group)];
    one.act("pointermove", 60, 45);
    one.act("pointermove", 0, 0, one.beside);
    expect(other.felt.map((each) => each.split(" ")[0])).toEqual(["pointermove", "pointerleave"]);
    one.act("pointermove", 0, 0, one.beside);
    expect(other.felt).toHaveLength(2); // said once
    one.act("pointermove", 60, 45);
    one.root.dispatchEvent(new PointerEvent("pointerleave"));
    expect(other.felt.map((each) => each.split(" ")[0])).toEqual(["pointermove", "pointerleave", "pointermove", "pointerleave"]);
  });

  test("only views of one group, and none without", () => {
    const [a, b, c, d] = [view({ name: "g" }), view({ name: "h" }), view({ name: "" }), view({ name: "" })];
    a.act("pointermove", 60, 45);
    c.act("pointermove", 60, 45);
    expect([b.felt, d.felt]).toEqual([[], []]);
  });

  test("a view that is not shown feels nothing, and one that is gone neither", () => {
    const group = { name: "g" };
    const [one, hidden, gone] = [view(group), view(group, { width: 0, height: 0 }), view(group)];
    gone.host.abort();
    one.act("pointermove", 60, 45);
    expect([hidden.felt, gone.felt]).toEqual([[], []]);
  });

  test("nothing is left behind", () => {
    const before = listeners.live();
    const { host, felt } = view({ name: "g" });
    host.abort();
    expect(listeners.live() - before).toBe(3); // the three of this test's own
    expect(felt).toEqual([]);
  });
});
