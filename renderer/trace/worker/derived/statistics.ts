/** Counts, sizes, order and overwrites of the requests that pass the filter. */
import { SECTOR_BYTES } from '../../../../app/contract/units';
import {
  BIOSCOPE_RESULT_OK,
  DM_USER_FLAG_FUA,
  DM_USER_FLAG_META,
  DM_USER_FLAG_PREFLUSH,
  DM_USER_FLAG_RAHEAD,
  DM_USER_FLAG_SYNC,
} from '../../../../app/contract/wire.gen';
import { wideAt, type TraceColumns } from '../../../../app/filter/trace-columns';
import { type Derivation, type DerivationContext, RunningSum } from './derivation';
import { FAMILIES, familyOf, latencyAt, passingRows, timeReader, WRITE } from './rows';
import { WrittenSectors } from './written-sectors';

/** The flags that are counted, in the order of `flags`. */
export const countedFlags = [
  { name: 'FUA', bit: DM_USER_FLAG_FUA },
  { name: 'PREFLUSH', bit: DM_USER_FLAG_PREFLUSH },
  { name: 'SYNC', bit: DM_USER_FLAG_SYNC },
  { name: 'META', bit: DM_USER_FLAG_META },
  { name: 'RAHEAD', bit: DM_USER_FLAG_RAHEAD },
] as const;

/** One value a family, unless said otherwise. */
interface Sums {
  readonly counts: Float64Array;
  readonly bytes: Float64Array;
  readonly leastBytes: Float64Array;
  readonly mostBytes: Float64Array;
  readonly errors: Float64Array;
  /** ns */
  readonly latency: Float64Array;
  /** Requests that begin where the one of their family before them ended. */
  readonly sequential: Float64Array;
  /** The first request's sector and the sector behind the last one; NaN for none. */
  readonly firstStart: Float64Array;
  readonly lastEnd: Float64Array;
  /** One a flag of `countedFlags`. */
  readonly flags: Float64Array;
}

export interface StatisticsPartial extends Sums {
  /** Arrivals, ns since the trace began. */
  readonly from: number;
  readonly to: number;
  readonly sizes: ReadonlyMap<number, number>;
  /** Successful writes in order: first group of `writeUnit` sectors, and the one behind the last. */
  readonly writes: Uint32Array;
  readonly writeUnit: number;
  readonly writeEnd: number;
}

export interface StatisticsResult extends Omit<Sums, 'firstStart' | 'lastEnd'> {
  readonly kind: 'statistics';
  readonly from: number;
  readonly to: number;
  /** Bytes of a request and how many have them, the most frequent first. */
  readonly sizes: readonly { readonly bytes: number; readonly count: number }[];
  /** Of successful writes: how many touched what one before them had written. */
  readonly overwrites: number;
  readonly writes: number;
  readonly writtenBytes: number;
  /** Bytes written at least once. */
  readonly distinctBytes: number;
  /** Sectors to which the last three are exact. */
  readonly granule: number;
}

const SIZES_SHOWN = 12;

function empty(): Sums {
  const zeroes = () => new Float64Array(FAMILIES);
  return {
    counts: zeroes(),
    bytes: zeroes(),
    leastBytes: zeroes().fill(Infinity),
    mostBytes: zeroes().fill(-Infinity),
    errors: zeroes(),
    latency: zeroes(),
    sequential: zeroes(),
    firstStart: zeroes().fill(NaN),
    lastEnd: zeroes().fill(NaN),
    flags: new Float64Array(countedFlags.length),
  };
}

const increase = (array: Float64Array, at: number, by: number): void => {
  array[at] = (array[at] ?? 0) + by;
};

export class StatisticsDerivation implements Derivation<StatisticsPartial, StatisticsResult> {
  readonly #time: (columns: TraceColumns, row: number) => number;
  readonly #written = new RunningSum<StatisticsPartial, WrittenSectors>(addWrites, (written) =>
    written.copy(),
  );

  constructor({ epochMonotonicNs }: DerivationContext) {
    this.#time = timeReader(epochMonotonicNs);
  }

  scan: Derivation<StatisticsPartial, StatisticsResult>['scan'] = (columns, from, to, bits) => {
    const sums = empty();
    const { firstStart, lastEnd, leastBytes, mostBytes } = sums;
    const sizes = new Map<number, number>();
    const writes: number[] = [];
    let writeEnd = 0;
    let first = Infinity;
    let last = -Infinity;
    for (const row of passingRows(from, to, bits)) {
      const family = familyOf[columns.operation[row] ?? 0] ?? 0;
      const length = wideAt(columns.length, row);
      const flags = columns.flags[row] ?? 0;
      const isOk = columns.result[row] === BIOSCOPE_RESULT_OK;
      const time = this.#time(columns, row);
      if (time < first) first = time;
      if (time > last) last = time;
      increase(sums.counts, family, 1);
      increase(sums.bytes, family, length);
      increase(sums.latency, family, latencyAt(columns, row));
      if (!isOk) increase(sums.errors, family, 1);
      for (let flag = 0; flags !== 0 && flag < countedFlags.length; flag++)
        if ((flags & (countedFlags[flag]?.bit ?? 0)) !== 0) increase(sums.flags, flag, 1);
      if (length === 0) continue;
      if (length < (leastBytes[family] ?? 0)) leastBytes[family] = length;
      if (length > (mostBytes[family] ?? 0)) mostBytes[family] = length;
      sizes.set(length, (sizes.get(length) ?? 0) + 1);
      const start = wideAt(columns.sector, row);
      const end = start + Math.ceil(length / SECTOR_BYTES);
      if (start === lastEnd[family]) increase(sums.sequential, family, 1);
      if (Number.isNaN(firstStart[family])) firstStart[family] = start;
      lastEnd[family] = end;
      if (family === WRITE && isOk) {
        writes.push(start, end);
        writeEnd = Math.max(writeEnd, end);
      }
    }
    let writeUnit = 1;
    while (writeEnd / writeUnit > 0xffff_ffff) writeUnit *= 2;
    const packed = Uint32Array.from(writes, (sector, index) =>
      index % 2 === 0 ? Math.floor(sector / writeUnit) : Math.ceil(sector / writeUnit),
    );
    return { ...sums, from: first, to: last, sizes, writes: packed, writeUnit, writeEnd };
  };

  merge: Derivation<StatisticsPartial, StatisticsResult>['merge'] = (partials) => {
    const sums = empty();
    const sizes = new Map<number, number>();
    let from = Infinity;
    let to = -Infinity;
    let writeEnd = 0;
    let writes = 0;
    for (const part of partials) {
      addSums(sums, part);
      from = Math.min(from, part.from);
      to = Math.max(to, part.to);
      writeEnd = Math.max(writeEnd, part.writeEnd);
      writes += part.writes.length / 2;
      for (const [size, count] of part.sizes) sizes.set(size, (sizes.get(size) ?? 0) + count);
    }
    const shape = WrittenSectors.shape(writeEnd);
    const written = this.#written.sum(
      partials,
      `${shape.granule} ${shape.words}`,
      () => new WrittenSectors(writeEnd),
    );
    const writtenBytes = partials.reduce((total, part) => total + bytesOfWrites(part), 0);
    const { firstStart: _start, lastEnd: _end, ...shown } = sums;
    const result: StatisticsResult = {
      kind: 'statistics',
      ...shown,
      from,
      to,
      sizes: [...sizes]
        .map(([bytes, count]) => ({ bytes, count }))
        .sort((left, right) => right.count - left.count || left.bytes - right.bytes)
        .slice(0, SIZES_SHOWN),
      overwrites: written.overwrites,
      writes,
      writtenBytes,
      distinctBytes: Math.min(writtenBytes, written.sectors * SECTOR_BYTES),
      granule: written.granule,
    };
    return { result, transfer: [] };
  };
}

/** Adds a later part: its first request of a family may go on where the last one so far ended. */
function addSums(sums: Sums, part: Sums): void {
  const { firstStart, lastEnd, leastBytes, mostBytes } = sums;
  part.flags.forEach((count, flag) => increase(sums.flags, flag, count));
  for (let family = 0; family < FAMILIES; family++) {
    for (const name of ['counts', 'bytes', 'errors', 'latency', 'sequential'] as const)
      increase(sums[name], family, part[name][family] ?? 0);
    leastBytes[family] = Math.min(leastBytes[family] ?? 0, part.leastBytes[family] ?? 0);
    mostBytes[family] = Math.max(mostBytes[family] ?? 0, part.mostBytes[family] ?? 0);
    if (Number.isNaN(part.firstStart[family])) continue;
    if (part.firstStart[family] === lastEnd[family]) increase(sums.sequential, family, 1);
    if (Number.isNaN(firstStart[family])) firstStart[family] = part.firstStart[family] ?? NaN;
    lastEnd[family] = part.lastEnd[family] ?? NaN;
  }
}

function addWrites(written: WrittenSectors, { writes, writeUnit }: StatisticsPartial): void {
  for (let at = 0; at < writes.length; at += 2)
    written.add((writes[at] ?? 0) * writeUnit, (writes[at + 1] ?? 0) * writeUnit);
}

function bytesOfWrites({ writes, writeUnit }: StatisticsPartial): number {
  let units = 0;
  for (let at = 0; at < writes.length; at += 2) units += (writes[at + 1] ?? 0) - (writes[at] ?? 0);
  return units * writeUnit * SECTOR_BYTES;
}
