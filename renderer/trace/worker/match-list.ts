/**
 * The rows of a ring that pass a filter, kept up to date as rows come and go:
 * each row is tested once. Places in the list ("ordinals") are absolute like
 * row numbers: they stay when older matches leave.
 */
import { ROW_WORDS, type RowRing, word } from './row-ring';
import { compileFilter, type RowTest, type TraceFilter } from './trace-filter';

/** What a view needs of a list of rows; the ring itself is the list of all. */
export interface RowList {
  readonly first: number;
  readonly end: number;
  /** The row number at an ordinal. */
  row(ordinal: number): number;
  /** The first ordinal whose sequence is at least `sequence`; `end` if none. */
  lowerBound(sequence: number): number;
}

export class MatchList implements RowList {
  readonly #ring: RowRing;
  readonly #matches: RowTest;
  /** Row numbers modulo 2^32, a ring of the row ring's capacity. */
  readonly #rows: Uint32Array;
  readonly #mask: number;
  #first = 0;
  #end = 0;
  /** Rows below this one have been tested. */
  #tested: number;

  constructor(ring: RowRing, filter: TraceFilter) {
    this.#ring = ring;
    this.#matches = compileFilter(filter);
    this.#rows = new Uint32Array(ring.capacity);
    this.#mask = ring.capacity - 1;
    this.#tested = ring.first;
    this.update(ring.first);
  }

  get first(): number {
    return this.#first;
  }

  get end(): number {
    return this.#end;
  }

  row(ordinal: number): number {
    const stored = this.#rows[ordinal & this.#mask] ?? 0;
    const base = this.#ring.first;
    return base + ((stored - base) >>> 0);
  }

  lowerBound(sequence: number): number {
    let low = this.#first;
    let high = this.#end;
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      if (this.#ring.number(this.row(middle), word.sequence) < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** After the ring changed from row `changedFrom` on, or old rows left it. */
  update(changedFrom: number): void {
    const ring = this.#ring;
    this.#leave();
    while (this.#end > this.#first && this.row(this.#end - 1) >= changedFrom) this.#end--;
    this.#tested = Math.max(Math.min(this.#tested, changedFrom), ring.first);
    for (let row = this.#tested; row < ring.end;) {
      const next = Math.min(ring.end, row + ring.rowsInChunk(row));
      this.#test(row, next);
      row = next;
    }
    this.#tested = ring.end;
  }

  /** Tests rows of one chunk. */
  #test(from: number, to: number): void {
    const chunk = this.#ring.chunk(from);
    const rows = this.#rows;
    const mask = this.#mask;
    const matches = this.#matches;
    const step = ROW_WORDS;
    let end = this.#end;
    let offset = this.#ring.wordOffset(from);
    for (let row = from; row < to; row++) {
      if (matches(chunk, offset)) {
        rows[end & mask] = row >>> 0;
        end++;
      }
      offset += step;
    }
    this.#end = end;
  }

  /** Drops matches that have left the ring: their stored number lies before its first row. */
  #leave(): void {
    const oldest = this.#ring.first;
    while (this.#end > this.#first) {
      const stored = this.#rows[this.#first & this.#mask] ?? 0;
      // Signed distance modulo 2^32; the ring is far smaller than 2^31 rows.
      if (((stored - oldest) | 0) >= 0) return;
      this.#first++;
    }
  }
}

/** All rows, as a list. */
export class AllRows implements RowList {
  readonly #ring: RowRing;

  constructor(ring: RowRing) {
    this.#ring = ring;
  }

  get first(): number {
    return this.#ring.first;
  }

  get end(): number {
    return this.#ring.end;
  }

  row(ordinal: number): number {
    return ordinal;
  }

  lowerBound(sequence: number): number {
    return this.#ring.lowerBound(sequence);
  }
}
