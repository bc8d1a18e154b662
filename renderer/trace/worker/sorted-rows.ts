/**
 * Rows in the order of their latency or length, as they were when they were
 * sorted: what comes later waits for the next time. Equal ones stay in the order
 * of arrival.
 */
import { CHUNK_ROWS, wideAt } from '../../../app/filter/trace-columns';
import type { Sorting } from './protocol';
import type { RowList } from './row-list';
import type { Rows } from './rows';

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;
/** Keys below this one are exact; larger ones (2 s, 2 GiB) keep 24 bits of their digits. */
const EXACT = 0x8000_0000;

export class SortedRows implements RowList {
  readonly first = 0;
  readonly #rows: Rows;
  /** Distances from `#base`, in order. */
  readonly #order: Uint32Array;
  readonly #base: number;

  /** Of the rows [from, to), those whose bit `bits` has; all, if it returns null. */
  constructor(
    rows: Rows,
    bits: (row: number) => Uint32Array | null,
    from: number,
    to: number,
    sorting: Sorting,
  ) {
    this.#rows = rows;
    this.#base = from;
    const { order, keys } = keysOf(rows, bits, from, to, sorting);
    this.#order = radixSort(order, keys);
  }

  get end(): number {
    return this.#order.length;
  }

  /** Rows that have left since are there still, below the first row of all. */
  rows(from: number, count: number): number[] {
    return Array.from(this.#order.subarray(from, from + count), (offset) => this.#base + offset);
  }

  /** In no order of sequences there is no bound: where that row is, or the end. */
  lowerBound(sequence: number): number {
    const row = this.#rows.lowerBound(sequence);
    return this.ordinal(row) ?? this.end;
  }

  ordinal(row: number): number | null {
    const at = this.#order.indexOf(row - this.#base);
    return at < 0 ? null : at;
  }
}

function keysOf(
  rows: Rows,
  bits: (row: number) => Uint32Array | null,
  from: number,
  to: number,
  { by, descending }: Sorting,
): { order: Uint32Array; keys: Uint32Array } {
  const order = new Uint32Array(to - from);
  const keys = new Uint32Array(to - from);
  let count = 0;
  for (let row = from; row < to;) {
    const { arrival, completion, length } = rows.columns(row);
    const passed = bits(row);
    const end = Math.min(to, row - rows.slot(row) + CHUNK_ROWS);
    for (; row < end; row++) {
      const slot = rows.slot(row);
      if (passed && (((passed[slot >>> 5] ?? 0) >>> (slot & 31)) & 1) === 0) continue;
      const value =
        by === 'length' ? wideAt(length, slot) : wideAt(completion, slot) - wideAt(arrival, slot);
      const key = keyOf(value);
      order[count] = row - from;
      keys[count] = descending ? ~key : key;
      count++;
    }
  }
  return { order: order.subarray(0, count), keys: keys.subarray(0, count) };
}

const float = new Float32Array(1);
const floatBits = new Uint32Array(float.buffer);

/** 32 bits in the order of the values, which are not negative. */
function keyOf(value: number): number {
  if (value < EXACT) return Math.max(0, value);
  float[0] = value;
  return EXACT + (floatBits[0] ?? 0);
}

interface Pairs {
  readonly order: Uint32Array;
  readonly keys: Uint32Array;
}

/** Least significant digit first: stable. Neither array is kept. */
function radixSort(order: Uint32Array, keys: Uint32Array): Uint32Array {
  let from: Pairs = { order, keys };
  let to: Pairs = { order: new Uint32Array(order.length), keys: new Uint32Array(order.length) };
  for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
    const places = new Uint32Array(DIGITS);
    for (const key of from.keys) {
      const digit = (key >>> shift) & (DIGITS - 1);
      places[digit] = (places[digit] ?? 0) + 1;
    }
    let place = 0;
    for (let digit = 0; digit < DIGITS; digit++) {
      const count = places[digit] ?? 0;
      places[digit] = place;
      place += count;
    }
    for (let index = 0; index < from.keys.length; index++) {
      const key = from.keys[index] ?? 0;
      const digit = (key >>> shift) & (DIGITS - 1);
      const target = places[digit] ?? 0;
      places[digit] = target + 1;
      to.keys[target] = key;
      to.order[target] = from.order[index] ?? 0;
    }
    [from, to] = [to, from];
  }
  return from.order;
}
