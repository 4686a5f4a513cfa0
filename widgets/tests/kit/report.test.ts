import { describe as group, expect, test } from "vitest";
import { describe, readProblem, readReport } from "../../src/kit/report";

const raw = { stroke: 3, exact: true, loss: 0.03456, psnr: 21.37, ms: 8.21, device: "cpu", model: "tiny", note: "", leaks: false, hidden: 48, events: 9, runs: 4 };

group("reports", () => {
  test("nothing yet", () => {
    expect(readReport({})).toBeNull();
    expect(describe(null, 3, 64)).toEqual(["hidden 3 of 64 (4.7 %)"]);
    expect(describe(null, 0, 0)).toEqual([]);
  });
  test("the status line, with units", () => {
    expect(describe(readReport(raw), 48, 64)).toEqual([
      "tiny", "cpu", "8.2 ms", "loss 0.0346", "PSNR on hidden patches 21.4 dB", "hidden 48 of 64 (75 %)", "4 computations for 9 events",
    ]);
  });
  test("unknown numbers are left out, never shown as 0 or NaN", () => {
    const report = readReport({ ...raw, loss: null, psnr: NaN, ms: 0, events: 1, runs: 1 });
    expect(report?.psnr).toBeNull();
    expect(describe(report, 48, 64)).toEqual(["tiny", "cpu", "hidden 48 of 64 (75 %)", "1 computation for 1 event"]);
  });
});

test("problems", () => {
  expect(readProblem({})).toBeNull();
  expect(readProblem({ kind: "blank", title: "Nothing is hidden" })).toEqual({ kind: "blank", title: "Nothing is hidden", text: "", hint: "" });
  expect(readProblem({ title: "Failed", text: "because" })?.kind).toBe("error");
});
