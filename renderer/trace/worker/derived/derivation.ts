/**
 * What the pictures show, computed where the rows are. A derivation makes a
 * partial of each chunk and a result of all partials, so that new rows cost a
 * scan of the chunk they are in and no more. Free of the worker's globals.
 */
import type { TraceColumns } from '../../../../app/filter/trace-columns';

/** One subscription's computation, for one disk and one filter. Partials never change after `scan`. */
export interface Derivation<Partial, Result> {
  /** Rows [from, to) of a chunk whose bit is set in `bits` (bit n & 31 of word n >> 5); null: all. */
  scan(columns: TraceColumns, from: number, to: number, bits: Uint32Array | null): Partial;
  /**
   * `partials` of all chunks, oldest first. Where the leading ones are the same
   * objects as the last time, their sum is not made again. The buffers of a
   * result are its own: they may be transferred.
   */
  merge(partials: readonly Partial[]): Derived<Result>;
}

export interface Derived<Result> {
  readonly result: Result;
  readonly transfer: readonly ArrayBuffer[];
}

export interface DerivationContext {
  /** The clock's reading when the trace of the disk began; times are counted from there. */
  readonly epochMonotonicNs: bigint;
}

/**
 * A sum of partials that goes on from the last one: of all but the newest,
 * which grows, as long as they and `key` are the same.
 */
export class RunningSum<Partial, State> {
  readonly #add: (state: State, partial: Partial) => void;
  readonly #copy: (state: State) => State;
  #added: Partial[] = [];
  #key = '';
  #state: State | null = null;

  constructor(add: (state: State, partial: Partial) => void, copy: (state: State) => State) {
    this.#add = add;
    this.#copy = copy;
  }

  /** The sum, for the caller to keep. `make` makes a state without any partial. */
  sum(partials: readonly Partial[], key: string, make: () => State): State {
    const settled = Math.max(0, partials.length - 1);
    const goesOn =
      key === this.#key &&
      this.#added.length <= settled &&
      this.#added.every((partial, index) => partial === partials[index]);
    if (!goesOn) {
      this.#state = null;
      this.#added = [];
    }
    this.#key = key;
    const state = (this.#state ??= make());
    for (const partial of partials.slice(this.#added.length, settled)) {
      this.#add(state, partial);
      this.#added.push(partial);
    }
    const copy = this.#copy(state);
    for (const partial of partials.slice(settled)) this.#add(copy, partial);
    return copy;
  }
}
