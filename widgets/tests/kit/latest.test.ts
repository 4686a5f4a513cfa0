import { expect, test } from "vitest";
import { Latest } from "../../src/kit/latest";

const tick = () => new Promise((resolve) => setTimeout(resolve));

test("one in flight, the newest waits, those between are dropped", async () => {
  const started: number[] = [];
  let finish = () => {};
  const work = new Latest<number>((value) => {
    started.push(value);
    return new Promise<void>((resolve) => (finish = resolve));
  }, new AbortController().signal);
  for (const value of [1, 2, 3, 4]) work.put(value);
  expect(started).toEqual([1]);
  finish();
  await tick();
  expect(started).toEqual([1, 4]);
  finish();
  await tick();
  work.put(5);
  expect(started).toEqual([1, 4, 5]);
});

test("nothing starts after the end", async () => {
  const controller = new AbortController();
  const started: number[] = [];
  let finish = () => {};
  const work = new Latest<number>((value) => {
    started.push(value);
    return new Promise<void>((resolve) => (finish = resolve));
  }, controller.signal);
  work.put(1);
  work.put(2);
  controller.abort();
  finish();
  await tick();
  work.put(3);
  expect(started).toEqual([1]);
});
