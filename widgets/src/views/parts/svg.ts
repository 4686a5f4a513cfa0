/** Elements of a drawing. */
const SPACE = "http://www.w3.org/2000/svg";

export function s<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | number> = {},
  ...children: (Node | string)[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** A drawing that fills its frame: 100 wide, 100 high, stretched. */
export function drawing(label: string): SVGSVGElement {
  return s("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", class: "mv-drawn", role: "img", "aria-label": label });
}
