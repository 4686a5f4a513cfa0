/** The picture on which a token is chosen, and chips for the tokens that are no patch. */
import type { Pixels } from "../../kit/compose";
import type { Exploration } from "../../kit/exploration";
import { type Patch, clampPatch, patchAt, toPoint } from "../../kit/grid";
import { listen } from "../../kit/lifetime";
import { nameOf, patchOf, saidOf } from "../../kit/stacks";
import { h, ownKeys } from "./dom";
import { Panel } from "./panel";

export class Query {
  readonly panel = new Panel("query", "query", "hover a patch to see where it looks; click to keep it");
  readonly chips = h("div", { class: "mv-group mv-chips", role: "group", "aria-label": "Tokens that are no patch" });
  private names = "";
  private cursor: Patch | null = null;

  constructor(
    private readonly session: Exploration,
    private readonly tool: () => boolean,
    private readonly signal: AbortSignal,
  ) {
    const { frame } = this.panel;
    frame.tabIndex = 0;
    ownKeys(frame);
    frame.setAttribute("role", "application");
    frame.setAttribute("aria-label", "Query: arrow keys choose a patch, Enter keeps it, K knocks it out");
    frame.classList.add("is-query");
    const at = (event: MouseEvent) => patchAt(session.reference, toPoint(session.reference, frame.getBoundingClientRect(), event.clientX, event.clientY));
    listen(frame, "pointermove", (event) => this.point(at(event)), signal);
    listen(frame, "pointerleave", () => this.point(null), signal);
    listen(frame, "blur", () => this.point(null), signal);
    listen(frame, "click", (event) => {
      const patch = at(event);
      if (patch) this.take(nameOf(patch), event.altKey);
    }, signal);
  }

  draw(picture: Pixels | null): void {
    const { session } = this;
    const { reference } = session;
    this.makeChips(reference.front);
    this.panel.show(picture, "waiting for the picture …");
    for (const chip of this.chips.querySelectorAll("button")) {
      const token = chip.dataset.token!;
      chip.setAttribute("aria-pressed", String(token === session.pinned));
      chip.classList.toggle("is-out", session.knockouts.tokens.includes(token));
    }
    if (!reference.rows) return;
    const data = session.model.get("hidden");
    const mask = data.byteLength === reference.rows * reference.cols ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : null;
    this.panel.mark({
      grid: reference, mask, strong: true, ring: patchOf(session.token), brush: [],
      query: session.hover === null ? null : patchOf(session.pinned),
      out: session.knockouts.tokens.flatMap((token) => patchOf(token) ?? []),
    });
    const pinned = session.hover === null || session.hover === session.pinned;
    this.panel.say(`from ${saidOf(session.token)}${pinned ? " (kept)" : ""}`);
  }

  /** Arrow keys; the cursor starts at the kept patch, or in the middle. */
  step(rows: number, cols: number): void {
    const { reference, pinned } = this.session;
    const middle = { row: reference.rows >> 1, col: reference.cols >> 1 };
    const from = this.cursor ?? patchOf(pinned) ?? middle;
    this.point(clampPatch(reference, { row: from.row + rows, col: from.col + cols }));
  }

  /** Enter on the picture. */
  keep(): void {
    this.take(this.session.token, false);
  }

  private point(patch: Patch | null): void {
    if (patch) this.cursor = patch;
    this.session.point(patch && nameOf(patch));
  }

  private take(token: string, alt: boolean): void {
    if (alt || this.tool()) this.session.toggleToken(token);
    else this.session.pin(token);
  }

  private makeChips(front: string[]): void {
    if (front.join() === this.names) return;
    this.names = front.join();
    this.chips.replaceChildren(...front.map((token) => {
      const chip = h("button", { type: "button", class: "mv-button mv-chip", "data-token": token, title: `Where ${token} looks; Alt and a click knock it out` }, token);
      listen(chip, "click", (event) => this.take(token, event.altKey), this.signal);
      listen(chip, "pointerenter", () => this.session.point(token), this.signal);
      listen(chip, "pointerleave", () => this.session.point(null), this.signal);
      return chip;
    }));
  }
}
