/**
 * Which part of the plane of time and sectors is counted, in which cells. Along
 * time a cell is a power of two nanoseconds and the part begins at a multiple: so
 * that most of another part has been counted in the same cells, or in finer ones.
 */

/** The part of the plane that is wanted: [from, to) both ways, and its cells. */
export interface MapParameters {
  /** ns since the trace began */
  readonly timeFrom: number;
  readonly timeTo: number;
  readonly sectorFrom: number;
  readonly sectorTo: number;
  /** Cells along time and along the sectors: their product at most MOST_CELLS. */
  readonly columns: number;
  readonly rows: number;
  /**
   * The time is that of all requests there are, in about so many columns: `timeFrom` and
   * `timeTo` do not count, and in a result say which they are now.
   */
  readonly isAll?: boolean;
}

export const MOST_CELLS = 2 ** 18;
/** Room for what comes, so that it is seldom that another part is due. */
const GROWTH = 1.25;
/** A request may have come before one with a lower sequence. */
const MARGIN = 0.02;
/** Columns of all time, for each that is wanted of it. */
export const MOST_GROWTH = GROWTH + MARGIN + 0.01;
const LEAST_SPAN_NS = 1e6;
/** What is seen of a part may be less by so much until finer cells are due: else they would change to and fro. */
const LEAST_SHARE = 0.6;

/** ns of a cell. */
export const cellOf = ({ timeFrom, timeTo, columns }: MapParameters): number =>
  (timeTo - timeFrom) / columns;

/** ns of the finest cell of which `columns` at most are `span` ns. */
export const cellFor = (span: number, columns: number): number =>
  2 ** Math.ceil(Math.log2(span / columns));

/** Whether the cells of a part are fine enough to see `span` ns of it in `columns` columns. */
export const isFineEnough = (part: MapParameters, span: number, columns: number): boolean =>
  cellOf(part) <= cellFor(span / LEAST_SHARE, columns);

/** How long [from, to] is seen: to its end, and no less than a little. */
export const spanSeen = (from: number, to: number): number =>
  Math.max(LEAST_SPAN_NS, (to - from) * 1.01);

/** `part`, if it does for requests that came from `from` to `to` ns, else another that `wanted` asks for. */
export function partOfAll(
  wanted: MapParameters,
  part: MapParameters,
  from: number,
  to: number,
): MapParameters {
  const span = spanSeen(from, to);
  const { columns: most } = wanted;
  const holdsAll = part !== wanted && from >= part.timeFrom && to < part.timeTo;
  if (holdsAll && isFineEnough(part, span, most))
    return part.isAll === true ? part : { ...part, isAll: true };
  const cell = cellFor(span, most);
  const first = Math.floor((from - MARGIN * span) / cell);
  const columns = Math.ceil((from + GROWTH * span) / cell) - first;
  return { ...wanted, timeFrom: first * cell, timeTo: (first + columns) * cell, columns };
}
