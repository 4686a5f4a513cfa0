type Attributes = Record<string, string | number | boolean | undefined>;

const FOCUSABLE = new Set(["button", "input", "select", "summary"]);

/** Jupyter leaves keys alone on a focused element that says so (on that element itself, not on a parent). */
export function ownKeys(element: Element): void {
  element.setAttribute("data-lm-suppress-shortcuts", "true");
}

/** An element with attributes and children; `true` sets an empty attribute, `false` and undefined none. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  if (FOCUSABLE.has(tag)) ownKeys(element);
  element.append(...children);
  return element;
}

/** Set text only when it differs: screen readers and layout stay quiet. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
