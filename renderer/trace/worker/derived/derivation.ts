/**
 * What the pictures show, computed where the rows are. A derivation makes a
 * partial of each chunk and a result of all partials, so that new rows cost a
 * scan of the chunk they are in and no more. Free of the worker's globals.
 */
import type { TraceColumns } from '../../../../app/filter/trace-columns';

/** One subscription's computation, for one disk. Partials never change after `scan`. */
export interface Derivation<Partial, Result> {
  /**
   * Before the scans of a result: the arrivals of the first and the last row that
   * pass, ns since the trace began. Others may have come a little earlier or later.
   */
  begin?(from: number, to: number): void;
  /** Whether a partial that was made earlier will do; else it is refitted, or its chunk is scanned anew. */
  isStillGood?(partial: Partial): boolean;
  /** What a scan would give, made of an earlier partial of the same rows; null where that cannot be done. */
  refit?(partial: Partial): Partial | null;
  /** Rows [from, to) of a chunk whose bit is set in `bits` (bit n & 31 of word n >> 5); null: all. */
  scan(columns: TraceColumns, from: number, to: number, bits: Uint32Array | null): Partial;
  /**
   * `partials` of all chunks, oldest first. What is the same object as the last time
   * is not looked at again. Null when `isOver` said so before it was done: another
   * call goes on from there. The buffers of a result are its own: they may be transferred.
   */
  merge(partials: readonly Partial[], isOver?: () => boolean): Derived<Result> | null;
}

export interface Derived<Result> {
  readonly result: Result;
  readonly transfer: readonly ArrayBuffer[];
}

/** For a merge that may take its time. */
export const never = (): boolean => false;

export interface DerivationContext {
  /** The clock's reading when the trace of the disk began; times are counted from there. */
  readonly epochMonotonicNs: bigint;
}

/**
 * A sum that follows the partials: those that are new are added to the last one,
 * those that are gone are taken away. What is summed must be exact both ways:
 * whole numbers below 2^53.
 */
export class RunningSum<Partial, State> {
  readonly #add: (state: State, partial: Partial, sign: 1 | -1) => void;
  readonly #added = new Set<Partial>();
  #key = '';
  #state: State | null = null;

  /** `add` adds a partial, or with -1 takes it away. */
  constructor(add: (state: State, partial: Partial, sign: 1 | -1) => void) {
    this.#add = add;
  }

  /**
   * The sum of `partials`, to be read until the next call; null when `isOver` said so
   * before it was reached. `make` makes a state without any partial: at first, and
   * when `key` is another.
   */
  sum(
    partials: readonly Partial[],
    key: string,
    make: () => State,
    isOver: () => boolean,
  ): State | null {
    const wanted = new Set(partials);
    const gone = [...this.#added].filter((partial) => !wanted.has(partial));
    if (this.#state === null || key !== this.#key || 2 * gone.length > this.#added.size + 1) {
      this.#state = make();
      this.#added.clear();
      gone.length = 0;
    }
    this.#key = key;
    for (const partial of gone) {
      this.#add(this.#state, partial, -1);
      this.#added.delete(partial);
    }
    // One at least each time, and no pause behind the last: the newest is another in each slice.
    let hasAdded = false;
    for (const partial of wanted) {
      if (this.#added.has(partial)) continue;
      if (hasAdded && isOver()) return null;
      this.#add(this.#state, partial, 1);
      this.#added.add(partial);
      hasAdded = true;
    }
    return this.#state;
  }
}
