import { expect, test } from "vitest";
import { NOTHING, describeKnockouts, hasHead, isNothing, readKnockouts, toggleHead, toggleToken, writeKnockouts } from "../../src/kit/knockouts";

const head = { side: 0, part: "encoder", layer: 3, head: 1 };

test("heads and tokens come and go", () => {
  const one = toggleToken(toggleHead(NOTHING, head), "CLS");
  expect([hasHead(one, head), hasHead(one, { ...head, side: 1 }), one.tokens]).toEqual([true, false, ["CLS"]]);
  expect(isNothing(toggleToken(toggleHead(one, { ...head }), "CLS"))).toBe(true);
  expect(isNothing(NOTHING)).toBe(true);
});

test("what Python reads is what comes back", () => {
  const all = toggleToken(toggleHead(NOTHING, head), "3,5");
  expect(writeKnockouts(all)).toEqual({ heads: [[0, "encoder", 3, 1]], tokens: ["3,5"] });
  expect(readKnockouts(writeKnockouts(all))).toEqual(all);
  expect(readKnockouts({})).toEqual(NOTHING);
});

test("in words", () => {
  expect(describeKnockouts({ heads: [head], tokens: ["CLS", "0,0"] })).toBe("1 head and 2 tokens knocked out");
  expect(describeKnockouts(NOTHING)).toBe("");
});
