/** One hover over several widgets of a page: the view under the pointer tells a spot of the picture, the others of its group feel it. */
import { listen } from "./lifetime";

type Kind = "pointermove" | "pointerleave" | "click";

interface Told {
  group: string;
  from: HTMLElement;
  kind: Kind;
  x: number; // shares of the picture, 0..1
  y: number;
}

const EVENT = "mimviz:spot"; // every bundle is a world of its own; the page's window is what they share
const FRAME = ".mv-frame:not(.mv-chart)"; // holds a whole picture, whatever its grid

/** Join the views whose group is the same word; an empty one is alone. Another view's pointer arrives as an event on the first frame. */
export function linked(group: () => string, root: HTMLElement, signal: AbortSignal): void {
  let telling = false; // the pointer is on one of our frames
  let feeling: HTMLElement | null = null; // the frame that another view's pointer was last felt on
  let echo = false; // what we dispatch ourselves is nobody's news

  const tell = (kind: Kind, x = 0, y = 0): void => {
    if (!group()) return;
    telling = kind !== "pointerleave";
    window.dispatchEvent(new CustomEvent<Told>(EVENT, { detail: { group: group(), from: root, kind, x, y } }));
  };
  const pointed = (kind: Kind) => (event: MouseEvent): void => {
    if (echo || !group()) return;
    const frame = (event.target as Element | null)?.closest?.<HTMLElement>(FRAME);
    if (frame) tell(kind, ...shares(frame, event));
    else if (telling) tell("pointerleave");
  };
  listen(root, "pointermove", pointed("pointermove"), signal, { capture: true });
  listen(root, "click", pointed("click"), signal, { capture: true });
  listen(root, "pointerleave", () => telling && !echo && tell("pointerleave"), signal);

  const feel = (event: Event): void => {
    const told = (event as CustomEvent<Told>).detail;
    if (told.from === root || told.group !== group()) return;
    const frame = told.kind === "pointerleave" ? feeling : shownFrame(root);
    if (!frame) return;
    feeling = told.kind === "pointerleave" ? null : frame;
    const { left, top, width, height } = frame.getBoundingClientRect();
    const at = { clientX: left + told.x * width, clientY: top + told.y * height };
    echo = true;
    try {
      frame.dispatchEvent(new (window.PointerEvent ?? MouseEvent)(told.kind, { ...at, bubbles: true }));
    } finally {
      echo = false;
    }
  };
  window.addEventListener(EVENT, feel, { signal });
}

function shares(frame: HTMLElement, { clientX, clientY }: MouseEvent): [number, number] {
  const { left, top, width, height } = frame.getBoundingClientRect();
  return [(clientX - left) / Math.max(width, 1), (clientY - top) / Math.max(height, 1)];
}

/** The first frame that has a size: panels may be hidden, and a view may lie under another tab. */
function shownFrame(root: HTMLElement): HTMLElement | null {
  return [...root.querySelectorAll<HTMLElement>(FRAME)].find((frame) => frame.getBoundingClientRect().width > 0) ?? null;
}
