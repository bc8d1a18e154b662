import { describe, expect, it } from 'vitest';
import { decodeRecord } from '../../app/contract/trace';
import { diskId } from '../../app/contract/units';
import type { View } from '../../renderer/trace/worker/protocol';
import { RowRing, ROW_WORDS } from '../../renderer/trace/worker/row-ring';
import { emptyFilter, type TraceFilter } from '../../renderer/trace/worker/trace-filter';
import { TraceStore } from '../../renderer/trace/worker/trace-store';
import { batchOf, type MadeRecord } from './records';

const disk = diskId('disk-1');

function open(capacity: number): TraceStore {
  const store = new TraceStore(capacity);
  store.receive({ type: 'opened', disk, number: 7, epochMonotonicNs: 5n, epochRealtimeNs: 9n });
  return store;
}

function add(store: TraceStore, records: readonly (number | MadeRecord)[], lost = 0n): void {
  const made = records.map((record) =>
    typeof record === 'number' ? { sequence: record } : record,
  );
  store.receive({ type: 'batch', disk, records: batchOf(made), count: made.length, lost });
}

function view(more: Partial<View> = {}): View {
  return {
    serial: 1,
    disk,
    filter: emptyFilter,
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

function sequences(store: TraceStore, more: Partial<View> = {}): number[] {
  const frame = store.frame(view(more));
  const data = new DataView(frame.records);
  return Array.from({ length: frame.count }, (_, index) =>
    Number(decodeRecord(data, index * 64).sequence),
  );
}

const filterOf = (filter: Partial<TraceFilter>): TraceFilter => ({ ...emptyFilter, ...filter });

describe('the rows of a disk', () => {
  it('come back as the records they were, with every field', () => {
    const store = open(16);
    const record = {
      sequence: 0xffff_ffff_0000_0001n,
      arrival: 0x1234_5678_9abc_def0n,
      completion: 0x1234_5678_9abc_ffffn,
      sector: 0x8000_0000_0000_0001n,
      length: 0x1_0000_0000n,
      flags: 0x208,
      backendDelay: 0xffff_ffff,
      queue: 3,
      depth: 65535,
      error: 28,
      operation: 1,
      result: 1,
      marks: 3,
    };
    add(store, [record]);
    const frame = store.frame(view());
    expect(decodeRecord(new DataView(frame.records), 0)).toEqual({ ...record, route: 1, disk: 7 });
    expect(frame.epochMonotonicNs).toBe(5n);
  });

  it('stay ascending when batches come out of order', () => {
    const store = open(64);
    add(store, [1, 2, 5, 6]);
    add(store, [3, 9]);
    add(store, [4, 7, 8, 10]);
    expect(sequences(store)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('stay ascending and the newest when late records come to a full ring', () => {
    const store = open(4);
    add(store, [1, 2, 3, 6, 7]);
    expect(sequences(store)).toEqual([2, 3, 6, 7]);
    add(store, [4, 5]);
    expect(sequences(store)).toEqual([4, 5, 6, 7]);
    const frame = store.frame(view());
    expect(frame.left).toBe(3);
    expect(frame.totals[0]).toMatchObject({ received: 7, kept: 4 });
  });

  it('leave oldest first, and what comes too late for all of them is counted as left', () => {
    const store = open(4);
    add(store, [10, 11, 12, 13, 14]);
    add(store, [3]);
    expect(sequences(store)).toEqual([11, 12, 13, 14]);
    expect(store.frame(view()).left).toBe(2);
  });

  it('take a batch larger than the ring', () => {
    const store = open(4);
    add(store, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(sequences(store)).toEqual([6, 7, 8, 9]);
    add(store, [5.5e9, 5.6e9].map(Number));
    expect(sequences(store)).toEqual([8, 9, 5.5e9, 5.6e9]);
  });

  it('agree with a plain sort for random arrivals, with and without a filter', () => {
    const random = generator(42);
    const store = open(256);
    const filter = filterOf({ families: ['write'] });
    const seen: MadeRecord[] = [];
    const waiting: MadeRecord[] = [];
    let next = 1;
    for (let round = 0; round < 400; round++) {
      for (let made = 0; made < 12; made++) {
        waiting.push({ sequence: next++, operation: random() < 0.4 ? 1 : 0 });
      }
      const batch = waiting.filter(() => random() < 0.6);
      for (const record of batch) waiting.splice(waiting.indexOf(record), 1);
      add(store, batch);
      seen.push(...batch);
      const kept = seen
        .sort((left, right) => Number(left.sequence) - Number(right.sequence))
        .slice(-256);
      const expected = kept.map(({ sequence }) => sequence);
      const writes = kept.filter(({ operation }) => operation === 1);
      expect(sequences(store, { rows: 256 })).toEqual(expected);
      expect(sequences(store, { rows: 256, filter })).toEqual(writes.map((r) => r.sequence));
    }
  });

  it('sums what was lost', () => {
    const store = open(4);
    add(store, [1], 3n);
    add(store, [9], 4n);
    expect(store.frame(view()).totals).toEqual([
      { disk, received: 2, lost: 7, kept: 2, closed: false },
    ]);
  });

  it('begin anew when the trace is opened again', () => {
    const store = open(4);
    add(store, [1, 2]);
    store.receive({ type: 'opened', disk, number: 7, epochMonotonicNs: 5n, epochRealtimeNs: 9n });
    add(store, [1]);
    expect(sequences(store)).toEqual([1]);
  });

  it('are kept until another disk is looked at, once the trace is closed', () => {
    const store = open(4);
    add(store, [1, 2]);
    store.receive({ type: 'closed', disk });
    store.prune(disk);
    expect(store.frame(view()).totals[0]?.closed).toBe(true);
    store.prune(null);
    expect(store.frame(view()).totals).toEqual([]);
  });

  it('refuse a batch of a disk that was never opened', () => {
    const store = new TraceStore(4);
    expect(() => add(store, [1])).toThrow('a batch of disk-1, whose trace was never opened');
  });

  it('cost at most 64 bytes each, with the index', () => {
    const ring = new RowRing(1 << 16);
    ring.add(new Uint32Array(batchOf([{ sequence: 1 }])), 1);
    for (let row = 0; row < ring.capacity; row += 1024) ring.chunk(row);
    expect(ring.bytes / ring.capacity).toBe(60);
    expect(ROW_WORDS * 4 + Uint32Array.BYTES_PER_ELEMENT).toBe(64);
  });
});

describe('a filter', () => {
  const writes = (sequence: number, sector: number, length: number): MadeRecord => ({
    sequence,
    operation: 1,
    sector,
    length,
  });

  it('shows requests that touch a sector of the range, and only those', () => {
    const store = open(64);
    add(store, [
      writes(1, 0, 512),
      writes(2, 9, 512),
      writes(3, 9, 1024),
      writes(4, 10, 512),
      writes(5, 20, 512),
      writes(6, 21, 512),
      writes(7, 0, 1 << 20),
      { sequence: 8, operation: 2, sector: 15, length: 0 },
    ]);
    const filter = filterOf({ sectors: { first: 10, last: 20 } });
    expect(sequences(store, { filter })).toEqual([3, 4, 5, 7]);
    const open15 = filterOf({ sectors: { first: 21, last: Infinity } });
    expect(sequences(store, { filter: open15 })).toEqual([6, 7]);
  });

  it('shows several families at once, and counts against all', () => {
    const store = open(64);
    add(
      store,
      [0, 1, 2, 3, 6, 1].map((operation, index) => ({ sequence: index + 1, operation })),
    );
    const filter = filterOf({ families: ['flush', 'zeroes'] });
    expect(sequences(store, { filter })).toEqual([3, 5]);
    expect(store.frame(view({ filter }))).toMatchObject({ matched: 2, total: 6 });
  });

  it('follows rows that leave the ring', () => {
    const store = open(4);
    const filter = filterOf({ families: ['write'] });
    add(
      store,
      [1, 2, 3, 4].map((sequence) => ({ sequence, operation: sequence % 2 })),
    );
    expect(sequences(store, { filter })).toEqual([1, 3]);
    add(
      store,
      [5, 6].map((sequence) => ({ sequence, operation: sequence % 2 })),
    );
    const frame = store.frame(view({ filter }));
    expect([frame.first, frame.end]).toEqual([1, 3]);
    expect(sequences(store, { filter })).toEqual([3, 5]);
  });
});

describe('a view', () => {
  it('that follows shows the newest rows', () => {
    const store = open(64);
    add(store, [1, 2, 3, 4, 5]);
    expect(sequences(store, { follow: true, rows: 2 })).toEqual([4, 5]);
  });

  it('stays on its rows while older ones leave', () => {
    const store = open(4);
    add(store, [1, 2, 3, 4]);
    const frame = store.frame(view({ from: 2, rows: 1 }));
    add(store, [5, 6]);
    expect(sequences(store, { from: frame.from, rows: 1 })).toEqual([3]);
  });

  it('moves along with its anchor when a late row comes before it', () => {
    const store = open(64);
    add(store, [1, 3, 4, 5]);
    add(store, [2]);
    const anchored = view({ from: 1, rows: 2, anchor: { sequence: 3, ordinal: 1 } });
    const frame = store.frame(anchored);
    expect(frame.shift).toBe(1);
    expect(sequences(store, anchored)).toEqual([3, 4]);
  });

  it('moves to where its anchor is in a filtered list', () => {
    const store = open(64);
    add(
      store,
      [1, 2, 3, 4, 5, 6].map((sequence) => ({ sequence, operation: sequence % 2 })),
    );
    const filter = filterOf({ families: ['write'] });
    const more = { filter, from: 3, rows: 1, anchor: { sequence: 4, ordinal: 3 } };
    expect(sequences(store, more)).toEqual([5]);
  });

  it('puts cleared rows away and can show them again', () => {
    const store = open(64);
    add(store, [1, 2, 3]);
    expect(sequences(store, { clearedThrough: 3 })).toEqual([]);
    add(store, [4]);
    expect(sequences(store, { clearedThrough: 3 })).toEqual([4]);
    expect(store.frame(view({ clearedThrough: 3 }))).toMatchObject({ matched: 1, total: 1 });
    expect(sequences(store)).toEqual([1, 2, 3, 4]);
  });

  it('holds back what arrives while paused, and counts it', () => {
    const store = open(64);
    add(store, [1, 2, 3]);
    add(store, [4, 5]);
    expect(store.frame(view({ pausedAt: 3 }))).toMatchObject({
      matched: 3,
      heldBack: 2,
      newestSequence: 3,
    });
    expect(sequences(store, { pausedAt: 3, follow: true, rows: 2 })).toEqual([2, 3]);
  });

  it('finds the selected row by sequence, and says so when it has gone', () => {
    const store = open(4);
    add(store, [1, 2, 3, 4]);
    const found = store.frame(view({ select: { sequence: 2 } })).selected;
    expect(found?.ordinal).toBe(1);
    expect(decodeRecord(new DataView(found!.record), 0).sequence).toBe(2n);
    add(store, [5, 6]);
    expect(store.frame(view({ select: { sequence: 2 } })).selected).toBeNull();
  });

  it('selects by place, clamped to what there is', () => {
    const store = open(64);
    add(store, [1, 2, 3]);
    expect(store.frame(view({ select: { ordinal: 99 } })).selected?.ordinal).toBe(2);
    expect(store.frame(view({ select: { ordinal: -1 } })).selected?.ordinal).toBe(0);
  });
});

/** Mulberry32: the same numbers every time. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
