/**
 * The newest rows of one disk, ascending by sequence, as columns in chunks
 * (app/filter/trace-columns.ts): 58 bytes a row.
 *
 * Rows have absolute numbers: row `first` is the oldest kept, `end - 1` the
 * newest, and a row keeps its number when older ones leave. Only a late record
 * (one that completed after requests that arrived later) moves the rows behind
 * it up by one.
 */
import {
  CHUNK_ROWS,
  columnList,
  copyColumns,
  makeColumns,
  putRecords,
  ROW_BYTES,
  takeRecord,
  type TraceColumns,
  wideAt,
  type WideColumn,
} from '../../../app/filter/trace-columns';
import { firstSequence, unpackColumns } from '../../../app/contract/packed-columns';
import { RECORD_BYTES } from '../../../app/contract/trace';

/** 32-bit words of a record on the wire. */
export const RECORD_WORDS = RECORD_BYTES / 4;

/** Rows leave in whole chunks while at least so many are kept: it costs a 64th of them at most. */
const MANY_CHUNKS = 64;

/** Late records are merged with so many rows by making records of those, too; more are moved as they are. */
const SHORT_TAIL = 4096;

/** Where rows are unpacked before some of them are put between others. */
let unpacked = makeColumns(0);

const HIGH = 0x1_0000_0000;
const SLOT_MASK = CHUNK_ROWS - 1;

export class Rows {
  #capacity: number;
  #first = 0;
  #end = 0;
  /** The number of the first row of the first chunk. */
  #base = 0;
  #chunks: TraceColumns[] = [];
  /** From this row on nothing has been written yet: chunks are all zero there. */
  #untouched = 0;
  /** A chunk whose rows have all left, to be filled again. */
  #spare: TraceColumns | null = null;

  /** `capacity`: rows kept at most. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get first(): number {
    return this.#first;
  }

  get end(): number {
    return this.#end;
  }

  get count(): number {
    return this.#end - this.#first;
  }

  get base(): number {
    return this.#base;
  }

  /** Bytes of typed arrays held. */
  get bytes(): number {
    return (this.#chunks.length + (this.#spare ? 1 : 0)) * CHUNK_ROWS * ROW_BYTES;
  }

  /** The chunk that holds `row`, in its slot `row & (CHUNK_ROWS - 1)`. */
  columns(row: number): TraceColumns {
    const index = Math.floor((row - this.#base) / CHUNK_ROWS);
    let chunk = this.#chunks[index];
    while (chunk === undefined) {
      this.#chunks.push(this.#spare ?? makeColumns(CHUNK_ROWS));
      if (this.#spare) this.#untouched = this.#base + this.#chunks.length * CHUNK_ROWS;
      this.#spare = null;
      chunk = this.#chunks[index];
    }
    return chunk;
  }

  slot(row: number): number {
    return row & SLOT_MASK;
  }

  /** A 64-bit field of a row as a number: exact below 2^53. */
  number(row: number, column: WideColumn): number {
    return wideAt(this.columns(row)[column], row & SLOT_MASK);
  }

  /** The first row in [from, to) whose sequence is at least `sequence`; `to` if none. */
  lowerBound(sequence: number, from = this.#first, to = this.#end): number {
    let low = from;
    let high = to;
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      if (this.number(middle, 'sequence') < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Takes `count` records (RECORD_WORDS words each, ascending by sequence).
   * Returns the lowest row number whose content changed, and how many records
   * were older than everything still kept, and so came too late to be kept.
   */
  add(records: Uint32Array, count: number): { changedFrom: number; tooLate: number } {
    if (count === 0) return { changedFrom: this.#end, tooLate: 0 };
    const newest = this.count > 0 ? this.number(this.#end - 1, 'sequence') : -1;
    if (recordSequence(records, 0) > newest) {
      const changedFrom = this.#end;
      this.#append(records, 0, count);
      this.#trim();
      return { changedFrom: Math.max(changedFrom, this.#first), tooLate: 0 };
    }
    return this.#merge(records, count);
  }

  /** Like `add`, of `count` rows that are packed columns (app/contract/packed-columns.ts). */
  addPacked(packed: ArrayBuffer, count: number): { changedFrom: number; tooLate: number } {
    const newest = this.count > 0 ? this.number(this.#end - 1, 'sequence') : -1;
    if (count > 0 && firstSequence(packed) <= newest) return this.#addLate(packed, count, newest);
    const changedFrom = this.#end;
    this.#extend(count, (columns, slot, from, some) => {
      const areZero = this.#end >= this.#untouched;
      unpackColumns(packed, from, columnList(columns), slot, some, areZero);
    });
    return { changedFrom: Math.max(changedFrom, this.#first), tooLate: 0 };
  }

  /** Like `addPacked`, where the first rows belong between those that are here: a matter of records. */
  #addLate(
    packed: ArrayBuffer,
    count: number,
    newest: number,
  ): { changedFrom: number; tooLate: number } {
    if (unpacked.sequence.length < 2 * count) unpacked = makeColumns(count);
    const all = unpacked;
    unpackColumns(packed, 0, columnList(all), 0, count);
    let late = 0;
    while (late < count && wideAt(all.sequence, late) <= newest) late++;
    const records = new Uint32Array(late * RECORD_WORDS);
    for (let row = 0; row < late; row++) takeRecord(all, row, records, row * RECORD_WORDS, 0);
    const { changedFrom, tooLate } = this.add(records, late);
    this.#extend(count - late, (columns, slot, from, some) =>
      copyColumns(all, late + from, columns, slot, some),
    );
    return { changedFrom: Math.max(changedFrom, this.#first), tooLate };
  }

  /** Makes place for `count` rows behind the others. `put`: [from, from + some) of them into a chunk. */
  #extend(
    count: number,
    put: (columns: TraceColumns, slot: number, from: number, some: number) => void,
  ): void {
    for (let taken = 0; taken < count;) {
      const slot = this.#end & SLOT_MASK;
      const some = Math.min(count - taken, CHUNK_ROWS - slot);
      put(this.columns(this.#end), slot, taken, some);
      this.#end += some;
      taken += some;
    }
    this.#trim();
  }

  /** Another number of rows to keep; rows beyond it leave at once. */
  keep(capacity: number): void {
    this.#capacity = capacity;
    if (this.count > capacity) this.leave(this.count - capacity);
  }

  /**
   * The `count` oldest rows leave for newer ones. Where many are kept the rest of
   * their chunk leaves as well: what has been computed of the chunks that stay
   * is true until a whole one more has come. Returns how many left.
   */
  makeRoom(count: number): number {
    const isMany = this.count >= MANY_CHUNKS * CHUNK_ROWS;
    const rest = isMany ? -(this.#first + count) & SLOT_MASK : 0;
    this.leave(count + rest);
    return count + rest;
  }

  /** The `count` oldest rows leave. */
  leave(count: number): void {
    this.#first = Math.min(this.#end, this.#first + count);
    const gone = Math.floor((this.#first - this.#base) / CHUNK_ROWS);
    if (gone === 0) return;
    [this.#spare = null] = this.#chunks.splice(0, gone);
    this.#base += gone * CHUNK_ROWS;
  }

  /** Copies a row as a wire record to `target` at word `offset`, with the disk's number. */
  copyRecord(row: number, target: Uint32Array, offset: number, disk: number): void {
    takeRecord(this.columns(row), row & SLOT_MASK, target, offset, disk);
  }

  #trim(): void {
    this.#untouched = Math.max(this.#untouched, this.#end);
    if (this.count > this.#capacity) this.makeRoom(this.count - this.#capacity);
  }

  #append(records: Uint32Array, from: number, count: number): void {
    let next = from;
    for (let rest = count; rest > 0;) {
      const slot = this.#end & SLOT_MASK;
      const taken = Math.min(rest, CHUNK_ROWS - slot);
      putRecords(this.columns(this.#end), slot, records, next, taken);
      this.#end += taken;
      next += taken;
      rest -= taken;
    }
  }

  /** Puts late records between the rows. */
  #merge(records: Uint32Array, count: number): { changedFrom: number; tooLate: number } {
    let tooLate = 0;
    if (this.#first > 0) {
      const oldest = this.number(this.#first, 'sequence');
      while (tooLate < count && recordSequence(records, tooLate) < oldest) tooLate++;
    }
    if (tooLate === count) return { changedFrom: this.#end, tooLate };
    const from = this.lowerBound(recordSequence(records, tooLate));
    if (this.#end - from > SHORT_TAIL) {
      this.#insert(records, tooLate, count);
      this.#trim();
      return { changedFrom: Math.max(from, this.#first), tooLate };
    }
    // As often: those that were in flight together. All of them anew, in order.
    const tail = new Uint32Array((this.#end - from) * RECORD_WORDS);
    for (let row = from; row < this.#end; row++) {
      this.copyRecord(row, tail, (row - from) * RECORD_WORDS, 0);
    }
    this.#end = from;
    const merged = mergeRecords(tail, records.subarray(0, count * RECORD_WORDS), tooLate);
    this.#append(merged, 0, merged.length / RECORD_WORDS);
    this.#trim();
    return { changedFrom: Math.max(from, this.#first), tooLate };
  }

  /** Moves up what is behind each of the records [from, count), from the last one on, and puts it in its place. */
  #insert(records: Uint32Array, from: number, count: number): void {
    let end = this.#end;
    this.#end += count - from;
    for (let index = count - 1; index >= from; index--) {
      const place = this.lowerBound(recordSequence(records, index), this.#first, end);
      const ahead = index - from + 1;
      this.#moveUp(place, end, ahead);
      const row = place + ahead - 1;
      putRecords(this.columns(row), this.slot(row), records, index, 1);
      end = place;
    }
  }

  /** Moves the rows [from, end) up by `distance`: a piece at a time that lies in one chunk, before and after. */
  #moveUp(from: number, end: number, distance: number): void {
    for (let rest = end; rest > from;) {
      const [slot, target] = [this.slot(rest - 1), this.slot(rest - 1 + distance)];
      const some = Math.min(rest - from, slot + 1, target + 1);
      const row = rest - some;
      copyColumns(
        this.columns(row),
        this.slot(row),
        this.columns(row + distance),
        this.slot(row + distance),
        some,
      );
      rest = row;
    }
  }
}

/** Two runs of records as one, ascending; of `right` those from `skipped` on. */
function mergeRecords(left: Uint32Array, right: Uint32Array, skipped: number): Uint32Array {
  const merged = new Uint32Array(left.length + right.length - skipped * RECORD_WORDS);
  let one = 0;
  let two = skipped * RECORD_WORDS;
  for (let to = 0; to < merged.length; to += RECORD_WORDS) {
    const isLeft =
      two >= right.length ||
      (one < left.length && wordsNumber(left, one) < wordsNumber(right, two));
    const from = isLeft ? one : two;
    merged.set((isLeft ? left : right).subarray(from, from + RECORD_WORDS), to);
    if (isLeft) one += RECORD_WORDS;
    else two += RECORD_WORDS;
  }
  return merged;
}

/** The sequence of the record that begins at the word `at`. */
function wordsNumber(words: Uint32Array, at: number): number {
  return (words[at + 1] ?? 0) * HIGH + (words[at] ?? 0);
}

const recordSequence = (records: Uint32Array, index: number): number =>
  wordsNumber(records, index * RECORD_WORDS);
