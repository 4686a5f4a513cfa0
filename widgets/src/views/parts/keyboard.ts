/** Keys of the whole widget: shortcuts anywhere but in entry fields, the patch cursor on the pictures. */
import { listen } from "../../kit/lifetime";
import { type Action, keyName } from "./action";

/** What arrow keys and Space do on a picture. */
export interface Cursor {
  step(rows: number, cols: number, shift: boolean): void;
  toggle(): void;
}

const STEPS: Record<string, [number, number]> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

export function keyboard(root: HTMLElement, cursor: Cursor, actions: Action[], said: () => void, signal: AbortSignal): void {
  const byKey = new Map(actions.flatMap((action) => action.keys.map((key) => [key, action] as const)));

  const onPicture = (event: KeyboardEvent): boolean => {
    const step = STEPS[event.key];
    if (step) cursor.step(...step, event.shiftKey);
    else if (!event.shiftKey && (event.key === " " || event.key === "Enter")) cursor.toggle();
    else return false;
    said();
    return true;
  };

  listen(root, "keydown", (event) => {
    const target = event.target as HTMLElement;
    if (event.defaultPrevented || event.isComposing || target.closest("input, select, textarea")) return;
    const framed = target.closest("[data-frame]") !== null && !event.ctrlKey && !event.metaKey && !event.altKey;
    const action = byKey.get(keyName(event));
    if (framed && onPicture(event)) return event.preventDefault();
    if (!action || (action.name === "copy" && !getSelection()?.isCollapsed)) return;
    if (action.enabled?.() !== false) action.run();
    event.preventDefault();
  }, signal);
}
