/** One disk's rows, what is counted about them, and the list the filter makes of them. */
import type { DiskId } from '../../../app/contract/units';
import { AllRows, MatchList, type RowList } from './match-list';
import type { TraceTotals } from './protocol';
import { RowRing } from './row-ring';
import { emptyFilter, isEmptyFilter, sameFilter, type TraceFilter } from './trace-filter';

export class DiskTrace {
  readonly disk: DiskId;
  readonly number: number;
  readonly epochMonotonicNs: bigint;
  readonly epochRealtimeNs: bigint;
  readonly ring: RowRing;
  readonly #all: AllRows;
  #matches: MatchList | null = null;
  #filter: TraceFilter = emptyFilter;
  #received = 0;
  #lost = 0;
  #tooLate = 0;
  closed = false;

  constructor(
    opened: { disk: DiskId; number: number; epochMonotonicNs: bigint; epochRealtimeNs: bigint },
    capacity: number,
  ) {
    this.disk = opened.disk;
    this.number = opened.number;
    this.epochMonotonicNs = opened.epochMonotonicNs;
    this.epochRealtimeNs = opened.epochRealtimeNs;
    this.ring = new RowRing(capacity);
    this.#all = new AllRows(this.ring);
  }

  get totals(): TraceTotals {
    return {
      disk: this.disk,
      received: this.#received,
      lost: this.#lost,
      kept: this.ring.end - this.ring.first,
      closed: this.closed,
    };
  }

  /** Rows that had to leave for newer ones, or came too late to be kept at all. */
  get left(): number {
    return this.ring.first + this.#tooLate;
  }

  get all(): RowList {
    return this.#all;
  }

  add(records: ArrayBuffer, count: number, lost: bigint): void {
    this.#lost += Number(lost);
    this.#received += count;
    const { changedFrom, tooLate } = this.ring.add(new Uint32Array(records), count);
    this.#tooLate += tooLate;
    this.#matches?.update(changedFrom);
  }

  /** The rows that pass `filter`. The list is made anew only when the filter changes. */
  list(filter: TraceFilter): RowList {
    if (!sameFilter(filter, this.#filter)) {
      this.#filter = filter;
      this.#matches = isEmptyFilter(filter) ? null : new MatchList(this.ring, filter);
    }
    return this.#matches ?? this.#all;
  }
}
