import { describe, expect, it } from 'vitest';
import { decodeRecord } from '../../app/contract/trace';
import { add, filterOf, open, sequences, view } from './store';

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
    const filter = filterOf('write');
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
