/** The simple filter: kinds of operation, and a range of sectors. */
import { operationWord, type OperationFamily } from '../../../app/contract/trace';
import { SECTOR_BYTES } from '../../../app/contract/units';
import { wideNumber, word } from './row-ring';

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

/** Whether the row whose words begin at `offset` of `chunk` passes. */
export type RowTest = (chunk: Uint32Array, offset: number) => boolean;

/** A request without sectors (a flush) lies in no range. */
export function compileFilter(filter: TraceFilter): RowTest {
  const wanted = new Uint8Array(256);
  for (let operation = 0; operation < 256; operation++) {
    const { family } = operationWord(operation);
    if (filter.families.length === 0 || filter.families.includes(family)) wanted[operation] = 1;
  }
  const { sectors } = filter;
  // Local: this runs a million times for each filter.
  const { outcome, sector: sectorWord, length: lengthWord } = word;
  const isWanted: RowTest = (chunk, offset) =>
    wanted[((chunk[offset + outcome] ?? 0) >>> 16) & 0xff] === 1;
  if (sectors === null) return isWanted;
  const firstByte = sectors.first * SECTOR_BYTES;
  const lastSector = sectors.last;
  return (chunk, offset) => {
    if (!isWanted(chunk, offset)) return false;
    const sector = wideNumber(chunk, offset + sectorWord);
    const length = wideNumber(chunk, offset + lengthWord);
    return length > 0 && sector <= lastSector && sector * SECTOR_BYTES + length > firstByte;
  };
}
