/** Width of one of five equal panels: as many in a row as stay readable, or what the person chose. */
export function panelWidth(total: number, gap: number, chosen: number | null): number {
  if (chosen !== null) return Math.min(chosen, total);
  for (const columns of [5, 3, 2]) {
    const width = Math.floor((total - (columns - 1) * gap) / columns);
    if (width >= 140) return Math.min(width, 320);
  }
  return Math.min(total, 320);
}
