/** Controls that need the kernel are there, disabled, and say why. */

export interface Need {
  select: string;
  why: string;
}

const CONTROLS = "button, input, select, textarea";

export function disable(root: HTMLElement, needs: Need[]): void {
  const apply = () => {
    for (const { select, why } of needs) for (const found of root.querySelectorAll<HTMLElement>(select)) mark(found, why);
  };
  apply();
  new MutationObserver(apply).observe(root, { childList: true, subtree: true, attributes: true, attributeFilter: ["disabled", "title", "hidden", "aria-disabled"] });
}

function mark(element: HTMLElement, why: string): void {
  const title = `Needs the kernel: ${why}`;
  if (element.title !== title) element.title = title;
  element.dataset.needs = "kernel";
  if (element.getAttribute("aria-disabled") !== "true") element.setAttribute("aria-disabled", "true"); // its words are faint with it
  const controls = element.matches(CONTROLS) ? [element] : element.querySelectorAll<HTMLElement>(CONTROLS);
  for (const control of controls as Iterable<HTMLButtonElement>) {
    if (!control.disabled) control.disabled = true;
    if (control.title !== title) control.title = title;
  }
}
