import { beforeEach, describe, expect, it } from 'vitest';
import { createStore } from 'zustand/vanilla';
import fc from 'fast-check';
import { diskId } from '../../app/contract/units';
import { RowView } from '../../renderer/trace/row-view';
import { rowBefore, rowBehindGap } from '../../renderer/trace/table/gap-steps';
import { TraceSession } from '../../renderer/trace/trace-session';
import { initialTraceView, type TraceViewState } from '../../renderer/trace/view-state';
import type { Frame, View } from '../../renderer/trace/worker/protocol';
import { TraceStore } from '../../renderer/trace/worker/trace-store';
import { batchOf } from './records';
import { add, disk, filterOf, open, view } from './store';

/** The epoch of the store's trace. */
const EPOCH = 5;

/** What a frame shows, from top to bottom: sequences, and "gap" for the line of one. */
function lines(frame: Frame): (number | 'gap')[] {
  const row = new RowView();
  row.open(frame);
  return Array.from({ length: frame.count }, (_, index) =>
    row.at(index).gap ? 'gap' : row.sequence,
  );
}

const seen = (store: TraceStore, more: Partial<View> = {}) => lines(store.frame(view(more)));

/** Requests arrive at 1000 ns a sequence and are answered 500 ns later (records.ts). */
const gapAfter = (sequence: number) => ({ from: sequence * 1000, to: sequence * 1000 + 900 });

describe('a time in which nobody served', () => {
  let store: TraceStore;
  beforeEach(() => {
    store = open(64);
    store.setGaps(disk, [gapAfter(3)]);
    add(
      store,
      [1, 2, 3, 4, 5, 6].map((sequence) => ({ sequence, operation: sequence % 2 })),
    );
  });

  it('is a line between the last request of one daemon and the first of the next', () => {
    const frame = store.frame(view());
    expect(lines(frame)).toEqual([1, 2, 3, 'gap', 4, 5, 6]);
    // From the last answer, which came after the last sign of life.
    expect(frame.gaps).toEqual([{ from: 3500 - EPOCH, to: 3900 - EPOCH, ordinal: 3 }]);
  });

  it('is no row to those who count, select or copy', () => {
    const frame = store.frame(view({ select: { ordinal: 3 } }));
    expect(frame).toMatchObject({ matched: 6, total: 6, first: 0, end: 7 });
    expect(frame.selected?.ordinal).toBe(4);
    const copied = store.answer({ kind: 'records', from: 2, to: 5 }, view());
    expect(copied.kind === 'records' && copied.records.byteLength).toBe(2 * 64);
  });

  it('stays where a filter leaves rows, and goes where the order is another one', () => {
    expect(seen(store, { filter: filterOf('read') })).toEqual([2, 'gap', 4, 6]);
    expect(seen(store, { filter: filterOf('seq >= 4') })).toEqual(['gap', 4, 5, 6]);
    expect(seen(store, { filter: filterOf('seq <= 2') })).toEqual([1, 2, 'gap']);
    expect(store.frame(view({ filter: filterOf('seq > 9') }))).toMatchObject({ count: 0, end: 0 });
    const sorting = { by: 'latency', descending: false } as const;
    const sorted = store.frame(view({ sorting }));
    expect(lines(sorted)).not.toContain('gap');
    expect(sorted.gaps[0]?.ordinal).toBeNull();
  });

  it('is seen before the first request after it, unless the view is paused', () => {
    store.setGaps(disk, [gapAfter(3), gapAfter(6)]);
    expect(seen(store)).toEqual([1, 2, 3, 'gap', 4, 5, 6, 'gap']);
    expect(seen(store, { pausedAt: 6 })).toEqual([1, 2, 3, 'gap', 4, 5, 6]);
    expect(seen(store, { pausedAt: 2 })).toEqual([1, 2]);
  });

  it('leaves with the rows before it, and takes no other row’s place', () => {
    expect(seen(store, { clearedThrough: 2 })).toEqual([3, 'gap', 4, 5, 6]);
    expect(seen(store, { clearedThrough: 3 })).toEqual([4, 5, 6]);
    const small = open(4);
    small.setGaps(disk, [gapAfter(2)]);
    add(small, [1, 2, 3, 4]);
    const ordinalOf = (sequence: number) => {
      const answer = small.answer({ kind: 'locate', sequence }, view());
      return answer.kind === 'locate' ? answer.ordinal : null;
    };
    expect(seen(small)).toEqual([1, 2, 'gap', 3, 4]);
    const before = ordinalOf(4);
    add(small, [5]);
    expect(seen(small)).toEqual([2, 'gap', 3, 4, 5]);
    add(small, [6]);
    expect(seen(small)).toEqual([3, 4, 5, 6]);
    expect(ordinalOf(4)).toBe(before);
  });

  it('is where it is in any part of any list', () => {
    const sequence = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(
        fc.uniqueArray(sequence, { maxLength: 5 }),
        fc.constantFrom(null, 'read', 'seq in 10..20'),
        fc.nat(50),
        fc.nat(12),
        (after, text, from, rows) => {
          const own = open(64);
          const gaps = after.sort((one, other) => one - other).map(gapAfter);
          own.setGaps(disk, gaps);
          const all = Array.from({ length: 40 }, (_, index) => ({
            sequence: index + 1,
            operation: (index + 1) % 2,
          }));
          add(own, all);
          const filter = text === null ? null : filterOf(text);
          const plain = open(64);
          add(plain, all);
          const passing = lines(plain.frame(view({ filter }))) as number[];
          const expected = passing.flatMap((one, index) => {
            const previous = passing[index - 1] ?? 0;
            const before = after.filter((last) => last >= previous && last < one);
            return [...before.map(() => 'gap' as const), one];
          });
          const last = passing.at(-1) ?? 0;
          expected.push(...after.filter((one) => one >= last).map(() => 'gap' as const));
          expect(lines(own.frame(view({ filter })))).toEqual(expected);
          const part = own.frame(view({ filter, from, rows }));
          expect(lines(part)).toEqual(expected.slice(part.from, part.from + part.count));
          for (const { ordinal } of part.gaps) expect(expected[ordinal ?? -1]).toBe('gap');
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('the keyboard', () => {
  it('passes over the line of a gap', () => {
    const one = diskId('one');
    const store = new TraceStore(64);
    const epochs = { epochMonotonicNs: 0n, epochRealtimeNs: 0n };
    store.receive({ type: 'opened', disk: one, number: 1, ...epochs });
    store.setGaps(one, [gapAfter(2), { from: 2_950, to: 2_960 }]);
    const records = batchOf([1, 2, 3, 4].map((sequence) => ({ sequence })));
    store.receive({ type: 'batch', disk: one, records, count: 4, lost: 0n });
    const state = createStore<TraceViewState>(() => initialTraceView);
    let asked: View | null = null;
    const session = new TraceSession((request) => {
      if (request.type === 'view') asked = request.view;
    }, state);
    const settle = () => {
      while (asked) {
        const now: View = asked;
        asked = null;
        session.receive(store.frame(now));
        session.drawn();
      }
    };
    session.setVisibleRows(10);
    session.selectDisk(one);
    settle();
    const move = (movement: 'up' | 'down' | 'home' | 'end') => {
      session.move(movement);
      settle();
      return session.selectedSequence;
    };
    expect(['home', 'down', 'down', 'down'].map((to) => move(to as 'down'))).toEqual([1, 2, 3, 4]);
    expect([move('up'), move('up'), move('up')]).toEqual([3, 2, 1]);
    expect(session.selectAt(2)).toBe(false);
    expect(session.selectedSequence).toBe(1);
    expect(move('end')).toBe(4);
  });
});

describe('from gap to gap', () => {
  it('goes to the row behind each, and takes lines side by side for one', () => {
    const gaps = [10, 20, 21, 22, 30];
    const all = (from: number, direction: 1 | -1) => {
      const found: number[] = [];
      for (let row = rowBehindGap(gaps, from, direction); row !== null;) {
        found.push(row);
        row = rowBehindGap(gaps, row, direction);
      }
      return found;
    };
    expect(all(0, 1)).toEqual([11, 23, 31]);
    expect(all(40, -1)).toEqual([31, 23, 11]);
    expect(all(11, -1)).toEqual([]);
    expect(rowBehindGap([], 5, 1)).toBeNull();
  });

  it('has a row to stand on where none is behind the last one', () => {
    expect(rowBefore([10, 11], 12)).toBe(9);
    expect(rowBefore([5], 12)).toBe(11);
  });
});
