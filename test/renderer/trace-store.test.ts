import { describe, expect, it, vi } from 'vitest';
import { decodeRecord } from '../../app/contract/trace';
import { diskId } from '../../app/contract/units';
import { CHUNK_ROWS } from '../../app/filter/trace-columns';
import type { View } from '../../renderer/trace/worker/protocol';
import { Rows } from '../../renderer/trace/worker/rows';
import { TraceStore } from '../../renderer/trace/worker/trace-store';
import { batchOf, type MadeRecord } from './records';
import { add, disk, filterOf, open, sequences, view } from './store';

const other = diskId('disk-2');

function openOther(store: TraceStore): void {
  const epochs = { epochMonotonicNs: 0n, epochRealtimeNs: 0n };
  store.receive({ type: 'opened', disk: other, number: 8, ...epochs });
}

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
    const filter = filterOf('write');
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

  it('cost at most 64 bytes each, with a filter and an order', () => {
    const rows = new Rows(3 * CHUNK_ROWS);
    const count = 2 * CHUNK_ROWS;
    const records = batchOf(Array.from({ length: count }, (_, index) => ({ sequence: index })));
    rows.add(new Uint32Array(records), count);
    const bit = 1 / 8;
    expect(rows.bytes / count + bit + Uint32Array.BYTES_PER_ELEMENT).toBeLessThanOrEqual(64);
  });

  it('leave a whole chunk at a time for newer ones where many are kept, exactly when asked', () => {
    const capacity = 64 * CHUNK_ROWS + 100;
    const rows = new Rows(capacity);
    const made = Array.from({ length: CHUNK_ROWS }, (_, index) => ({ sequence: index }));
    const records = new Uint32Array(batchOf(made));
    for (let chunk = 0; chunk < 65; chunk++) {
      // The high words of the sequences.
      for (let word = 1; word < records.length; word += 16) records[word] = chunk;
      rows.add(records, CHUNK_ROWS);
    }
    expect([rows.first, rows.end]).toEqual([CHUNK_ROWS, 65 * CHUNK_ROWS]);
    records[1] = 65;
    rows.add(records, 1);
    expect([rows.first, rows.end]).toEqual([CHUNK_ROWS, 65 * CHUNK_ROWS + 1]);
    rows.keep(capacity - 200);
    expect(rows.count).toBe(capacity - 200);
  });

  it('give up the oldest of the disk with the most when all together are too many', () => {
    const store = open(6);
    openOther(store);
    add(store, [1, 2, 3, 4, 5, 6]);
    const records = batchOf([{ sequence: 1 }, { sequence: 2 }]);
    store.receive({ type: 'batch', disk: other, records, count: 2, lost: 0n });
    expect(sequences(store)).toEqual([3, 4, 5, 6]);
    expect(sequences(store, { disk: other })).toEqual([1, 2]);
    store.keep(3);
    expect(sequences(store)).toEqual([6]);
    expect(sequences(store, { disk: other })).toEqual([1, 2]);
    expect(store.frame(view()).left).toBe(5);
  });

  it('leave two disks that are level in a few steps when fewer are to be kept', () => {
    const store = open(2000);
    openOther(store);
    const made = Array.from({ length: 1000 }, (_, index) => ({ sequence: index + 1 }));
    add(store, made);
    store.receive({ type: 'batch', disk: other, records: batchOf(made), count: 1000, lost: 0n });
    const traces = [disk, other].flatMap((one) => store.trace(one) ?? []);
    const leaves = traces.map((trace) => vi.spyOn(trace, 'leave'));
    store.keep(100);
    expect(traces.map((trace) => trace.rows.count)).toEqual([50, 50]);
    expect(leaves.reduce((sum, leave) => sum + leave.mock.calls.length, 0)).toBeLessThan(10);
  });

  it('keep their marks when the same trace is opened again', () => {
    const store = open(64);
    add(store, [1, 2, 3]);
    store.trace(disk)?.setMarks([2]);
    const filter = filterOf('marked');
    expect(sequences(store, { filter })).toEqual([2]);
    const again = (epochRealtimeNs: bigint): void => {
      store.receive({ type: 'opened', disk, number: 7, epochMonotonicNs: 5n, epochRealtimeNs });
      add(store, [1, 2, 3]);
    };
    again(9n);
    expect(sequences(store, { filter })).toEqual([2]);
    again(10n);
    expect(sequences(store, { filter })).toEqual([]);
  });

  it('leave over many chunks, with the filter’s ordinals still in step', () => {
    const store = open(CHUNK_ROWS + 10);
    const filter = filterOf('seq in {5, 40000, 70000, 100000..100003}');
    const step = 10_000;
    for (let from = 0; from < 110_000; from += step) {
      add(
        store,
        Array.from({ length: step }, (_, index) => from + index),
      );
      store.frame(view({ filter }));
    }
    const frame = store.frame(view({ filter }));
    expect([frame.first, frame.end, frame.total]).toEqual([3, 7, CHUNK_ROWS + 10]);
    expect(sequences(store, { filter })).toEqual([100_000, 100_001, 100_002, 100_003]);
    expect(sequences(store, { filter, from: 5, rows: 2 })).toEqual([100_002, 100_003]);
  });
});

describe('an order', () => {
  const made = (sequence: number, latency: number, length = 4096): MadeRecord => ({
    sequence,
    arrival: 1000n,
    completion: 1000n + BigInt(latency),
    length,
  });

  it('is by latency or by length, either way round, equal ones as they arrived', () => {
    const store = open(64);
    add(store, [made(1, 50), made(2, 5e9), made(3, 50, 512), made(4, 4e9, 2 ** 33), made(5, 7)]);
    const by = (sorting: View['sorting']) => sequences(store, { sorting, serial: 2 });
    expect(by({ by: 'latency', descending: true })).toEqual([2, 4, 1, 3, 5]);
    expect(by({ by: 'latency', descending: false })).toEqual([5, 1, 3, 4, 2]);
    expect(by({ by: 'length', descending: false })).toEqual([3, 1, 2, 5, 4]);
    expect(by(null)).toEqual([1, 2, 3, 4, 5]);
  });

  it('is of the rows that pass, and takes later ones in after a while', () => {
    const store = open(64);
    add(store, [made(1, 10), made(2, 30, 512), made(3, 20)]);
    const sorted = view({
      sorting: { by: 'latency', descending: true },
      filter: filterOf('len == 4096'),
      select: { sequence: 1 },
    });
    const of = (frame: ReturnType<TraceStore['frame']>) =>
      Array.from({ length: frame.count }, (_, index) =>
        Number(decodeRecord(new DataView(frame.records), index * 64).sequence),
      );
    const first = store.frame(sorted, 0);
    expect(of(first)).toEqual([3, 1]);
    expect(first.selected?.ordinal).toBe(1);
    add(store, [made(4, 15)]);
    expect(of(store.frame(sorted, 1))).toEqual([3, 1]);
    const due = store.trace(disk)?.sortDue ?? 0;
    expect(due).toBeGreaterThanOrEqual(500);
    expect(of(store.frame(sorted, due))).toEqual([3, 4, 1]);
    expect(store.trace(disk)?.sortDue).toBeNull();
  });
});

describe('a query', () => {
  it('finds the accesses to the same sectors next in time, and the writes that were done', () => {
    const store = open(64);
    const at = (sequence: number, sector: number, operation: number, error = 0): MadeRecord => ({
      ...{ sequence, sector, operation, error, result: error ? 1 : 0, length: 1024 },
    });
    add(store, [
      at(1, 9, 1),
      at(2, 11, 1, 5),
      at(3, 14, 1),
      at(4, 10, 0),
      at(5, 11, 0),
      at(6, 12, 1),
      at(7, 10, 1),
    ]);
    const partners = (sequence: number) => {
      const answer = store.answer({ kind: 'partners', disk, sequence }, null);
      if (answer.kind !== 'partners') throw new Error(answer.kind);
      const { previous, next, previousWrite, nextWrite } = answer;
      return [previous, next, previousWrite, nextWrite].map((record) =>
        record.byteLength === 0 ? null : Number(decodeRecord(new DataView(record), 0).sequence),
      );
    };
    expect(partners(4)).toEqual([2, 5, 1, 7]);
    expect(partners(3)).toEqual([null, null, null, null]);
    expect(partners(99)).toEqual([null, null, null, null]);
  });

  it('locates a sequence and a time in the list that is seen', () => {
    const store = open(64);
    add(
      store,
      [10, 20, 30, 40].map((sequence, index) => ({
        ...{ sequence, operation: index % 2, arrival: BigInt(sequence * 1000) + 5n },
      })),
    );
    const locate = (where: { sequence: number } | { time: number }, more: Partial<View> = {}) =>
      store.answer({ kind: 'locate', ...where }, view(more));
    expect(locate({ sequence: 30 })).toMatchObject({ ordinal: 2 });
    expect(locate({ sequence: 31 })).toMatchObject({ ordinal: 3 });
    expect(locate({ sequence: 99 })).toMatchObject({ ordinal: 3 });
    expect(locate({ time: 15_000 })).toMatchObject({ ordinal: 1 });
    expect(locate({ time: 15_000 }, { filter: filterOf('write') })).toMatchObject({ ordinal: 0 });
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
    const filter = filterOf('10..20');
    expect(sequences(store, { filter })).toEqual([3, 4, 5, 7]);
    const open15 = filterOf('21..');
    expect(sequences(store, { filter: open15 })).toEqual([6, 7]);
  });

  it('shows several families at once, and counts against all', () => {
    const store = open(64);
    add(
      store,
      [0, 1, 2, 3, 6, 1].map((operation, index) => ({ sequence: index + 1, operation })),
    );
    const filter = filterOf('flush or zeroes');
    expect(sequences(store, { filter })).toEqual([3, 5]);
    expect(store.frame(view({ filter }))).toMatchObject({ matched: 2, total: 6 });
  });

  it('follows rows that leave the ring', () => {
    const store = open(4);
    const filter = filterOf('write');
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
