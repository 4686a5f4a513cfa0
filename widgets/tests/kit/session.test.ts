import { describe, expect, test, vi } from "vitest";
import { fill, paint } from "../../src/kit/mask";
import { MaskSession } from "../../src/kit/session";
import { FakeModel, bytes, hiddenIn } from "../fake_model";

function start(model = new FakeModel()) {
  const changed = vi.fn();
  const controller = new AbortController();
  return { model, changed, controller, session: new MaskSession(model.asModel, changed, controller.signal) };
}
const answer = (model: FakeModel, stroke: number) => model.push({ report: { stroke } });
const only = (...patches: number[]) => paint(fill({ rows: 8, cols: 8 }, 0), patches, 1);

describe("a drag", () => {
  test("sends every change, ends with dragging false and is one step of undo", () => {
    const { model, session } = start();
    session.begin();
    expect(session.drag(only(1))).toBe(true);
    expect(session.drag(only(1))).toBe(false);
    answer(model, 1);
    session.drag(only(1, 2));
    session.release();
    expect(model.sent.map((traits) => [traits.stroke, traits.dragging, hiddenIn(traits)])).toEqual([
      [1, true, [1]],
      [2, true, [1, 2]],
      [undefined, false, []],
    ]);
    session.undo();
    expect([hiddenIn(model.last), model.last.stroke, model.last.dragging]).toEqual([[], 3, false]);
    session.redo();
    expect(hiddenIn(model.last)).toEqual([1, 2]);
  });

  test("has one step in flight: the newest goes when the answer comes", () => {
    const { model, session } = start();
    session.begin();
    for (const mask of [only(1), only(1, 2), only(1, 2, 3)]) session.drag(mask);
    expect(model.sent).toHaveLength(1);
    answer(model, 1);
    expect([model.last.stroke, hiddenIn(model.last)]).toEqual([3, [1, 2, 3]]);
    session.drag(only(1, 2, 3, 4));
    session.release();
    expect([model.last.stroke, model.last.dragging, hiddenIn(model.last)]).toEqual([4, false, [1, 2, 3, 4]]);
    expect(model.sent).toHaveLength(3);
    answer(model, 4);
    expect(model.sent).toHaveLength(3);
  });

  test("does not wait for ever for an answer", () => {
    vi.useFakeTimers();
    const { model, session } = start();
    session.begin();
    session.drag(only(1));
    session.drag(only(1, 2));
    vi.advanceTimersByTime(500);
    expect(hiddenIn(model.last)).toEqual([1, 2]);
    vi.useRealTimers();
  });

  test("remembers which mask an answer is about", () => {
    const { model, session } = start();
    session.begin();
    for (const mask of [only(1), only(1, 2), only(1, 2, 3)]) {
      session.drag(mask);
      if (mask[3] === 0) answer(model, session.stroke);
    }
    expect(session.answered(2)).toEqual(only(1, 2));
    expect(session.answered(1)).toEqual(only(1, 2, 3)); // forgotten: as if it were about the present one
    expect(session.answered(3)).toEqual(only(1, 2, 3));
  });

  test("can be taken back as a whole", () => {
    const { model, session } = start();
    session.begin();
    session.drag(only(1));
    session.cancel();
    expect(model.last).toMatchObject({ dragging: false, stroke: 2 });
    expect(hiddenIn(model.last)).toEqual([]);
    expect(session.canUndo).toBe(false);
  });

  test("that changes nothing leaves no step", () => {
    const { session } = start();
    session.begin();
    session.release();
    expect(session.canUndo).toBe(false);
  });
});

describe("Python", () => {
  test("sets a mask: shown, undoable, not sent back", () => {
    const { model, session, changed } = start();
    model.push({ hidden: bytes(only(7)) });
    expect(session.mask).toEqual(only(7));
    expect(changed).toHaveBeenCalledOnce();
    expect(model.sent).toHaveLength(0);
    session.undo();
    expect(hiddenIn(model.last)).toEqual([]);
  });

  test("echoes: the same mask is no news, an older one is ignored", () => {
    const { model, session, changed } = start();
    session.change(only(1));
    session.change(only(1, 2));
    changed.mockClear();
    model.push({ hidden: bytes(only(1, 2)), stroke: 2 });
    model.push({ hidden: bytes(only(1)), stroke: 1 });
    expect(session.mask).toEqual(only(1, 2));
    expect(changed).not.toHaveBeenCalled();
  });

  test("ends a drag by setting a mask", () => {
    const { model, session } = start();
    session.begin();
    session.drag(only(1));
    model.push({ hidden: bytes(only(9)) });
    expect(session.dragging).toBe(false);
    expect(model.get("dragging")).toBe(false);
    session.undo();
    expect(session.mask).toEqual(only(1));
    session.undo();
    expect(session.mask).toEqual(only());
  });

  test("changes the grid: the mask follows when all of it has come, old masks are forgotten", () => {
    const { model, session } = start();
    session.change(only(1));
    model.push({ rows: 2 });
    expect(session.grid.rows).toBe(8);
    model.push({ cols: 3, hidden: bytes([1, 0, 0, 0, 0, 1]) });
    expect(session.grid).toEqual({ rows: 2, cols: 3 });
    expect([...session.mask]).toEqual([1, 0, 0, 0, 0, 1]);
    expect(session.canUndo).toBe(false);
  });
});

test("two views of one model stay in step, a drag in one is one step of undo in the other", () => {
  const { model, session: left } = start();
  const { session: right } = start(model);
  left.begin();
  left.drag(only(1));
  left.drag(only(1, 2));
  left.release();
  expect(right.mask).toEqual(only(1, 2));
  right.undo();
  expect(right.mask).toEqual(only());
  expect(left.mask).toEqual(only());
});

test("the end of the signal ends all listening", () => {
  const { model, controller, changed } = start();
  expect(model.listeners).toBeGreaterThan(0);
  controller.abort();
  expect(model.listeners).toBe(0);
  model.push({ hidden: bytes(only(3)) });
  expect(changed).not.toHaveBeenCalled();
});
