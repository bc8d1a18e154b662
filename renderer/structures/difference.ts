/** Which bytes of a write differ from those of an earlier one that touched the same sectors. */

/** Bytes [start, end) of the newer payload. */
export interface ChangedRange {
  readonly start: number;
  readonly end: number;
}

export interface Difference {
  /** Bytes of the newer payload that the earlier one also has. */
  readonly common: ChangedRange;
  /** How many of them differ. */
  readonly changed: number;
  /** Where, in order; ranges nearer than `GAP` bytes to one another are told as one. */
  readonly ranges: readonly ChangedRange[];
  /** 1 for each byte of the newer payload that differs. */
  readonly mask: Uint8Array;
}

/** Equal bytes between two changes that part them: fewer are one change to a reader. */
const GAP = 4;

/**
 * `newer` and `older` begin at device bytes `newerAt` and `olderAt`; only what
 * lies in both is compared.
 */
export function differenceOf(
  newer: Uint8Array,
  newerAt: number,
  older: Uint8Array,
  olderAt: number,
): Difference {
  const start = Math.max(0, Math.min(newer.length, olderAt - newerAt));
  const end = Math.max(start, Math.min(newer.length, olderAt + older.length - newerAt));
  const shift = newerAt - olderAt;
  const mask = new Uint8Array(newer.length);
  const ranges: { start: number; end: number }[] = [];
  let changed = 0;
  for (let index = start; index < end; index++) {
    if (newer[index] === older[index + shift]) continue;
    mask[index] = 1;
    changed++;
    const last = ranges.at(-1);
    if (last && index - last.end < GAP) last.end = index + 1;
    else ranges.push({ start: index, end: index + 1 });
  }
  return { common: { start, end }, changed, ranges, mask };
}
