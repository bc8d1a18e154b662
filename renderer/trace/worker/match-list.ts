/**
 * The rows that pass a filter: a bitmap for each chunk of rows, and how many
 * passed before it. Each row is tested once: those that are there already by
 * `advance`, a chunk at a time; after that the list keeps itself up to date as
 * rows come and go.
 */
import type { CompiledFilter } from '../../../app/filter/evaluate';
import { CHUNK_ROWS, CHUNK_WORDS } from '../../../app/filter/trace-columns';
import { bitsBefore, nthBit } from './bitmap';
import type { RowList } from './row-list';
import type { Rows } from './rows';

/** Of a chunk that is not there: none of its rows passes. */
const noBits = new Uint32Array(CHUNK_WORDS);

interface ChunkMatches {
  readonly bits: Uint32Array;
  /** The ordinal of its first match. */
  before: number;
  count: number;
}

export class MatchList implements RowList {
  readonly #rows: Rows;
  readonly #filter: CompiledFilter;
  #chunks: ChunkMatches[] = [];
  /** The number of the first row of the first chunk. */
  #base: number;
  /** Rows below this one have been tested. */
  #tested: number;
  #isComplete = false;
  #end = 0;

  constructor(rows: Rows, filter: CompiledFilter) {
    this.#rows = rows;
    this.#filter = filter;
    this.#base = rows.base;
    this.#tested = rows.base;
  }

  /** Whether all rows have been tested; until then the list is of no use. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  get first(): number {
    return this.#rank(this.#rows.first);
  }

  get end(): number {
    return this.#end;
  }

  rows(from: number, count: number): number[] {
    const found: number[] = [];
    let index = this.#chunkOf(from);
    for (let chunk = this.#chunks[index]; chunk && found.length < count;) {
      const start = this.#base + index * CHUNK_ROWS;
      let slot = nthBit(chunk.bits, from + found.length - chunk.before);
      for (; slot < CHUNK_ROWS && found.length < count; slot++) {
        if ((((chunk.bits[slot >>> 5] ?? 0) >>> (slot & 31)) & 1) === 1) found.push(start + slot);
      }
      chunk = this.#chunks[++index];
    }
    return found;
  }

  lowerBound(sequence: number): number {
    return this.#rank(this.#rows.lowerBound(sequence));
  }

  ordinal(row: number): number | null {
    const bits = this.bits(row);
    const slot = this.#rows.slot(row);
    if ((((bits[slot >>> 5] ?? 0) >>> (slot & 31)) & 1) === 0) return null;
    return this.#rank(row);
  }

  /** The bitmap of the chunk that holds `row`; without a bit where that has not been tested. */
  bits(row: number): Uint32Array {
    return this.#chunks[Math.floor((row - this.#base) / CHUNK_ROWS)]?.bits ?? noBits;
  }

  /** After the rows changed from `changedFrom` on, or old rows left. */
  update(changedFrom: number): void {
    const rows = this.#rows;
    const left = (rows.base - this.#base) / CHUNK_ROWS;
    if (left > 0) {
      this.#chunks.splice(0, left);
      this.#base = rows.base;
    }
    this.#tested = Math.max(Math.min(this.#tested, changedFrom), rows.base);
    if (this.#isComplete) this.advance(() => false);
  }

  /** Tests rows until `isOver` says so, a chunk at least. */
  advance(isOver: () => boolean): void {
    const rows = this.#rows;
    while (this.#tested < rows.end) {
      const to = Math.min(rows.end, this.#tested - rows.slot(this.#tested) + CHUNK_ROWS);
      this.#test(this.#tested, to);
      this.#tested = to;
      if (isOver()) break;
    }
    this.#isComplete ||= this.#tested === rows.end;
  }

  /** Tests the chunk of `row` anew: what the filter knows of its rows has changed. */
  retest(row: number): void {
    const start = row - this.#rows.slot(row);
    if (start < this.#base || start >= this.#tested) return;
    this.#test(start, Math.min(this.#tested, start + CHUNK_ROWS));
    const index = (start - this.#base) / CHUNK_ROWS;
    let next = (this.#chunks[index]?.before ?? 0) + (this.#chunks[index]?.count ?? 0);
    for (const chunk of this.#chunks.slice(index + 1)) {
      chunk.before = next;
      next += chunk.count;
    }
    this.#end = next;
  }

  /** Tests rows of one chunk; those of the chunks before it are tested. */
  #test(from: number, to: number): void {
    const index = Math.floor((from - this.#base) / CHUNK_ROWS);
    const slot = this.#rows.slot(from);
    const previous = this.#chunks[index - 1];
    const chunk = (this.#chunks[index] ??= {
      bits: new Uint32Array(CHUNK_WORDS),
      before: this.#end,
      count: 0,
    });
    if (previous) chunk.before = previous.before + previous.count;
    this.#filter.run(this.#rows.columns(from), slot, slot + (to - from), chunk.bits);
    chunk.count = bitsBefore(chunk.bits, slot + (to - from));
    this.#end = chunk.before + chunk.count;
  }

  /** How many matches lie before `row`: its ordinal, if it is one. */
  #rank(row: number): number {
    const chunk = this.#chunks[Math.floor((row - this.#base) / CHUNK_ROWS)];
    return chunk ? chunk.before + bitsBefore(chunk.bits, this.#rows.slot(row)) : this.#end;
  }

  /** The index of the chunk that holds the match `ordinal`. */
  #chunkOf(ordinal: number): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const chunk = this.#chunks[middle];
      if (chunk && chunk.before + chunk.count <= ordinal) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
