import { describe, expect, it } from 'vitest';
import { CHUNK_ROWS } from '../../app/filter/trace-columns';
import { packRecords } from '../support/packed-columns';
import { batchOf } from './records';
import { add, disk, filterOf, open, sequences, view } from './store';

describe('the rows of a capture', () => {
  it('are the same as those of a disk, in order and late', () => {
    const [plain, store] = [open(4 * CHUNK_ROWS), open(4 * CHUNK_ROWS)];
    const numbers = (from: number, count: number) =>
      Array.from({ length: count }, (_, index) => ({
        sequence: from + index,
        sector: index % 977,
        flags: index % 3,
        queue: index % 5,
        operation: index % 4,
      }));
    const parts = [
      numbers(1, 5),
      numbers(6, CHUNK_ROWS + 3),
      numbers(200_000, 20),
      numbers(150_000, 10), // late
      numbers(300_000, 2 * CHUNK_ROWS),
    ];
    for (const part of parts) {
      add(plain, part);
      store.receive({
        type: 'columns',
        disk,
        packed: packRecords(batchOf(part)),
        rows: part.length,
        lost: 1n,
      });
    }
    for (const from of [0, CHUNK_ROWS - 2, CHUNK_ROWS + 5, 3 * CHUNK_ROWS]) {
      const [one, other] = [plain, store].map((each) => each.frame(view({ from, rows: 64 })));
      expect(new Uint8Array(other!.records)).toEqual(new Uint8Array(one!.records));
    }
    const [total] = store.frame(view()).totals;
    expect(total).toMatchObject({ received: 3 * CHUNK_ROWS + 38, lost: 5 });
    expect(store.frame(view({ filter: filterOf('read') })).matched).toBe(
      plain.frame(view({ filter: filterOf('read') })).matched,
    );
  });

  it('are zero where they should be, also in place of others that had to leave', () => {
    const capacity = CHUNK_ROWS + 10;
    const [plain, store] = [open(capacity), open(capacity)];
    const fields = { flags: 1, backendDelay: 2, queue: 3, depth: 4, error: 5, marks: 6 };
    let next = 1;
    const take = (count: number, made: object) => {
      const part = Array.from({ length: count }, () => ({ sequence: next++, ...made }));
      add(plain, part);
      const packed = packRecords(batchOf(part));
      store.receive({ type: 'columns', disk, packed, rows: count, lost: 0n });
      const frames = [plain, store].map((each) => each.frame(view({ follow: true, rows: 4096 })));
      const [one, other] = frames.map(({ records }) => Buffer.from(records));
      expect(other!.equals(one!)).toBe(true);
    };
    for (let round = 0; round < 3; round++) {
      take(100, {});
      take(CHUNK_ROWS - 1000, fields);
      take(4000, {});
    }
  });

  it('leave for newer ones', () => {
    const store = open(4);
    const records = batchOf([1, 2, 3, 6, 7].map((sequence) => ({ sequence })));
    store.receive({ type: 'columns', disk, packed: packRecords(records), rows: 5, lost: 0n });
    expect(sequences(store)).toEqual([2, 3, 6, 7]);
  });
});
