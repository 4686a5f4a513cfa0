/** Whole numbers that only tell apart: a colour for each. */
import type { Pixels } from "./compose";
import type { Grid } from "./grid";

export type Colour = [number, number, number];

/** Okabe and Ito's palette (2008), made for every eye; "none" is left out of it. */
const NAMED: Colour[] = [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167], [150, 150, 150]];
const TURN = 137.508; // degrees: neighbours in number lie far apart in hue
const LEVELS = [0.68, 0.84, 0.53]; // and differ in lightness, for eyes that see no hue

/** Colours of `count` names, the first of which means none; of numbers without names where count is 0. */
export function colourOf(number: number, named: boolean): Colour | null {
  if (!Number.isFinite(number)) return null;
  if (named) return number < 1 ? null : NAMED[(number - 1) % NAMED.length]!;
  return oklch(LEVELS[number % LEVELS.length]!, 0.14, (number * TURN) % 360);
}

/** One pixel for each patch; where there is no number, or "none", it stays transparent. */
export function paintNumbers(values: Float32Array, grid: Grid, named: boolean): Pixels {
  const data = new Uint8ClampedArray(4 * grid.rows * grid.cols);
  values.forEach((value, i) => {
    const colour = colourOf(value, named);
    if (colour) data.set([...colour, 255], 4 * i);
  });
  return { data, width: grid.cols, height: grid.rows };
}

export const css = (colour: Colour | null): string => (colour ? `rgb(${colour.join(" ")})` : "transparent");

/** Ottosson's OKLCH (2020) to sRGB 0..255, clipped. */
function oklch(lightness: number, chroma: number, hue: number): Colour {
  const [a, b] = [chroma * Math.cos((hue * Math.PI) / 180), chroma * Math.sin((hue * Math.PI) / 180)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s, -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return linear.map((x) => {
    const y = Math.min(1, Math.max(0, x));
    return Math.round(255 * (y <= 0.0031308 ? 12.92 * y : 1.055 * y ** (1 / 2.4) - 0.055));
  }) as Colour;
}
