import { describe, expect, test } from "vitest";
import { describeFacts, readFacts, readForm, readPanels, sameplace, smoothed, withOption } from "../../src/kit/recipe_lab";

describe("options", () => {
  test("a plain option, a word, and an option of the word inside", () => {
    const plain = withOption({ ratio: 0.5 }, { path: ["ratio"], kind: "number" }, 0.75);
    expect(plain).toEqual({ ratio: 0.75 });
    const word = withOption(plain, { path: ["score"], kind: "word" }, "Coloured");
    expect(word).toEqual({ ratio: 0.75, score: { word: "Coloured", options: {} } });
    const inner = withOption(word, { path: ["score", "sigma"], kind: "number" }, 2);
    expect(inner).toEqual({ ratio: 0.75, score: { word: "Coloured", options: { sigma: 2 } } });
  });

  test("an option of a word that is there by default leaves its name to Python", () => {
    expect(withOption({}, { path: ["score", "sigma"], kind: "number" }, 2)).toEqual({ score: { options: { sigma: 2 } } });
  });
});

test("panels take their own bytes out of one run", () => {
  const bytes = Uint8Array.from([9, 9, 1, 2, 3, 0, 1, 7]);
  const [panel] = readPanels([{ key: "guess", place: 1, rows: 1, cols: 2, width: 1, height: 1, start: 2, size: 3, blank: 2 }], bytes);
  expect([...panel!.data]).toEqual([1, 2, 3]);
  expect([...panel!.blank!]).toEqual([0, 1]);
  bytes.fill(0);
  expect([...panel!.data]).toEqual([1, 2, 3]);
});

test("forms and facts survive what is missing or odd", () => {
  expect(readForm(undefined)).toEqual({ paper: null, hint: "", options: [], slots: [] });
  const facts = readFacts({ loss: null, terms: { entropy: 0.25, broken: null }, ms: 12.4, parameters: 2_266_608, psnr: 20.16 });
  expect(facts.problem).toBe(null);
  expect(describeFacts(facts)).toEqual(["of it entropy 0.250", "of it broken not finite", "PSNR on hidden patches 20.2 dB", "12 ms", "2.27 M parameters"]);
});

test("a patch is found on another grid by its middle", () => {
  const fine = { rows: 16, cols: 16 };
  expect(sameplace(fine, { row: 7, col: 8 }, { rows: 4, cols: 2 })).toEqual({ row: 1, col: 1 });
  expect(sameplace(fine, { row: 7, col: 8 }, fine)).toEqual({ row: 7, col: 8 });
  expect(sameplace(fine, null, fine)).toBe(null);
});

test("smoothing keeps a constant, starts at the first value and follows", () => {
  smoothed([2, 2, 2, 2]).forEach((value) => expect(value).toBeCloseTo(2));
  const [first, second] = smoothed([1, 0]);
  expect(first).toBeCloseTo(1);
  expect(second!).toBeLessThan(1);
  expect(second!).toBeGreaterThan(0);
});
