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
import { CHUNK_ROWS, wideAt } from '../../../../app/filter/trace-columns';
import { type Derivation, type DerivationContext, never, RunningSum } from './derivation';
import {
  type Epoch,
  epochOf,
  FAMILIES,
  familyOf,
  latencyAt,
  passingRows,
  timeAt,
  WRITE,
} from './rows';
import { REVERSIBLE, WrittenSectors, type Writes } from './written-sectors';

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
  readonly #epoch: Epoch;
  readonly #sizes = new RunningSum<StatisticsPartial, Map<number, number>>(addSizes);
  #written: WrittenSectors | null = null;
  #writtenKey = '';
  /** Whose writes are settled in `#written`. */
  readonly #settled: StatisticsPartial[] = [];

  constructor({ epochMonotonicNs }: DerivationContext) {
    this.#epoch = epochOf(epochMonotonicNs);
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
    const { operation, result, flags: flagsColumn } = columns;
    const { counts, bytes, latency, errors, sequential } = sums;
    const epoch = this.#epoch;
    const rows = passingRows(from, to, bits);
    for (const row of rows) {
      const family = familyOf[operation[row] ?? 0] ?? 0;
      const length = wideAt(columns.length, row);
      const flags = flagsColumn[row] ?? 0;
      const isOk = result[row] === BIOSCOPE_RESULT_OK;
      const time = timeAt(columns, row, epoch);
      if (time < first) first = time;
      if (time > last) last = time;
      increase(counts, family, 1);
      increase(latency, family, latencyAt(columns, row));
      if (!isOk) increase(errors, family, 1);
      for (let flag = 0; flags !== 0 && flag < flagBits.length; flag++)
        if ((flags & (flagBits[flag] ?? 0)) !== 0) increase(sums.flags, flag, 1);
      if (length === 0) continue;
      increase(bytes, family, length);
      if (length < (leastBytes[family] ?? 0)) leastBytes[family] = length;
      if (length > (mostBytes[family] ?? 0)) mostBytes[family] = length;
      sizes.add(length);
      const start = wideAt(columns.sector, row);
      const end = start + Math.ceil(length / SECTOR_BYTES);
      if (start === lastEnd[family]) increase(sequential, family, 1);
      if (Number.isNaN(firstStart[family])) firstStart[family] = start;
      lastEnd[family] = end;
      if (family === WRITE && isOk) {
        writtenFrom[writes] = start;
        writtenTo[writes++] = end;
        if (end > writeEnd) writeEnd = end;
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
    const settled = this.#settled;
    if (this.#written === null || key !== this.#writtenKey || !this.#goesOn(partials)) {
      this.#written = new WrittenSectors(end, alignment);
      this.#writtenKey = key;
      settled.length = 0;
    }
    const written = this.#written;
    const before = settled.length;
    for (const part of partials.slice(before)) {
      const missing = partials.length - settled.length;
      // One at least each time, and no pause near the end: those are others in each slice.
      if (settled.length > before && missing > REVERSIBLE && isOver()) return null;
      written.begin(missing <= REVERSIBLE);
      written.write(part.writes);
      settled.push(part);
    }
    const { sectors, overwrites } = written;
    // Where a granule is no larger than what all writes are aligned to, it is exact.
    return { sectors, overwrites, granule: granule > alignment ? granule : 1 };
  }

  /**
   * Leaves of what is settled what `partials` begin with: the oldest ones have left, the
   * newest have grown or are others. False where that is not all: it is to be made anew.
   */
  #goesOn(partials: readonly StatisticsPartial[]): boolean {
    const settled = this.#settled;
    const written = this.#written;
    const [oldest] = partials;
    if (!written || !oldest) return false;
    const left = Math.max(0, settled.indexOf(oldest));
    let same = 0;
    while (left + same < settled.length && settled[left + same] === partials[same]) same++;
    const others = settled.length - left - same;
    if (others > written.reversible) return false;
    for (let count = 1; count < others; count++) {
      written.drop();
      settled.pop();
    }
    const changed = partials[same];
    const known = settled.at(-1);
    if (others > 0 && known && changed) {
      const kept = sameWrites(known.writes, changed.writes);
      written.takeBack(known.writes.groups.length / 2 - kept);
      written.write(changed.writes, kept);
      settled[settled.length - 1] = changed;
    } else if (others > 0) {
      written.drop();
      settled.pop();
    }
    for (let count = 0; count < left; count++) written.leave();
    settled.splice(0, left);
    return true;
  }
}

/** With how many writes both begin. */
function sameWrites(one: Writes, other: Writes): number {
  if (one.unit !== other.unit) return 0;
  const end = Math.min(one.groups.length, other.groups.length);
  let at = 0;
  while (at < end && one.groups[at] === other.groups[at]) at++;
  return at >>> 1;
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
