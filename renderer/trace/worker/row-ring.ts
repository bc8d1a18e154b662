/**
 * The newest rows of one disk, ascending by sequence, in typed arrays. A row is
 * a trace record (native/wire/trace.h) without its last word, the number of the
 * disk: 60 bytes, so that with 4 bytes of a filter's index it is 64.
 *
 * Rows have absolute numbers: row `first` is the oldest kept, `end - 1` the
 * newest, and a row keeps its number when older ones leave. Only a late record
 * (one that completed after requests that arrived later) moves the rows behind
 * it up by one.
 */
import { bioscopeTraceRecordOffsets as at } from '../../../app/contract/wire.gen';

/** 32-bit words of a record on the wire, and of a row here. */
export const RECORD_WORDS = at.size / 4;
export const ROW_WORDS = RECORD_WORDS - 1;

/** Where a row's words are. 64-bit fields take two: low, high (little-endian machines only). */
export const word = {
  sequence: at.sequence / 4,
  arrival: at.arrivalNs / 4,
  completion: at.completionNs / 4,
  sector: at.sector / 4,
  length: at.length / 4,
  /** error: bits 0-15, operation: 16-23, result: 24-31 */
  outcome: at.error / 4,
} as const;

const HIGH = 0x1_0000_0000;
const CHUNK_ROWS = 16_384;

export class RowRing {
  readonly capacity: number;
  #first = 0;
  #end = 0;
  /** Powers of two less one: `&` takes the low bits of any integer below 2^53. */
  readonly #slotMask: number;
  readonly #chunkMask: number;
  readonly #chunkShift: number;
  /** Made when first needed: an idle disk costs nothing. */
  readonly #chunks: Uint32Array[] = [];

  /** `capacity`: rows kept at most, a power of two. */
  constructor(capacity: number) {
    if (!Number.isInteger(Math.log2(capacity))) {
      throw new RangeError(`a capacity of ${capacity} rows is not a power of two`);
    }
    this.capacity = capacity;
    const chunkRows = Math.min(CHUNK_ROWS, capacity);
    this.#slotMask = capacity - 1;
    this.#chunkMask = chunkRows - 1;
    this.#chunkShift = Math.log2(chunkRows);
  }

  get first(): number {
    return this.#first;
  }

  get end(): number {
    return this.#end;
  }

  /** Bytes of typed arrays held. */
  get bytes(): number {
    return this.#chunks.length * (this.#chunkMask + 1) * ROW_WORDS * 4;
  }

  /** The chunk that holds `row`; its words begin at `wordOffset(row)`. */
  chunk(row: number): Uint32Array {
    const index = (row & this.#slotMask) >>> this.#chunkShift;
    let chunk = this.#chunks[index];
    while (chunk === undefined) {
      chunk = new Uint32Array((this.#chunkMask + 1) * ROW_WORDS);
      this.#chunks.push(chunk);
      chunk = this.#chunks[index];
    }
    return chunk;
  }

  wordOffset(row: number): number {
    return (row & this.#chunkMask) * ROW_WORDS;
  }

  /** How many rows from `row` on lie behind it in its chunk, itself included. */
  rowsInChunk(row: number): number {
    return this.#chunkMask + 1 - (row & this.#chunkMask);
  }

  /** A 64-bit field (`word.sequence`, ...) as a number: exact below 2^53. */
  number(row: number, field: number): number {
    const chunk = this.chunk(row);
    const offset = this.wordOffset(row) + field;
    return (chunk[offset + 1] ?? 0) * HIGH + (chunk[offset] ?? 0);
  }

  /** The first row in [from, to) whose sequence is at least `sequence`; `to` if none. */
  lowerBound(sequence: number, from = this.#first, to = this.#end): number {
    let low = from;
    let high = to;
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      if (this.number(middle, word.sequence) < sequence) low = middle + 1;
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
    const newest = this.#end > this.#first ? this.number(this.#end - 1, word.sequence) : -1;
    if (recordSequence(records, 0) > newest) {
      const changedFrom = this.#end;
      for (let index = 0; index < count; index++) this.#append(records, index * RECORD_WORDS);
      return { changedFrom: Math.max(changedFrom, this.#first), tooLate: 0 };
    }
    return this.#merge(records, count);
  }

  /** Copies a row as a wire record to `target` at word `offset`, with the disk's number. */
  copyRecord(row: number, target: Uint32Array, offset: number, disk: number): void {
    const chunk = this.chunk(row);
    const from = this.wordOffset(row);
    for (let index = 0; index < ROW_WORDS; index++) {
      target[offset + index] = chunk[from + index] ?? 0;
    }
    target[offset + ROW_WORDS] = disk;
  }

  #append(source: Uint32Array, offset: number): void {
    const row = this.#end;
    const chunk = this.chunk(row);
    const to = this.wordOffset(row);
    for (let index = 0; index < ROW_WORDS; index++) {
      chunk[to + index] = source[offset + index] ?? 0;
    }
    this.#end = row + 1;
    if (this.#end - this.#first > this.capacity) this.#first = this.#end - this.capacity;
  }

  /** Takes the rows behind the first new record off, and puts both back in order. */
  #merge(records: Uint32Array, count: number): { changedFrom: number; tooLate: number } {
    let next = 0;
    if (this.#first > 0) {
      const oldest = this.number(this.#first, word.sequence);
      while (next < count && recordSequence(records, next) < oldest) next++;
    }
    const tooLate = next;
    if (next === count) return { changedFrom: this.#end, tooLate };
    const from = this.lowerBound(recordSequence(records, next));
    const tail = new Uint32Array((this.#end - from) * ROW_WORDS);
    for (let row = from; row < this.#end; row++) {
      const offset = this.wordOffset(row);
      tail.set(this.chunk(row).subarray(offset, offset + ROW_WORDS), (row - from) * ROW_WORDS);
    }
    this.#end = from;
    let taken = 0;
    while (taken < tail.length || next < count) {
      const fromTail =
        next === count ||
        (taken < tail.length && wideNumber(tail, taken) < recordSequence(records, next));
      if (fromTail) {
        this.#append(tail, taken);
        taken += ROW_WORDS;
      } else {
        this.#append(records, next * RECORD_WORDS);
        next++;
      }
    }
    return { changedFrom: Math.max(from, this.#first), tooLate };
  }
}

/** The 64-bit number whose low word is at `offset`: exact below 2^53. */
export function wideNumber(words: Uint32Array, offset: number): number {
  return (words[offset + 1] ?? 0) * HIGH + (words[offset] ?? 0);
}

function recordSequence(records: Uint32Array, index: number): number {
  return wideNumber(records, index * RECORD_WORDS + word.sequence);
}
