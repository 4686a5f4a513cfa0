/** What Python says about a result of the painter, and about problems. */
import { type Raw, number, text } from "./read";

export interface Report {
  stroke: number;
  exact: boolean;
  loss: number | null;
  psnr: number | null;
  ms: number;
  device: string;
  model: string;
  note: string;
  leaks: boolean;
  hidden: number;
  events: number;
  runs: number;
}

export interface Problem {
  kind: "blank" | "error";
  title: string;
  text: string;
  hint: string;
}

/** null as long as nothing was computed (an empty dict). */
export function readReport(raw: Raw | null | undefined): Report | null {
  if (!raw || number(raw.stroke) === null) return null;
  return {
    stroke: number(raw.stroke) ?? 0,
    exact: raw.exact === true,
    loss: number(raw.loss),
    psnr: number(raw.psnr),
    ms: number(raw.ms) ?? 0,
    device: text(raw.device),
    model: text(raw.model),
    note: text(raw.note),
    leaks: raw.leaks === true,
    hidden: number(raw.hidden) ?? 0,
    events: number(raw.events) ?? 0,
    runs: number(raw.runs) ?? 0,
  };
}

export function readProblem(raw: Raw | null | undefined): Problem | null {
  if (!raw || (!text(raw.title) && !text(raw.text))) return null;
  const kind = raw.kind === "blank" ? "blank" : "error";
  return { kind, title: text(raw.title), text: text(raw.text), hint: text(raw.hint) };
}

/** The parts of the status line, in order; what is unknown is left out. */
export function describe(report: Report | null, hidden: number, patches: number): string[] {
  const share = patches ? (100 * hidden) / patches : 0;
  const percent = Number.isInteger(share) ? share.toFixed(0) : share.toFixed(1);
  const masked = `hidden ${hidden} of ${patches} (${percent} %)`;
  if (!report) return patches ? [masked] : [];
  const parts = [report.model, report.device];
  if (report.ms > 0) parts.push(`${report.ms < 10 ? report.ms.toFixed(1) : report.ms.toFixed(0)} ms`);
  if (report.loss !== null) parts.push(`loss ${report.loss.toPrecision(3)}`);
  if (report.psnr !== null) parts.push(`PSNR on hidden patches ${report.psnr.toFixed(1)} dB`);
  parts.push(masked, `${report.runs} ${report.runs === 1 ? "computation" : "computations"} for ${report.events} ${report.events === 1 ? "event" : "events"}`);
  return parts.filter((part) => part !== "");
}
