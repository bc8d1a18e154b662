/** Reading columns for the pictures: which rows, what kind, when. */
import { operationWord, type OperationFamily } from '../../../../app/contract/trace';
import { CHUNK_ROWS, type TraceColumns } from '../../../../app/filter/trace-columns';

const HIGH = 0x1_0000_0000;

/** The families, in the order in which results number them. */
export const families = [
  'read',
  'write',
  'flush',
  'discard',
  'zeroes',
  'zone',
] as const satisfies readonly OperationFamily[];
export const FAMILIES = families.length;
export const READ = 0;
export const WRITE = 1;

/** The family's number by the operation's. */
export const familyOf = Uint8Array.from({ length: 256 }, (_, operation) =>
  families.indexOf(operationWord(operation).family),
);

const passing = new Uint32Array(CHUNK_ROWS);

/** The rows of [from, to) whose bit is set, ascending. Good until the next call. */
export function passingRows(from: number, to: number, bits: Uint32Array | null): Uint32Array {
  let count = 0;
  if (bits === null) {
    for (let row = from; row < to; row++) passing[count++] = row;
    return passing.subarray(0, count);
  }
  for (let row = from; row < to; row++) {
    const word = bits[row >>> 5] ?? 0;
    // A word without a set bit is passed over at once.
    if (word === 0) row |= 31;
    else if ((word >>> (row & 31)) & 1) passing[count++] = row;
  }
  return passing.subarray(0, count);
}

/** Rows of a chunk, and which of them pass. */
interface Passing {
  readonly from: number;
  readonly to: number;
  readonly bits: Uint32Array | null;
}

const passes = (bits: Uint32Array, row: number): boolean =>
  (((bits[row >>> 5] ?? 0) >>> (row & 31)) & 1) === 1;

/** The first row that passes; -1 for none. */
export function firstPassing({ from, to, bits }: Passing): number {
  if (bits === null) return from < to ? from : -1;
  for (let row = from; row < to; row++) {
    if ((bits[row >>> 5] ?? 0) === 0) row |= 31;
    else if (passes(bits, row)) return row;
  }
  return -1;
}

/** The last row that passes; -1 for none. */
export function lastPassing({ from, to, bits }: Passing): number {
  if (bits === null) return from < to ? to - 1 : -1;
  for (let row = to - 1; row >= from; row--) {
    if ((bits[row >>> 5] ?? 0) === 0) row &= ~31;
    else if (passes(bits, row)) return row;
  }
  return -1;
}

/** What is counted at `places`, which is then 0. Of one chunk: it has no more rows than 16 bits count. */
export function takeCounts(counts: Uint32Array, places: Uint32Array): Uint16Array {
  const taken = new Uint16Array(places.length);
  for (let index = 0; index < places.length; index++) {
    const place = places[index] ?? 0;
    taken[index] = counts[place] ?? 0;
    counts[place] = 0;
  }
  return taken;
}

/** Nanoseconds from arrival to completion. */
export function latencyAt({ arrival, completion }: TraceColumns, row: number): number {
  const high = (completion[2 * row + 1] ?? 0) - (arrival[2 * row + 1] ?? 0);
  return high * HIGH + ((completion[2 * row] ?? 0) - (arrival[2 * row] ?? 0));
}

/** A reading of the clock, parted so that differences to it are exact. */
export interface Epoch {
  readonly high: number;
  readonly low: number;
}

export const epochOf = (ns: bigint): Epoch => ({
  high: Number(ns >> 32n),
  low: Number(ns & 0xffff_ffffn),
});

/** Nanoseconds of arrival since `epoch`: exact, however long the machine has been up. */
export function timeAt({ arrival }: TraceColumns, row: number, { high, low }: Epoch): number {
  return ((arrival[2 * row + 1] ?? 0) - high) * HIGH + ((arrival[2 * row] ?? 0) - low);
}
