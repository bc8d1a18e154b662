/** The accesses to the same sectors before and after a request. */
import { BIOSCOPE_RESULT_OK, DM_USER_REQUEST_WRITE } from '../../../app/contract/wire.gen';
import { SECTOR_BYTES } from '../../../app/contract/units';
import { wideAt } from '../../../app/filter/trace-columns';
import type { Rows } from './rows';

/** Row numbers; null where there is none among the rows kept. */
export interface Partners {
  readonly previous: number | null;
  readonly next: number | null;
  /** Successful writes only. */
  readonly previousWrite: number | null;
  readonly nextWrite: number | null;
}

export const noPartners: Partners = {
  previous: null,
  next: null,
  previousWrite: null,
  nextWrite: null,
};

/** The partners of the request `sequence`; none if it is not kept or has no sectors. */
export function partnersOf(rows: Rows, sequence: number): Partners {
  const row = rows.lowerBound(sequence);
  if (row >= rows.end || rows.number(row, 'sequence') !== sequence) return noPartners;
  const length = rows.number(row, 'length');
  if (length === 0) return noPartners;
  const start = rows.number(row, 'sector');
  const end = start + Math.ceil(length / SECTOR_BYTES);
  const before = nearest(rows, row - 1, rows.first - 1, -1, start, end);
  const after = nearest(rows, row + 1, rows.end, 1, start, end);
  return {
    previous: before.any,
    next: after.any,
    previousWrite: before.write,
    nextWrite: after.write,
  };
}

/** From `from` on until `to` by `step`: the first access to [start, end), and the first write. */
function nearest(
  rows: Rows,
  from: number,
  to: number,
  step: 1 | -1,
  start: number,
  end: number,
): { any: number | null; write: number | null } {
  let any: number | null = null;
  for (let row = from; row !== to; row += step) {
    const { sector, length, operation, result } = rows.columns(row);
    const slot = rows.slot(row);
    const first = wideAt(sector, slot);
    const bytes = wideAt(length, slot);
    if (bytes === 0 || first >= end || (first - start) * SECTOR_BYTES + bytes <= 0) continue;
    any ??= row;
    if (operation[slot] === DM_USER_REQUEST_WRITE && result[slot] === BIOSCOPE_RESULT_OK)
      return { any, write: row };
  }
  return { any, write: null };
}
