/** Maps in words, from their numbers: what a screen reader says instead of the colours. */
import { rangeOf } from "./compose";
import type { Grid } from "./grid";

/** "0.012 to 0.4, largest in row 3, column 5 of 14 × 14"; only the first of equal maxima has its place named. */
export function saysMap(values: Float32Array, { cols, rows }: Grid, write: (value: number) => string): string {
  const range = rangeOf(values);
  if (!range) return "no numbers yet";
  if (range.min === range.max) return `${write(range.max)} everywhere`;
  const at = values.indexOf(range.max);
  const ties = values.reduce((found, value) => found + Number(value === range.max), 0);
  const more = ties > 1 ? ` and ${ties - 1} more` : "";
  return `${write(range.min)} to ${write(range.max)}, largest in row ${Math.floor(at / cols) + 1}, column ${(at % cols) + 1}${more} of ${rows} × ${cols}`;
}
