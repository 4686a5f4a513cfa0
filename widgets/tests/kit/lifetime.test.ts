// @vitest-environment happy-dom
import { expect, test, vi } from "vitest";
import { follow, lifetime, listen, watchSize } from "../../src/kit/lifetime";
import { FakeModel } from "../fake_model";

test("listeners end with their signal", () => {
  const { signal, end } = lifetime();
  const model = new FakeModel();
  const heard = vi.fn();
  const button = document.createElement("button");
  listen(button, "click", heard, signal);
  follow(model, "change:seed", heard, signal);
  button.click();
  model.push({ seed: 1 });
  expect(heard).toHaveBeenCalledTimes(2);
  end();
  button.click();
  model.push({ seed: 2 });
  expect(heard).toHaveBeenCalledTimes(2);
  expect(model.listeners).toBe(0);
  follow(model, "change:seed", heard, signal); // too late to begin
  expect(model.listeners).toBe(0);
});

test("a lifetime ends with the host's, or before it", () => {
  const host = new AbortController();
  const [first, second] = [lifetime(host.signal), lifetime(host.signal)];
  first.end();
  expect([first.signal.aborted, second.signal.aborted]).toEqual([true, false]);
  host.abort();
  expect(second.signal.aborted).toBe(true);
  expect(lifetime(host.signal).signal.aborted).toBe(true);
});

test("sizes are watched until the end", () => {
  const disconnect = vi.fn();
  vi.stubGlobal("ResizeObserver", class { observe = vi.fn(); disconnect = disconnect; });
  const { signal, end } = lifetime();
  watchSize(document.createElement("div"), () => {}, signal);
  end();
  expect(disconnect).toHaveBeenCalledOnce();
  vi.unstubAllGlobals();
});
