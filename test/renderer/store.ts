/** A store of traces with one disk, filled and looked at. */
import { decodeRecord } from '../../app/contract/trace';
import { diskId } from '../../app/contract/units';
import type { Filter } from '../../app/filter/filter';
import { parseFilter } from '../../app/filter/parse';
import type { View } from '../../renderer/trace/worker/protocol';
import { TraceStore } from '../../renderer/trace/worker/trace-store';
import { batchOf, type MadeRecord } from './records';

export const disk = diskId('disk-1');

export function open(capacity: number): TraceStore {
  const store = new TraceStore(capacity);
  store.receive({ type: 'opened', disk, number: 7, epochMonotonicNs: 5n, epochRealtimeNs: 9n });
  return store;
}

export function add(store: TraceStore, records: readonly (number | MadeRecord)[], lost = 0n): void {
  const made = records.map((record) =>
    typeof record === 'number' ? { sequence: record } : record,
  );
  store.receive({ type: 'batch', disk, records: batchOf(made), count: made.length, lost });
}

export function view(more: Partial<View> = {}): View {
  return {
    serial: 1,
    disk,
    filter: null,
    sorting: null,
    shownSorting: null,
    clearedThrough: 0,
    pausedAt: null,
    follow: false,
    from: 0,
    rows: 100,
    anchor: null,
    select: null,
    ...more,
  };
}

export function sequences(store: TraceStore, more: Partial<View> = {}): number[] {
  const frame = store.frame(view(more));
  const data = new DataView(frame.records);
  return Array.from({ length: frame.count }, (_, index) =>
    Number(decodeRecord(data, index * 64).sequence),
  );
}

export function filterOf(text: string): Filter | null {
  const parsed = parseFilter(text);
  if (!parsed.ok) throw new Error(parsed.problem.message);
  return parsed.filter;
}
