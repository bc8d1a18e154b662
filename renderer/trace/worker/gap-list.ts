/**
 * A list in the order of arrival with lines between its rows: times in which nobody served
 * the disk. Lines have ordinals like rows, so that a table scrolls over both; they are no
 * rows, and nothing that counts or filters rows sees them.
 */
import type { Gap, View } from './protocol';
import { shownPart, type AllRows, type RowList } from './row-list';
import type { Rows } from './rows';

/** Of `rows`: a line, and no row. */
export const LINE = -2;

/** Requests in flight when a daemon died: so many rows before a gap are looked at for the last one's end. */
const LOOKED_BACK = 64;

/** A gap and its place. */
interface Place {
  readonly gap: Gap;
  /** The ordinal of the first row behind it, in the list without lines. */
  readonly before: number;
}

export class GapList implements RowList {
  readonly first: number;
  readonly end: number;
  readonly #list: RowList;
  /** The line of each is at `before` and as many further as there are lines before it. */
  readonly #places: readonly Place[];

  /** `places`: ascending, none behind the end of `part`; the first `hidden` have no line any more. */
  constructor(
    list: RowList,
    part: { readonly first: number; readonly end: number },
    places: readonly Place[],
    hidden: number,
  ) {
    this.#list = list;
    this.#places = places;
    this.first = part.first + hidden;
    this.end = part.end + places.length;
  }

  /** The ordinals of lines that can be seen, by their gaps. */
  get lines(): ReadonlyMap<Gap, number> {
    const all = this.#places.map(({ gap, before }, index) => [gap, before + index] as const);
    return new Map(all.filter(([, ordinal]) => ordinal >= this.first));
  }

  rows(from: number, count: number): number[] {
    const end = from + count;
    let found: number[] = [];
    for (let ordinal = from; ordinal < end; ordinal = from + found.length) {
      const passed = this.#linesBefore(ordinal);
      const next = this.#places[passed];
      const line = next ? next.before + passed : Infinity;
      if (line === ordinal) found.push(LINE);
      else found = found.concat(this.#list.rows(ordinal - passed, Math.min(end, line) - ordinal));
    }
    return found;
  }

  lowerBound(sequence: number): number {
    return this.#moved(this.#list.lowerBound(sequence));
  }

  ordinal(row: number): number | null {
    const ordinal = this.#list.ordinal(row);
    return ordinal === null ? null : this.#moved(ordinal);
  }

  /** The ordinal here of one of the list's. */
  #moved(ordinal: number): number {
    let lines = 0;
    while ((this.#places[lines]?.before ?? Infinity) <= ordinal) lines++;
    return ordinal + lines;
  }

  #linesBefore(ordinal: number): number {
    let lines = 0;
    while ((this.#places[lines]?.before ?? Infinity) + lines < ordinal) lines++;
    return lines;
  }
}

/** The nearest ordinal to `ordinal` in [first, end) that is a row; null if there is none. */
export function rowNear(
  list: RowList,
  ordinal: number,
  first: number,
  end: number,
): { readonly ordinal: number; readonly row: number } | null {
  const find = (from: number, to: number, step: 1 | -1) => {
    for (let at = from; at !== to; at += step) {
      const [row = LINE] = list.rows(at, 1);
      if (row !== LINE) return { ordinal: at, row };
    }
    return null;
  };
  if (ordinal < first || ordinal >= end) return null;
  return find(ordinal, end, 1) ?? find(ordinal, first - 1, -1);
}

/**
 * `list` with a line for each gap of which a row before it is neither gone nor cleared away;
 * null where there is nothing to add. `gaps`: oldest first.
 */
export function withGaps(
  list: RowList,
  { all, rows }: { readonly all: AllRows; readonly rows: Rows },
  view: View,
  gaps: readonly Gap[],
): GapList | null {
  if (gaps.length === 0) return null;
  const part = shownPart(list, view);
  const shown = shownPart(all, view);
  const isSeen = ({ to }: Gap): boolean => {
    const row = rowAt(rows, to);
    return row < shown.end || (view.pausedAt === null && row === shown.end);
  };
  const seen = part.end > part.first ? gaps.filter(isSeen) : [];
  if (seen.length === 0) return null;
  const places = seen.map((gap) => {
    const row = rowAt(rows, gap.to);
    const before = row < rows.end ? list.lowerBound(rows.number(row, 'sequence')) : list.end;
    return { gap, before: Math.max(part.first, Math.min(before, part.end)) };
  });
  const hidden = seen.filter(({ to }) => rowAt(rows, to) <= shown.first).length;
  return new GapList(list, part, places, hidden);
}

/** The first row that arrived at `time` (ns of the records' clock) or later: they arrive in order. */
export function rowAt(rows: Rows, time: number): number {
  let low = rows.first;
  let high = rows.end;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    if (rows.number(middle, 'arrival') < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The gap begins after the last answer of before: that is later than the last sign of life. */
export function narrowed(rows: Rows, { from, to }: Gap): Gap {
  let answered = from;
  const behind = rowAt(rows, to);
  for (let row = Math.max(rows.first, behind - LOOKED_BACK); row < behind; row++)
    answered = Math.max(answered, rows.number(row, 'completion'));
  return { from: Math.min(answered, to), to };
}
