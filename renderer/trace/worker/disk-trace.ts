/** One disk's rows, what is counted about them, and the list that filter and order make of them. */
import type { FeedMessage } from '../../../app/contract/feed';
import type { DiskId } from '../../../app/contract/units';
import { compileFilter } from '../../../app/filter/evaluate';
import type { PayloadAnswers, ReadPayload } from '../../../app/filter/payload-answers';
import { CHUNK_ROWS, type TraceColumns } from '../../../app/filter/trace-columns';
import { Listing, type Listed } from './listing';
import type { PayloadSearch, TraceTotals, View } from './protocol';
import { AllRows, shownPart } from './row-list';
import { Rows } from './rows';

/** Payloads looked into before the rows found are shown. */
const LOOK_UPS = 64;

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

export class DiskTrace {
  readonly disk: DiskId;
  readonly number: number;
  readonly epochMonotonicNs: bigint;
  readonly epochRealtimeNs: bigint;
  readonly rows: Rows;
  readonly all: AllRows;
  readonly #listing: Listing;
  #marks: ReadonlySet<number> = new Set();
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
    this.#listing = new Listing(this.rows, this.all, (filter, answers) =>
      compileFilter(filter, this.#context(answers)),
    );
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

  /** Like `add`, of rows as packed columns. */
  addColumns({ packed, rows, lost }: Extract<FeedMessage, { packed: ArrayBuffer }>): void {
    this.#lost += Number(lost);
    this.#received += rows;
    const { changedFrom, tooLate } = this.rows.addPacked(packed, rows);
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

  /** When the list of a view that sorts can be made anew, on the clock of `list`; null while it holds all rows. */
  get sortDue(): number | null {
    return this.#listing.sortDue;
  }

  /** How much of an order that is being made is done, 0 … 1; null when none is. */
  get sortProgress(): number | null {
    return this.#listing.sortProgress;
  }

  /** The rows of `view` in its order, or what there is until `work` has made that. `now`: ms of any clock. */
  list(view: View, now: number): Listed {
    return this.#listing.list(view, now);
  }

  /** What a list still has to be made of, by `work`; null when it is as the view asks. */
  get making(): Listing['making'] {
    return this.#listing.making;
  }

  /** Makes what `view` asks for until `isOver` says so. */
  work(view: View, now: number, isOver: () => boolean): void {
    this.#listing.work(view, now, isOver);
  }

  /** The rows that pass the view's filter and are neither cleared nor held back, chunk by chunk. */
  passing(view: View): readonly PassingChunk[] {
    const matches = this.#listing.matching(view.filter);
    const { first, end } = shownPart(this.all, view);
    const chunks: PassingChunk[] = [];
    for (let row = first; row < end;) {
      const slot = this.rows.slot(row);
      const columns = this.rows.columns(row);
      const to = Math.min(CHUNK_ROWS, slot + end - row);
      const bits = matches?.bits(row) ?? null;
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
    this.#listing.marksChanged();
  }

  get marks(): readonly number[] {
    return [...this.#marks];
  }

  get search(): PayloadSearch | null {
    const { answers } = this.#listing;
    return answers && { open: answers.open, goneBefore: answers.goneBefore };
  }

  /** Looks into the next payloads the filter asks for; false when there are none to look into. */
  async lookUp(read: ReadPayload): Promise<boolean> {
    const { answers } = this.#listing;
    if (!answers || answers.isComplete) return false;
    const known = await answers.lookUp(read, LOOK_UPS);
    if (answers !== this.#listing.answers) return true;
    const retested = new Set<number>();
    for (const sequence of known) {
      const row = this.rows.lowerBound(sequence);
      const start = row - this.rows.slot(row);
      if (row >= this.rows.end || retested.has(start)) continue;
      retested.add(start);
      this.#listing.retest(row);
      this.#touch(this.rows.columns(row));
    }
    return true;
  }

  readonly #chunkVersions = new WeakMap<TraceColumns, number>();

  #touch(columns: TraceColumns): void {
    this.#chunkVersions.set(columns, (this.#chunkVersions.get(columns) ?? 0) + 1);
  }

  #changed(changedFrom: number): void {
    this.#listing.update(changedFrom);
    for (let row = changedFrom; row < this.rows.end;) {
      this.#touch(this.rows.columns(row));
      row += CHUNK_ROWS - this.rows.slot(row);
    }
  }

  #context(answers: PayloadAnswers) {
    const { epochMonotonicNs } = this;
    return {
      epochMonotonicNs,
      isMarked: (sequence: number) => this.#marks.has(sequence),
      hasPayload: (sequence: number, bytes: string) => answers.has(sequence, bytes),
    };
  }
}
