/**
 * What a view needs of a list of rows, and the list of all. Places in a list
 * ("ordinals") are absolute like row numbers: they stay when older rows leave.
 */
import type { View } from './protocol';
import type { Rows } from './rows';

/** Of `rows`: the row has left since the list was made. */
export const GONE = -1;

export interface RowList {
  readonly first: number;
  readonly end: number;
  /** The row numbers of `count` ordinals from `from` on; all of them exist. (Or have left, GONE; or are lines, see gap-list.ts.) */
  rows(from: number, count: number): number[];
  /** The first ordinal whose sequence is at least `sequence`; `end` if none. */
  lowerBound(sequence: number): number;
  /** The ordinal of a row, or null when it is not in the list. */
  ordinal(row: number): number | null;
}

export class AllRows implements RowList {
  readonly #rows: Rows;

  constructor(rows: Rows) {
    this.#rows = rows;
  }

  get first(): number {
    return this.#rows.first;
  }

  get end(): number {
    return this.#rows.end;
  }

  rows(from: number, count: number): number[] {
    return Array.from({ length: count }, (_, index) => from + index);
  }

  lowerBound(sequence: number): number {
    return this.#rows.lowerBound(sequence);
  }

  ordinal(row: number): number {
    return row;
  }
}

/** The part of a list in the order of arrival that is neither cleared nor held back. */
export function shownPart(list: RowList, view: View): { first: number; end: number } {
  const first = view.clearedThrough > 0 ? list.lowerBound(view.clearedThrough + 1) : list.first;
  const end = view.pausedAt === null ? list.end : list.lowerBound(view.pausedAt + 1);
  return { first, end: Math.max(first, end) };
}
