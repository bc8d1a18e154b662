/** The simple filter: kinds of operation, and a range of sectors. */
import {
  operationWord,
  type OperationFamily,
} from '../../../app/contract/trace';
import { SECTOR_BYTES } from '../../../app/contract/units';
import { type RowRing, wideNumber, word } from './row-ring';

/** Sectors `first` to `last`, both included. `last` may be Infinity. */
export interface SectorRange {
  readonly first: number;
  readonly last: number;
}

export interface TraceFilter {
  /** Empty: every operation. */
  readonly families: readonly OperationFamily[];
  readonly sectors: SectorRange | null;
}

export const emptyFilter: TraceFilter = { families: [], sectors: null };

export function isEmptyFilter(filter: TraceFilter): boolean {
  return filter.families.length === 0 && filter.sectors === null;
}

export function sameFilter(left: TraceFilter, right: TraceFilter): boolean {
  return (
    left.families.length === right.families.length &&
    left.families.every((family) => right.families.includes(family)) &&
    left.sectors?.first === right.sectors?.first &&
    left.sectors?.last === right.sectors?.last
  );
}

/** A test of one row of a ring. A request without sectors (a flush) lies in no range. */
export function compileFilter(filter: TraceFilter): (ring: RowRing, row: number) => boolean {
  const wanted = new Uint8Array(256);
  for (let operation = 0; operation < 256; operation++) {
    const { family } = operationWord(operation);
    if (filter.families.length === 0 || filter.families.includes(family)) wanted[operation] = 1;
  }
  const { sectors } = filter;
  if (sectors === null) {
    return (ring, row) => {
      const outcome = ring.chunk(row)[ring.wordOffset(row) + word.outcome] ?? 0;
      return wanted[(outcome >>> 16) & 0xff] === 1;
    };
  }
  const firstByte = sectors.first * SECTOR_BYTES;
  const lastSector = sectors.last;
  return (ring, row) => {
    const chunk = ring.chunk(row);
    const offset = ring.wordOffset(row);
    const outcome = chunk[offset + word.outcome] ?? 0;
    if (wanted[(outcome >>> 16) & 0xff] !== 1) return false;
    const sector = wideNumber(chunk, offset + word.sector);
    const length = wideNumber(chunk, offset + word.length);
    return length > 0 && sector <= lastSector && sector * SECTOR_BYTES + length > firstByte;
  };
}
