/** From one time in which nobody served to the next: their lines have ordinals like rows. */

/**
 * The ordinal of the row behind the next (1) or the previous (-1) line from the row at `from`;
 * null where there is none. Lines side by side (`lines`: ascending) count as one.
 */
export function rowBehindGap(
  lines: readonly number[],
  from: number,
  direction: 1 | -1,
): number | null {
  const are = new Set(lines);
  if (direction > 0) {
    let row = lines.find((line) => line > from);
    while (row !== undefined && are.has(row)) row++;
    return row ?? null;
  }
  // From the row behind lines those before them are the previous ones.
  let edge = from;
  while (are.has(edge - 1)) edge--;
  const line = lines.findLast((one) => one < edge);
  return line === undefined ? null : line + 1;
}

/** The last ordinal before `end` that is no line. */
export function rowBefore(lines: readonly number[], end: number): number {
  const are = new Set(lines);
  let row = end - 1;
  while (are.has(row)) row--;
  return row;
}
