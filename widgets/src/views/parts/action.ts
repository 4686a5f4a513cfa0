/** What a button or a key can do. */
import type { IconName } from "./icons";

export interface Action {
  name: string;
  icon: IconName;
  word: string;
  hint: string;
  keys: string[]; // the first one is shown in the tooltip
  run: () => void;
  group: string; // the row of buttons it stands in; "none" has keys only
  due?: () => boolean; // pressing it would bring what was just chosen
  pressed?: () => boolean;
  enabled?: () => boolean;
}

/** "Ctrl+Shift+Z", "b" or "[" for a key event; Cmd counts as Ctrl. */
export function keyName(event: KeyboardEvent): string {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (!event.ctrlKey && !event.metaKey) return event.altKey ? "" : key;
  return `Ctrl+${event.shiftKey ? "Shift+" : ""}${key.toUpperCase()}`;
}
