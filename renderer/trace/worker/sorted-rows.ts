/**
 * Rows in the order of their latency or length, as they were when they were
 * sorted: what comes later waits for the next time. Equal ones stay in the order
 * of arrival.
 *
 * A row is known by its sequence, so that the list stays true while older rows
 * leave and late ones come in between.
 */
import { CHUNK_ROWS, wideAt } from '../../../app/filter/trace-columns';
import type { Sorting } from './protocol';
import { GONE, type RowList } from './row-list';
import type { Rows } from './rows';

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;
const SHIFTS = [0, DIGIT_BITS, 2 * DIGIT_BITS];
/** Keys below this one are exact; larger ones (2 s, 2 GiB) keep 24 bits of their digits. */
const EXACT = 0x8000_0000;
/** Rows between two looks at the clock: a millisecond, or two. */
const PIECE_ROWS = CHUNK_ROWS;

/** Distances of sequences from the lowest one; 32 bits as long as that is enough. */
type Distances = Uint32Array | Float64Array;

export class SortedRows implements RowList {
  readonly first = 0;
  readonly #rows: Rows;
  readonly #order: Distances;
  readonly #base: number;
  /** The last place that was asked for: the same one is asked for again and again. */
  #found = { sequence: -1, ordinal: -1 };

  /** `order`: distances from the sequence `base`, in their order. */
  constructor(rows: Rows, order: Distances, base: number) {
    this.#rows = rows;
    this.#order = order;
    this.#base = base;
  }

  get end(): number {
    return this.#order.length;
  }

  /** Bytes of typed arrays held. */
  get bytes(): number {
    return this.#order.buffer.byteLength;
  }

  /** The row at `ordinal` may have left since: then this is still its sequence. */
  sequence(ordinal: number): number {
    return this.#base + (this.#order[ordinal] ?? 0);
  }

  /** GONE for rows that have left since. */
  rows(from: number, count: number): number[] {
    return Array.from({ length: count }, (_, index) => {
      const sequence = this.sequence(from + index);
      const row = this.#rows.lowerBound(sequence);
      const isKept = row < this.#rows.end && this.#rows.number(row, 'sequence') === sequence;
      return isKept ? row : GONE;
    });
  }

  /** In no order of sequences there is no bound: where that row is, or the end. */
  lowerBound(sequence: number): number {
    return this.#ordinalOf(sequence) ?? this.end;
  }

  ordinal(row: number): number | null {
    return this.#ordinalOf(this.#rows.number(row, 'sequence'));
  }

  #ordinalOf(sequence: number): number | null {
    if (this.#found.sequence !== sequence) {
      this.#found = { sequence, ordinal: this.#order.indexOf(sequence - this.#base) };
    }
    return this.#found.ordinal < 0 ? null : this.#found.ordinal;
  }
}

/** What is sorted: the rows [from, to), of these those that pass. */
export interface Unsorted {
  readonly rows: Rows;
  /** The bitmap of the chunk that holds a row; null where all rows pass. */
  readonly bits: ((row: number) => Uint32Array) | null;
  readonly from: number;
  readonly to: number;
  /** How many of them pass: room is made for so many. */
  readonly passing: number;
}

/**
 * Sorts in pieces: yields after each the share that is done, 0 … 1, and returns
 * the list. Rows may come and leave in between. `bits` must stay those of one
 * filter.
 */
export function sortRows(
  unsorted: Unsorted,
  sorting: Sorting,
): Generator<number, SortedRows, undefined> {
  const { rows, from, to } = unsorted;
  // Asked now: the rows may have left when the first piece is sorted.
  const base = from < to ? rows.number(from, 'sequence') : 0;
  const last = from < to ? rows.number(to - 1, 'sequence') : -1;
  return sortSequences(unsorted, base, last, sorting);
}

function* sortSequences(
  unsorted: Unsorted,
  base: number,
  last: number,
  sorting: Sorting,
): Generator<number, SortedRows, undefined> {
  const { rows, from, to, passing } = unsorted;
  // Each row is seen once to collect it, and once for each digit.
  const steps = (to - from) * (1 + SHIFTS.length);
  const collected = new Collected(passing, base, last, sorting);
  for (let seen = -1; seen < last;) {
    const row = rows.lowerBound(Math.max(base, seen + 1));
    if (row >= rows.end) break;
    const before = seen;
    seen = collected.take(unsorted, row);
    // Numbers so large that there is none between them and the next one end it.
    if (seen <= before) break;
    yield Math.max(0, Math.min(row - from, to - from)) / steps;
  }
  let { pairs: source } = collected;
  const count = source.keys.length;
  let target: Pairs | null = null;
  for (const [digit, counts] of collected.counts.entries()) {
    // All rows have the same digit here: they are in order already.
    if (counts.includes(count)) continue;
    target ??= { keys: new Uint32Array(count), order: sameKind(source.order, count) };
    const places = placesOf(counts);
    for (let at = 0; at < count; at += PIECE_ROWS) {
      scatter(source, target, places, SHIFTS[digit] ?? 0, at, Math.min(count, at + PIECE_ROWS));
      yield (to - from + (digit * count + at)) / steps;
    }
    [source, target] = [target, source];
  }
  return new SortedRows(rows, source.order, base);
}

interface Pairs {
  readonly keys: Uint32Array;
  readonly order: Distances;
}

const sameKind = (order: Distances, length: number): Distances =>
  order instanceof Uint32Array ? new Uint32Array(length) : new Float64Array(length);

/** The keys of the rows that pass, and how often each digit occurs in them. */
class Collected {
  readonly counts = SHIFTS.map(() => new Uint32Array(DIGITS));
  readonly #base: number;
  readonly #last: number;
  readonly #sorting: Sorting;
  #keys: Uint32Array;
  #order: Distances;
  #count = 0;

  /** Of the sequences from `base` to `last`, about `rows`. */
  constructor(rows: number, base: number, last: number, sorting: Sorting) {
    this.#base = base;
    this.#last = last;
    this.#sorting = sorting;
    const room = rows + CHUNK_ROWS;
    this.#keys = new Uint32Array(room);
    this.#order = last - base < 2 ** 32 ? new Uint32Array(room) : new Float64Array(room);
  }

  /** A part of a buffer keeps all of it: one that is much too large is left for a copy. */
  get pairs(): Pairs {
    const count = this.#count;
    const isWaste = 2 * count < this.#keys.length;
    return {
      keys: isWaste ? this.#keys.slice(0, count) : this.#keys.subarray(0, count),
      order: isWaste ? this.#order.slice(0, count) : this.#order.subarray(0, count),
    };
  }

  /** Takes the rows of one chunk from `from` on; returns the last sequence it has seen. */
  take({ rows, bits }: Unsorted, from: number): number {
    this.#makeRoom();
    const { sequence, arrival, completion, length } = rows.columns(from);
    const passed = bits === null ? null : bits(from);
    const { by, descending } = this.#sorting;
    const [low = new Uint32Array(0), middle = low, high = low] = this.counts;
    const keys = this.#keys;
    const order = this.#order;
    const flip = descending ? -1 : 0;
    const slotOfFirst = rows.slot(from);
    const slots = Math.min(CHUNK_ROWS, slotOfFirst + rows.end - from);
    let count = this.#count;
    let seen = this.#last;
    for (let slot = slotOfFirst; slot < slots; slot++) {
      seen = wideAt(sequence, slot);
      if (seen > this.#last) break;
      if (passed && (((passed[slot >>> 5] ?? 0) >>> (slot & 31)) & 1) === 0) continue;
      const value =
        by === 'length' ? wideAt(length, slot) : wideAt(completion, slot) - wideAt(arrival, slot);
      const key = keyOf(value) ^ flip;
      order[count] = seen - this.#base;
      keys[count] = key;
      count++;
      countOne(low, key & (DIGITS - 1));
      countOne(middle, (key >>> DIGIT_BITS) & (DIGITS - 1));
      countOne(high, key >>> (2 * DIGIT_BITS));
    }
    this.#count = count;
    return seen;
  }

  /** For a chunk more. It is there, unless late rows came among those to be sorted. */
  #makeRoom(): void {
    if (this.#count + CHUNK_ROWS <= this.#keys.length) return;
    const room = Math.ceil(this.#count * 1.2) + CHUNK_ROWS;
    const keys = this.#keys.subarray(0, this.#count);
    const order = this.#order.subarray(0, this.#count);
    this.#keys = new Uint32Array(room);
    this.#keys.set(keys);
    this.#order = sameKind(order, room);
    this.#order.set(order);
  }
}

function countOne(counts: Uint32Array, digit: number): void {
  counts[digit] = (counts[digit] ?? 0) + 1;
}

const float = new Float32Array(1);
const floatBits = new Uint32Array(float.buffer);

/** 32 bits in the order of the values, which are not negative. */
function keyOf(value: number): number {
  if (value < EXACT) return Math.max(0, value);
  float[0] = value;
  return EXACT + (floatBits[0] ?? 0);
}

/** Where the first key of each digit goes. */
function placesOf(counts: Uint32Array): Uint32Array {
  const places = new Uint32Array(DIGITS);
  for (let digit = 1; digit < DIGITS; digit++) {
    places[digit] = (places[digit - 1] ?? 0) + (counts[digit - 1] ?? 0);
  }
  return places;
}

/** One piece of a pass of a radix sort, least significant digit first: stable. */
function scatter(
  source: Pairs,
  target: Pairs,
  places: Uint32Array,
  shift: number,
  from: number,
  to: number,
): void {
  const { keys, order } = source;
  const { keys: keysTo, order: orderTo } = target;
  for (let index = from; index < to; index++) {
    const key = keys[index] ?? 0;
    const digit = (key >>> shift) & (DIGITS - 1);
    const place = places[digit] ?? 0;
    places[digit] = place + 1;
    keysTo[place] = key;
    orderTo[place] = order[index] ?? 0;
  }
}
