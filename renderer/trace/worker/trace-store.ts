/**
 * The traces of all disks, and the frames made of them. Free of the worker's
 * globals, so that tests run it directly.
 */
import type { FeedMessage } from '../../../app/contract/feed';
import type { DiskId } from '../../../app/contract/units';
import { DiskTrace } from './disk-trace';
import type { RowList } from './match-list';
import type { Frame, View } from './protocol';
import { RECORD_WORDS, word } from './row-ring';

/** Rows kept for a disk. */
export const ROWS_KEPT = 1_048_576;
/** The most rows in one frame. */
export const ROWS_IN_FRAME = 4096;

export class TraceStore {
  readonly #capacity: number;
  readonly #disks = new Map<DiskId, DiskTrace>();

  constructor(capacity: number = ROWS_KEPT) {
    this.#capacity = capacity;
  }

  /** Takes a message of the feed. A batch of a disk that was never opened is a bug of the feed: it throws. */
  receive(message: FeedMessage): void {
    switch (message.type) {
      case 'opened': {
        // Opened again (a new feed): it sends the trace from its oldest record.
        this.#disks.set(message.disk, new DiskTrace(message, this.#capacity));
        return;
      }
      case 'batch': {
        const trace = this.#disks.get(message.disk);
        if (!trace) throw new Error(`a batch of ${message.disk}, whose trace was never opened`);
        trace.add(message.records, message.count, message.lost);
        return;
      }
      case 'closed': {
        const trace = this.#disks.get(message.disk);
        if (trace) trace.closed = true;
        return;
      }
    }
  }

  /** Forgets disks that are closed and not looked at. */
  prune(looked: DiskId | null): void {
    for (const [disk, trace] of this.#disks) {
      if (trace.closed && disk !== looked) this.#disks.delete(disk);
    }
  }

  /** What `view` shows now. */
  frame(view: View): Frame {
    const totals = [...this.#disks.values()].map((trace) => trace.totals);
    const trace = view.disk === null ? undefined : this.#disks.get(view.disk);
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
        records: new ArrayBuffer(0),
        shift: 0,
        selected: null,
        matched: 0,
        total: 0,
        heldBack: 0,
        left: 0,
        newestSequence: 0,
        totals,
      };
    }
    const list = trace.list(view.filter);
    const { first, end } = shown(list, view);
    const all = shown(trace.all, view);
    const shift = view.anchor ? list.lowerBound(view.anchor.sequence) - view.anchor.ordinal : 0;
    const rows = Math.min(view.rows, ROWS_IN_FRAME, end - first);
    const wanted = view.follow ? end - rows : view.from + shift;
    const from = Math.max(first, Math.min(wanted, end - rows));
    return {
      serial: view.serial,
      disk: trace.disk,
      epochMonotonicNs: trace.epochMonotonicNs,
      epochRealtimeNs: trace.epochRealtimeNs,
      first,
      end,
      from,
      count: rows,
      records: copyRows(trace, list, from, rows),
      shift,
      selected: selectedRow(trace, list, view, first, end),
      matched: end - first,
      total: all.end - all.first,
      heldBack: view.pausedAt === null ? 0 : list.end - end,
      left: trace.left,
      newestSequence:
        all.end > trace.ring.first ? trace.ring.number(all.end - 1, word.sequence) : 0,
      totals,
    };
  }
}

/** The part of a list that is neither cleared nor held back. */
function shown(list: RowList, view: View): { first: number; end: number } {
  const first = view.clearedThrough > 0 ? list.lowerBound(view.clearedThrough + 1) : list.first;
  const end = view.pausedAt === null ? list.end : list.lowerBound(view.pausedAt + 1);
  return { first, end: Math.max(first, end) };
}

function copyRows(trace: DiskTrace, list: RowList, from: number, count: number): ArrayBuffer {
  const words = new Uint32Array(count * RECORD_WORDS);
  for (let index = 0; index < count; index++) {
    trace.ring.copyRecord(list.row(from + index), words, index * RECORD_WORDS, trace.number);
  }
  return words.buffer;
}

function selectedRow(
  trace: DiskTrace,
  list: RowList,
  view: View,
  first: number,
  end: number,
): Frame['selected'] {
  const { select } = view;
  if (select === null || end === first) return null;
  if ('ordinal' in select) {
    const ordinal = Math.max(first, Math.min(select.ordinal, end - 1));
    return { ordinal, record: copyRows(trace, list, ordinal, 1) };
  }
  const ordinal = list.lowerBound(select.sequence);
  if (ordinal < first || ordinal >= end) return null;
  if (trace.ring.number(list.row(ordinal), word.sequence) !== select.sequence) return null;
  return { ordinal, record: copyRows(trace, list, ordinal, 1) };
}
