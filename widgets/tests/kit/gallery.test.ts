import { describe, expect, test } from "vitest";
import { type Column, readColumns, readFound, sayFilter, saysCount, withFilter } from "../../src/kit/gallery";

const loss: Column = { name: "loss", kind: "number", min: 0, max: 4, values: [] };
const label = readColumns([{ name: "label", kind: "class", values: [[0, "bee"], [2, "<b>fox</b>"]] }])[0]!;

describe("what the gallery is told", () => {
  test("thumbnails are cut at the sizes of the items", () => {
    const items = [{ row: 3, name: "a", size: 2 }, { row: 1, name: "b", size: 0, error: "broken" }, { row: 7, name: "c", size: 1 }];
    const found = readFound({ count: 3, of: 9, page: 0, pages: 1, broken: 1, items }, Uint8Array.of(1, 2, 3));
    expect(found.items.map(({ bytes }) => [...bytes])).toEqual([[1, 2], [], [3]]);
    expect(saysCount(found)).toBe("3 of 9 pictures, 1 broken");
  });
  test("nothing yet", () => expect(saysCount(readFound({}, new Uint8Array()))).toBe("0 pictures"));
});

describe("filters", () => {
  test("come, change and go", () => {
    const one = withFilter({}, "loss", [2, null]);
    expect(one).toEqual({ loss: [2, null] });
    expect(withFilter(one, "label", [0])).toEqual({ loss: [2, null], label: [0] });
    expect(withFilter(one, "loss", [null, null])).toEqual({});
    expect(withFilter(one, "loss", null)).toEqual({});
  });
  test("in words", () => {
    expect(sayFilter(loss, [2, null])).toBe("loss ≥ 2");
    expect(sayFilter(loss, [null, 1.23456])).toBe("loss ≤ 1.235");
    expect(sayFilter(loss, [1, 2])).toBe("1 ≤ loss ≤ 2");
    expect(sayFilter(label, [0, 2, 5])).toBe("label: bee, <b>fox</b>, 5");
  });
});
