/** One disk's rows, what is counted about them, and the list that filter and order make of them. */
import type { DiskId } from '../../../app/contract/units';
import { compileFilter } from '../../../app/filter/evaluate';
import { hasPart, type Filter } from '../../../app/filter/filter';
import { PayloadAnswers, type ReadPayload } from '../../../app/filter/payload-answers';
import { printFilter } from '../../../app/filter/print';
import { CHUNK_ROWS, viewColumns, type TraceColumns } from '../../../app/filter/trace-columns';
import { MatchList } from './match-list';
import type { PayloadSearch, Sorting, TraceTotals, View } from './protocol';
import { AllRows, type RowList } from './row-list';
import { Rows } from './rows';
import { SortedRows } from './sorted-rows';

/** Payloads looked into before the rows found are shown. */
const LOOK_UPS = 64;
/** A sorted list is not made anew more often, ms, or for a larger share of the time than this. */
const SORT_EVERY_MS = 500;
const SORT_SHARE = 0.2;

/** Rows of one chunk that are looked at. */
export interface PassingChunk {
  /** The same object for the same chunk of rows. */
  readonly key: object;
  /** Counts up when rows or bits of the chunk change; rows appended at its end are told by `to` as well. */
  readonly version: number;
  readonly columns: TraceColumns;
  /** Slots of the chunk: [from, to). */
  readonly from: number;
  readonly to: number;
  /** Which of them pass; null for all. */
  readonly bits: Uint32Array | null;
}

interface SortedList {
  readonly key: string;
  readonly list: SortedRows;
  /** Of the rows when it was made, and whether they are others now. */
  readonly version: number;
  readonly madeAt: number;
  readonly tookMs: number;
}

export class DiskTrace {
  readonly disk: DiskId;
  readonly number: number;
  readonly epochMonotonicNs: bigint;
  readonly epochRealtimeNs: bigint;
  readonly rows: Rows;
  readonly all: AllRows;
  #marks: ReadonlySet<number> = new Set();
  #answers = new PayloadAnswers();
  #matches: MatchList | null = null;
  #filterKey = '';
  #isSearching = false;
  #sorted: SortedList | null = null;
  /** Counts the changes of rows and matches. */
  #version = 0;
  #received = 0;
  #lost = 0;
  #tooLate = 0;
  closed = false;

  /** `capacity`: rows kept at most. */
  constructor(
    opened: { disk: DiskId; number: number; epochMonotonicNs: bigint; epochRealtimeNs: bigint },
    capacity: number,
  ) {
    this.disk = opened.disk;
    this.number = opened.number;
    this.epochMonotonicNs = opened.epochMonotonicNs;
    this.epochRealtimeNs = opened.epochRealtimeNs;
    this.rows = new Rows(capacity);
    this.all = new AllRows(this.rows);
  }

  get totals(): TraceTotals {
    return {
      disk: this.disk,
      received: this.#received,
      lost: this.#lost,
      kept: this.rows.count,
      closed: this.closed,
    };
  }

  /** Rows that had to leave for newer ones, or came too late to be kept at all. */
  get left(): number {
    return this.rows.first + this.#tooLate;
  }

  add(records: ArrayBuffer, count: number, lost: bigint): void {
    this.#lost += Number(lost);
    this.#received += count;
    const { changedFrom, tooLate } = this.rows.add(new Uint32Array(records), count);
    this.#tooLate += tooLate;
    this.#changed(changedFrom);
  }

  /** Like `add`, of `count` rows as the feed sends those of a capture. */
  addColumns(columns: ArrayBuffer, count: number, lost: bigint): void {
    this.#lost += Number(lost);
    this.#received += count;
    const { changedFrom, tooLate } = this.rows.addColumns(viewColumns(columns, count), count);
    this.#tooLate += tooLate;
    this.#changed(changedFrom);
  }

  /** Another number of rows to keep; rows beyond it leave at once. */
  keep(capacity: number): void {
    this.rows.keep(capacity);
    this.#changed(this.rows.end);
  }

  /** The `count` oldest rows leave. */
  leave(count: number): void {
    this.rows.leave(count);
    this.#changed(this.rows.end);
  }

  /** The `count` oldest rows leave for newer ones, or some more. Returns how many. */
  makeRoom(count: number): number {
    const left = this.rows.makeRoom(count);
    this.#changed(this.rows.end);
    return left;
  }

  /** The rows that pass `filter`, in the order of arrival. Made anew only when the filter changes. */
  matching(filter: Filter | null): RowList {
    const key = printFilter(filter);
    if (key !== this.#filterKey) {
      this.#filterKey = key;
      this.#version++;
      this.#answers = new PayloadAnswers();
      const began = performance.now();
      this.#matches = filter && new MatchList(this.rows, compileFilter(filter, this.#context()));
      // For the developer tools and the benchmark.
      if (filter) performance.measure('filter', { start: began });
      this.#isSearching = filter !== null && hasPart(filter, 'payload');
    }
    return this.#matches ?? this.all;
  }

  /** When a sorted list can be made anew, on the clock of `list`; null while it holds all rows. */
  get sortDue(): number | null {
    const sorted = this.#sorted;
    if (sorted === null || sorted.version === this.#version) return null;
    return sorted.madeAt + Math.max(SORT_EVERY_MS, sorted.tookMs / SORT_SHARE);
  }

  /** The rows of `view` in its order. `now`: milliseconds of any clock. */
  list(view: View, now: number): RowList {
    const matching = this.matching(view.filter);
    if (view.sorting === null) {
      this.#sorted = null;
      return matching;
    }
    return this.#sort(view, view.sorting, matching, now);
  }

  /** The rows that pass the view's filter and are neither cleared nor held back, chunk by chunk. */
  passing(view: View): readonly PassingChunk[] {
    this.matching(view.filter);
    const { first, end } = shownPart(this.all, view);
    const chunks: PassingChunk[] = [];
    for (let row = first; row < end;) {
      const slot = this.rows.slot(row);
      const columns = this.rows.columns(row);
      const to = Math.min(CHUNK_ROWS, slot + end - row);
      const bits = this.#matches?.bits(row) ?? null;
      chunks.push({
        key: columns,
        version: this.#chunkVersions.get(columns) ?? 0,
        columns,
        from: slot,
        to,
        bits,
      });
      row += to - slot;
    }
    return chunks;
  }

  /** The sequences the user has marked. */
  setMarks(sequences: readonly number[]): void {
    this.#marks = new Set(sequences);
    // Only a filter that asks for marks sees a difference.
    if (!this.#filterKey.includes('marked')) return;
    this.#filterKey = '?';
    this.#version++;
  }

  get marks(): readonly number[] {
    return [...this.#marks];
  }

  get search(): PayloadSearch | null {
    if (!this.#isSearching) return null;
    return { open: this.#answers.open, goneBefore: this.#answers.goneBefore };
  }

  /** Looks into the next payloads the filter asks for; false when there are none to look into. */
  async lookUp(read: ReadPayload): Promise<boolean> {
    const answers = this.#answers;
    if (answers.isComplete) return false;
    const known = await answers.lookUp(read, LOOK_UPS);
    if (answers !== this.#answers) return true;
    const retested = new Set<number>();
    for (const sequence of known) {
      const row = this.rows.lowerBound(sequence);
      const start = row - this.rows.slot(row);
      if (row >= this.rows.end || retested.has(start)) continue;
      retested.add(start);
      this.#matches?.retest(row);
      this.#touch(this.rows.columns(row));
    }
    this.#version++;
    return true;
  }

  readonly #chunkVersions = new WeakMap<TraceColumns, number>();

  #touch(columns: TraceColumns): void {
    this.#chunkVersions.set(columns, (this.#chunkVersions.get(columns) ?? 0) + 1);
  }

  #changed(changedFrom: number): void {
    this.#version++;
    this.#matches?.update(changedFrom);
    for (let row = changedFrom; row < this.rows.end;) {
      this.#touch(this.rows.columns(row));
      row += CHUNK_ROWS - this.rows.slot(row);
    }
  }

  #context() {
    const { epochMonotonicNs } = this;
    const answers = this.#answers;
    return {
      epochMonotonicNs,
      isMarked: (sequence: number) => this.#marks.has(sequence),
      hasPayload: (sequence: number, bytes: string) => answers.has(sequence, bytes),
    };
  }

  #sort(view: View, sorting: Sorting, matching: RowList, now: number): RowList {
    const { clearedThrough, pausedAt } = view;
    const { by, descending } = sorting;
    const key = [this.#filterKey, by, descending, clearedThrough, pausedAt].join(' ');
    const old = this.#sorted;
    const due = this.sortDue;
    if (old?.key === key && (due === null || now < due)) return old.list;
    const { first, end } = shownPart(this.all, view);
    const bits = (row: number): Uint32Array | null =>
      matching instanceof MatchList ? matching.bits(row) : null;
    const began = performance.now();
    const list = new SortedRows(this.rows, bits, first, end, sorting);
    const tookMs = performance.now() - began;
    performance.clearMeasures('sort');
    performance.measure('sort', { start: began });
    this.#sorted = { key, list, version: this.#version, madeAt: now, tookMs };
    return list;
  }
}

/** The part of a list in the order of arrival that is neither cleared nor held back. */
export function shownPart(list: RowList, view: View): { first: number; end: number } {
  const first = view.clearedThrough > 0 ? list.lowerBound(view.clearedThrough + 1) : list.first;
  const end = view.pausedAt === null ? list.end : list.lowerBound(view.pausedAt + 1);
  return { first, end: Math.max(first, end) };
}
