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
import { CHUNK_ROWS, wideAt, type TraceColumns } from '../../../../app/filter/trace-columns';
import { type Derivation, type DerivationContext, never, RunningSum } from './derivation';
import { FAMILIES, familyOf, latencyAt, passingRows, timeReader, WRITE } from './rows';
import { WrittenSectors, type Writes } from './written-sectors';

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
  /** Successful ones. */
  readonly writes: Writes;
  readonly writtenBytes: number;
  /** Behind the last sector written. */
  readonly writeEnd: number;
  /** A power of two sectors, MOST_ALIGNMENT at most, of which all writes begin and end at multiples. */
  readonly alignment: number;
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
/** 4 KiB: what nearly everything is aligned to. */
const MOST_ALIGNMENT = 8;
/** Late requests still come into the newest part and the one before. */
const UNSETTLED = 2;

const flagBits = Uint32Array.from(countedFlags, ({ bit }) => bit);

/** The sectors of the writes of one scan. */
const writtenFrom = new Float64Array(CHUNK_ROWS);
const writtenTo = new Float64Array(CHUNK_ROWS);

/** How often each size occurs. Nearly all are whole sectors up to 1 MiB: those need no hashing. */
class SizeCounts {
  readonly #usual = new Uint32Array((1 << 20) / SECTOR_BYTES + 1);
  readonly #others = new Map<number, number>();

  add(bytes: number): void {
    const sectors = bytes / SECTOR_BYTES;
    const count = this.#usual[sectors];
    if (count === undefined) this.#others.set(bytes, (this.#others.get(bytes) ?? 0) + 1);
    else this.#usual[sectors] = count + 1;
  }

  counts(): ReadonlyMap<number, number> {
    const counts = new Map(this.#others);
    this.#usual.forEach((count, sectors) => {
      if (count > 0) counts.set(sectors * SECTOR_BYTES, count);
    });
    return counts;
  }
}

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
  readonly #sizes = new RunningSum<StatisticsPartial, Map<number, number>>(addSizes);
  #written: WrittenSectors | null = null;
  #writtenKey = '';
  /** Whose writes are settled in `#written`. */
  readonly #settled: StatisticsPartial[] = [];

  constructor({ epochMonotonicNs }: DerivationContext) {
    this.#time = timeReader(epochMonotonicNs);
  }

  scan: Derivation<StatisticsPartial, StatisticsResult>['scan'] = (columns, from, to, bits) => {
    const sums = empty();
    const { firstStart, lastEnd, leastBytes, mostBytes } = sums;
    const sizes = new SizeCounts();
    let writes = 0;
    let writeEnd = 0;
    let ends = MOST_ALIGNMENT;
    let writtenSectors = 0;
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
      for (let flag = 0; flags !== 0 && flag < flagBits.length; flag++)
        if ((flags & (flagBits[flag] ?? 0)) !== 0) increase(sums.flags, flag, 1);
      if (length === 0) continue;
      if (length < (leastBytes[family] ?? 0)) leastBytes[family] = length;
      if (length > (mostBytes[family] ?? 0)) mostBytes[family] = length;
      sizes.add(length);
      const start = wideAt(columns.sector, row);
      const end = start + Math.ceil(length / SECTOR_BYTES);
      if (start === lastEnd[family]) increase(sums.sequential, family, 1);
      if (Number.isNaN(firstStart[family])) firstStart[family] = start;
      lastEnd[family] = end;
      if (family === WRITE && isOk) {
        writtenFrom[writes] = start;
        writtenTo[writes++] = end;
        writeEnd = Math.max(writeEnd, end);
        writtenSectors += end - start;
        // The lowest bit that is set in any of them.
        ends |= start | end;
      }
    }
    let unit = 1;
    while (writeEnd / unit > 0xffff_ffff) unit *= 2;
    const groups = new Uint32Array(2 * writes);
    for (let write = 0; write < writes; write++) {
      groups[2 * write] = Math.floor((writtenFrom[write] ?? 0) / unit);
      groups[2 * write + 1] = Math.ceil((writtenTo[write] ?? 0) / unit);
    }
    return {
      ...{ ...sums, from: first, to: last, sizes: sizes.counts(), writeEnd },
      writes: { groups, unit },
      writtenBytes: writtenSectors * SECTOR_BYTES,
      alignment: ends & -ends,
    };
  };

  merge: Derivation<StatisticsPartial, StatisticsResult>['merge'] = (partials, isOver = never) => {
    const sizes = this.#sizes.sum(partials, '', () => new Map<number, number>(), isOver);
    if (sizes === null) return null;
    const written = this.#writtenBy(partials, isOver);
    if (written === null) return null;
    const sums = empty();
    let from = Infinity;
    let to = -Infinity;
    let writes = 0;
    let writtenBytes = 0;
    for (const part of partials) {
      addSums(sums, part);
      from = Math.min(from, part.from);
      to = Math.max(to, part.to);
      writes += part.writes.groups.length / 2;
      writtenBytes += part.writtenBytes;
    }
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

  /** Null when `isOver` said so before all were looked at. */
  #writtenBy(partials: readonly StatisticsPartial[], isOver: () => boolean) {
    let end = 0;
    let alignment = MOST_ALIGNMENT;
    for (const part of partials) {
      end = Math.max(end, part.writeEnd);
      alignment = Math.min(alignment, part.alignment);
    }
    const { granule, granules } = WrittenSectors.shape(end, alignment);
    const key = `${granule} ${granules}`;
    const settled = partials.slice(0, -UNSETTLED);
    // The order counts: those that are settled must be the next ones, but for the oldest.
    const [oldest] = settled;
    const left = oldest ? this.#settled.indexOf(oldest) : this.#settled.length;
    const goesOn =
      key === this.#writtenKey &&
      left >= 0 &&
      this.#settled.slice(left).every((part, index) => part === settled[index]);
    if (this.#written === null || !goesOn) {
      this.#written = new WrittenSectors(end, alignment);
      this.#writtenKey = key;
      this.#settled.length = 0;
    } else {
      for (let count = 0; count < left; count++) this.#written.leave();
      this.#settled.splice(0, left);
    }
    for (const [index, part] of settled.slice(this.#settled.length).entries()) {
      if (index > 0 && isOver()) return null;
      this.#written.settle(part.writes);
      this.#settled.push(part);
    }
    const counted = this.#written.count(partials.slice(-UNSETTLED).map(({ writes }) => writes));
    // Where a granule is no larger than what all writes are aligned to, it is exact.
    return { ...counted, granule: granule > alignment ? granule : 1 };
  }
}

function addSizes(total: Map<number, number>, { sizes }: StatisticsPartial, sign: 1 | -1): void {
  for (const [size, count] of sizes) {
    const now = (total.get(size) ?? 0) + sign * count;
    if (now === 0) total.delete(size);
    else total.set(size, now);
  }
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
