/**
 * The traces of all disks, and the frames made of them. Free of the worker's
 * globals, so that tests run it directly.
 */
import type { FeedMessage } from '../../../app/contract/feed';
import { LITTLE_ENDIAN, RECORD_BYTES } from '../../../app/contract/trace';
import type { DiskId } from '../../../app/contract/units';
import { bioscopeTraceRecordOffsets } from '../../../app/contract/wire.gen';
import { DiskTrace } from './disk-trace';
import { noPartners, partnersOf } from './partners';
import { type GapList, narrowed, rowAt, rowNear, withGaps } from './gap-list';
import {
  isSameSorting,
  ROWS_KEPT,
  type Frame,
  type Gap,
  type Query,
  type QueryAnswer,
  type ShownGap,
  type Sorting,
  type View,
} from './protocol';
import { GONE, shownPart, type RowList } from './row-list';
import { RECORD_WORDS } from './rows';
import { SortedRows } from './sorted-rows';

/** The most rows in one frame. */
export const ROWS_IN_FRAME = 4096;
/** The most rows in the answer to a query: what can reasonably be copied as text. */
export const RECORDS_IN_ANSWER = 1_000_000;

/** What a view shows: rows, and lines between them. */
interface Listed {
  readonly list: RowList;
  readonly sorting: Sorting | null;
  /** Ordinals that can be shown: [first, end). */
  readonly first: number;
  readonly end: number;
  /** Rows among them, and rows behind them that are held back. */
  readonly matched: number;
  readonly heldBack: number;
  /** Null when there are no lines. */
  readonly lined: GapList | null;
}

const noRecords = (): ArrayBuffer => new ArrayBuffer(0);

export class TraceStore {
  #capacity: number;
  readonly #disks = new Map<DiskId, DiskTrace>();
  readonly #gaps = new Map<DiskId, readonly Gap[]>();

  /** `capacity`: rows kept, of all disks together. */
  constructor(capacity: number = ROWS_KEPT) {
    this.#capacity = capacity;
  }

  /** Takes a message of the feed. A batch of a disk that was never opened is a bug of the feed: it throws. */
  receive(message: FeedMessage): void {
    switch (message.type) {
      case 'opened': {
        // Opened again (a new feed): it sends the trace from its oldest record.
        const before = this.#disks.get(message.disk);
        const trace = new DiskTrace(message, this.#capacity);
        // The page tells the marks of a trace once.
        if (before?.epochRealtimeNs === trace.epochRealtimeNs) trace.setMarks(before.marks);
        this.#disks.set(message.disk, trace);
        return;
      }
      case 'batch':
      case 'packed':
      case 'columns': {
        const trace = this.#disks.get(message.disk);
        if (!trace) throw new Error(`a batch of ${message.disk}, whose trace was never opened`);
        if (message.type === 'batch') trace.add(message.records, message.count, message.lost);
        else trace.addColumns(message);
        this.#trim((largest, count) => largest.makeRoom(count));
        return;
      }
      case 'closed': {
        const trace = this.#disks.get(message.disk);
        if (trace) trace.closed = true;
        return;
      }
    }
  }

  trace(disk: DiskId | null): DiskTrace | undefined {
    return disk === null ? undefined : this.#disks.get(disk);
  }

  /** Another number of rows to keep. */
  keep(rows: number): void {
    this.#capacity = rows;
    for (const trace of this.#disks.values()) trace.keep(rows);
    this.#trim((largest, count) => {
      largest.leave(count);
      return count;
    });
  }

  /** When nobody served a disk, all such times, oldest first. Known before its trace, perhaps. */
  setGaps(disk: DiskId, gaps: readonly Gap[]): void {
    if (gaps.length === 0) this.#gaps.delete(disk);
    else this.#gaps.set(disk, gaps);
  }

  /** Forgets disks that are closed and not looked at. */
  prune(looked: DiskId | null): void {
    for (const [disk, trace] of this.#disks) {
      if (trace.closed && disk !== looked) this.#disks.delete(disk);
    }
  }

  /** Makes what frames of `view` lack (see DiskTrace.making), for `milliseconds` and a little more. */
  work(view: View, milliseconds: number): void {
    const now = performance.now();
    const isOver = (): boolean => performance.now() >= now + milliseconds;
    this.trace(view.disk)?.work(view, now, isOver);
  }

  /**
   * What `view` shows now: where its filter or its order is not ready, the rows as
   * they were before. `now`: milliseconds, for how often a sorted list is made anew.
   */
  frame(view: View, now: number = performance.now()): Frame {
    const totals = [...this.#disks.values()].map((trace) => trace.totals);
    const trace = this.trace(view.disk);
    if (!trace) {
      return {
        serial: view.serial,
        disk: null,
        epochMonotonicNs: 0n,
        epochRealtimeNs: 0n,
        first: 0,
        end: 0,
        from: 0,
        count: 0,
        // A buffer of its own each time: the worker transfers it, which empties it for ever.
        records: noRecords(),
        gone: [],
        gaps: [],
        sorting: null,
        sortProgress: null,
        shift: 0,
        selected: null,
        matched: 0,
        total: 0,
        heldBack: 0,
        left: 0,
        newestSequence: 0,
        search: null,
        totals,
      };
    }
    const listed = this.#listed(trace, view, now);
    const { list, sorting, first, end, heldBack } = listed;
    const isSorted = sorting !== null;
    const all = shownPart(trace.all, view);
    const shift =
      view.anchor && !isSorted ? list.lowerBound(view.anchor.sequence) - view.anchor.ordinal : 0;
    const rows = Math.min(view.rows, ROWS_IN_FRAME, end - first);
    // A list that has just been sorted begins at its top.
    const isOther = isSorted && !isSameSorting(sorting, view.shownSorting);
    const wanted = isOther ? first : view.follow ? end - rows : view.from + shift;
    const from = Math.max(first, Math.min(wanted, end - rows));
    const total = all.end - all.first;
    return {
      serial: view.serial,
      disk: trace.disk,
      epochMonotonicNs: trace.epochMonotonicNs,
      epochRealtimeNs: trace.epochRealtimeNs,
      first,
      end,
      from,
      count: rows,
      ...copyList(trace, list, from, rows),
      gaps: this.#shownGaps(trace, listed),
      sorting,
      sortProgress: trace.sortProgress,
      shift,
      selected: selectedRow(trace, list, view, isOther, first, end),
      // Of those that were sorted some may have left.
      matched: Math.min(listed.matched, total),
      total,
      heldBack,
      left: trace.left,
      newestSequence: all.end > trace.rows.first ? trace.rows.number(all.end - 1, 'sequence') : 0,
      search: trace.search,
      totals,
    };
  }

  /** Answers a question about the rows that `view` shows, or about a disk. */
  answer(query: Query, view: View | null): QueryAnswer {
    if (query.kind === 'partners') {
      const trace = this.trace(query.disk);
      const partners = trace ? partnersOf(trace.rows, query.sequence) : noPartners;
      const record = (row: number | null): ArrayBuffer =>
        trace && row !== null ? copyRows(trace, [row]) : noRecords();
      return {
        kind: 'partners',
        previous: record(partners.previous),
        next: record(partners.next),
        previousWrite: record(partners.previousWrite),
        nextWrite: record(partners.nextWrite),
      };
    }
    const trace = view && this.trace(view.disk);
    if (query.kind === 'records') {
      if (!trace) return { kind: 'records', records: noRecords(), epochMonotonicNs: 0n };
      const { list } = this.#listed(trace, view, performance.now());
      const from = Math.max(list.first, query.from);
      const to = Math.min(list.end, query.to, from + RECORDS_IN_ANSWER);
      const rows = list.rows(from, Math.max(0, to - from)).filter((row) => row >= 0);
      const records = copyRows(trace, rows);
      return { kind: 'records', records, epochMonotonicNs: trace.epochMonotonicNs };
    }
    const listed = trace && this.#listed(trace, view, performance.now());
    const ordinal = trace && listed ? locate(trace, listed, query) : null;
    if (!trace || !listed || ordinal === null)
      return { kind: 'locate', ordinal: null, sequence: 0 };
    const [row = -1] = listed.list.rows(ordinal, 1);
    const sequence = row < 0 ? 0 : trace.rows.number(row, 'sequence');
    return { kind: 'locate', ordinal, sequence };
  }

  /** What `view` shows of `trace`, with lines where nobody served. */
  #listed(trace: DiskTrace, view: View, now: number): Listed {
    const { list, sorting } = trace.list(view, now);
    const { first, end } = sorting === null ? shownPart(list, view) : list;
    const heldBack = sorting === null && view.pausedAt !== null ? list.end - end : 0;
    const gaps = this.#gaps.get(trace.disk) ?? [];
    const lined = sorting === null ? withGaps(list, trace, view, gaps) : null;
    const plain = { list, sorting, first, end, matched: end - first, heldBack, lined };
    return lined ? { ...plain, list: lined, first: lined.first, end: lined.end } : plain;
  }

  #shownGaps(trace: DiskTrace, { lined }: Listed): ShownGap[] {
    const epoch = Number(trace.epochMonotonicNs);
    const lines = lined?.lines;
    return (this.#gaps.get(trace.disk) ?? []).map((gap) => {
      const { from, to } = narrowed(trace.rows, gap);
      return { from: from - epoch, to: to - epoch, ordinal: lines?.get(gap) ?? null };
    });
  }

  /** The disk with the most rows gives up its oldest until all fit. `leave` returns how many left. */
  #trim(leave: (largest: DiskTrace, count: number) => number): void {
    let rest = -this.#capacity;
    for (const trace of this.#disks.values()) rest += trace.rows.count;
    while (rest > 0) {
      const [largest, second] = [...this.#disks.values()].sort(
        (left, right) => right.rows.count - left.rows.count,
      );
      if (!largest) return;
      const ahead = largest.rows.count - (second?.rows.count ?? 0);
      // Two that are level give up turn by turn: each a share, as a row a turn would take for ever.
      const count = Math.min(rest, ahead > 0 ? ahead : Math.ceil(rest / this.#disks.size));
      rest -= leave(largest, count);
    }
  }
}

function copyRows(trace: DiskTrace, rows: readonly number[]): ArrayBuffer {
  const words = new Uint32Array(rows.length * RECORD_WORDS);
  rows.forEach((row, index) => {
    if (row >= 0) trace.rows.copyRecord(row, words, index * RECORD_WORDS, trace.number);
  });
  return words.buffer;
}

/** The records of `count` ordinals, and those among them that are kept no longer. */
function copyList(
  trace: DiskTrace,
  list: RowList,
  from: number,
  count: number,
): Pick<Frame, 'records' | 'gone'> {
  const rows = list.rows(from, count);
  const records = copyRows(trace, rows);
  const gone = rows.flatMap((row, index) => (row === GONE ? [index] : []));
  if (list instanceof SortedRows) {
    const view = new DataView(records);
    for (const index of gone) {
      const offset = index * RECORD_BYTES + bioscopeTraceRecordOffsets.sequence;
      view.setBigUint64(offset, BigInt(list.sequence(from + index)), LITTLE_ENDIAN);
    }
  }
  return { records, gone };
}

function selectedRow(
  trace: DiskTrace,
  list: RowList,
  view: View,
  /** The ordinals of the view are of another order. */
  isOther: boolean,
  first: number,
  end: number,
): Frame['selected'] {
  const { select } = view;
  if (select === null || end === first) return null;
  if ('ordinal' in select) {
    const ordinal = Math.max(first, Math.min(select.ordinal, end - 1));
    const found = isOther ? null : rowNear(list, ordinal, first, end);
    return found && found.row >= 0
      ? { ordinal: found.ordinal, record: copyRows(trace, [found.row]) }
      : null;
  }
  const row = trace.rows.lowerBound(select.sequence);
  if (row >= trace.rows.end || trace.rows.number(row, 'sequence') !== select.sequence) return null;
  const ordinal = list.ordinal(row);
  if (ordinal === null || ordinal < first || ordinal >= end) return null;
  return { ordinal, record: copyRows(trace, [row]) };
}

/** The ordinal of the row that is meant, or of the nearest there is. */
function locate(
  { rows, epochMonotonicNs }: DiskTrace,
  { list, sorting }: Listed,
  query: Extract<Query, { kind: 'locate' }>,
): number | null {
  if (list.end === list.first) return null;
  const row =
    'sequence' in query
      ? rows.lowerBound(query.sequence)
      : rowAt(rows, query.time + Number(epochMonotonicNs));
  if (sorting !== null) return list.ordinal(Math.min(row, rows.end - 1));
  const sequence = row < rows.end ? rows.number(row, 'sequence') : Infinity;
  const ordinal = Math.min(list.lowerBound(sequence), list.end - 1);
  return rowNear(list, ordinal, list.first, list.end)?.ordinal ?? null;
}
