/** 16 x 16 line icons, drawn for this toolbar. */
const PATHS = {
  brush: "M13.2 2.8a1.6 1.6 0 0 0-2.3 0L5.6 8.4l2 2 5.6-5.3a1.6 1.6 0 0 0 0-2.3zM5.6 8.4c-1.7.1-2.4 1-2.5 2.3C3 12 2.6 12.7 1.8 13.2c2.6.6 5.6 0 5.8-2.8",
  rectangle: "M2.5 3.5h3M7 3.5h2.5M11 3.5h2.5v2M13.5 7v2.5M13.5 11v1.5h-2M10 12.5H7.5M6 12.5H2.5V10M2.5 8.5V6M2.5 4.5v-1",
  erase: "M6.2 13.5h7.3M9.6 2.9l3.6 3.6a1 1 0 0 1 0 1.4l-5.6 5.6H5L2.8 11.3a1 1 0 0 1 0-1.4zM5.9 6.6l5 5",
  undo: "M5.5 3.5l-3 3 3 3M2.5 6.5h7a3.5 3.5 0 0 1 0 7H6",
  redo: "M10.5 3.5l3 3-3 3M13.5 6.5h-7a3.5 3.5 0 0 0 0 7H10",
  invert: "M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 0 1 0 11M6.5 3.5v9M5 4.3v7.4M3.5 5.8v4.4",
  clear: "M2.5 4.5h11M6 4.5v-2h4v2M4 4.5l.7 9h6.6l.7-9M6.7 7v4M9.3 7v4",
  grow: "M8 5.5v-4M6.3 3.2L8 1.5l1.7 1.7M8 10.5v4M6.3 12.8L8 14.5l1.7-1.7M5.5 8h-4M3.2 6.3L1.5 8l1.7 1.7M10.5 8h4M12.8 6.3L14.5 8l-1.7 1.7",
  shrink: "M8 1.5v4M6.3 3.8L8 5.5l1.7-1.7M8 14.5v-4M6.3 12.2L8 10.5l1.7 1.7M1.5 8h4M3.8 6.3L5.5 8 3.8 9.7M14.5 8h-4M12.2 6.3L10.5 8l1.7 1.7",
  draw: "M4 2.5h8A1.5 1.5 0 0 1 13.5 4v8a1.5 1.5 0 0 1-1.5 1.5H4A1.5 1.5 0 0 1 2.5 12V4A1.5 1.5 0 0 1 4 2.5zM5.5 5.5h.01M10.5 5.5h.01M8 8h.01M5.5 10.5h.01M10.5 10.5h.01",
  pause: "M5 3.5v9M11 3.5v9",
  next: "M3 3.5L8.5 8 3 12.5zM10 3.5L13.5 8 10 12.5",
  picture: "M2.5 3.5h11v9h-11zM2.5 10.7L6 7.5l3 2.8 2-1.5 2.5 2M10.5 6h.01",
  load: "M8 10.5v-8M5 5.5l3-3 3 3M2.5 10v3.5h11V10",
  save: "M8 2.5v8M5 7.5l3 3 3-3M2.5 10v3.5h11V10",
  copy: "M5.5 5.5h8v8h-8zM5.5 10.5h-3v-8h8v3",
  all: "M2.5 2.5h4v4h-4zM9.5 2.5h4v4h-4zM2.5 9.5h4v4h-4zM9.5 9.5h4v4h-4z",
  mean: "M2.5 8h11M4.5 4v8M8 5.5v5M11.5 3v10",
  max: "M2.5 13.5V9.5M6 13.5V7M9.5 13.5v-11M13 13.5V6",
  chosen: "M2.5 2.5h11v11h-11zM5 8l2.2 2.2L11.2 6",
  out: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  layers: "M8 2l6 3-6 3-6-3zM2 8l6 3 6-3M2 11l6 3 6-3",
  up: "M8 13V3M4 7l4-4 4 4",
  down: "M8 3v10M4 9l4 4 4-4",
} as const;

export type IconName = keyof typeof PATHS;

export function icon(name: IconName): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  for (const [key, value] of [["viewBox", "0 0 16 16"], ["width", "16"], ["height", "16"], ["aria-hidden", "true"]]) {
    svg.setAttribute(key!, value!);
  }
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
