/** One row of buttons: icon and word, the shortcut in the tooltip. */
import { listen } from "../../kit/lifetime";
import type { Action } from "./action";
import { h } from "./dom";
import { icon } from "./icons";

export class Buttons {
  private readonly made: { action: Action; button: HTMLButtonElement }[] = [];

  constructor(private readonly signal: AbortSignal) {}

  make(action: Action): HTMLButtonElement {
    const shortcut = action.keys[0]!;
    const button = h(
      "button",
      {
        type: "button",
        class: "mv-button",
        title: `${action.hint} (${shortcut.length === 1 ? shortcut.toUpperCase() : shortcut})`,
        "data-action": action.name,
        "aria-label": action.word,
        "aria-keyshortcuts": action.keys.join(" ").replaceAll("Ctrl", "Control"),
      },
      icon(action.icon),
      h("span", {}, action.word),
    );
    listen(button, "click", () => action.enabled?.() !== false && action.run(), this.signal);
    this.made.push({ action, button });
    return button;
  }

  /** The buttons of one group; `label` says to a screen reader what they are for. */
  group(kind: string, label: string, all: Action[]): HTMLElement {
    const mine = all.filter((action) => action.group === kind);
    return h("div", { class: "mv-group", role: "group", "aria-label": label }, ...mine.map((action) => this.make(action)));
  }

  update(): void {
    for (const { action, button } of this.made) {
      if (action.pressed) button.setAttribute("aria-pressed", String(action.pressed()));
      if (action.enabled) button.setAttribute("aria-disabled", String(!action.enabled())); // keeps the focus, unlike disabled
      if (action.due) button.classList.toggle("is-due", action.due());
    }
  }
}
