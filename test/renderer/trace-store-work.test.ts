/**
 * How much the store of the worker does for each record: a count, which is the same on every
 * machine. How fast that is, in a real window, `npm run bench:trace` measures.
 */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { BATCH_RECORDS } from '../../app/contract/feed';
import type { CompiledFilter } from '../../app/filter/evaluate';
import type * as Evaluate from '../../app/filter/evaluate';
import type * as TraceColumns from '../../app/filter/trace-columns';
import { CHUNK_ROWS } from '../../app/filter/trace-columns';
import { batchOf, type MadeRecord } from './records';
import { disk, filterOf, open, view } from './store';
import { Workload } from './harness/workload';

const { work } = vi.hoisted(() => ({ work: { tested: 0, written: 0, chunks: 0 } }));

vi.mock(import('../../app/filter/evaluate'), async (original) => {
  const real: typeof Evaluate = await original();
  const compileFilter: typeof Evaluate.compileFilter = (...given) => {
    const filter: CompiledFilter = real.compileFilter(...given);
    return {
      ...filter,
      run: (columns, from, to, bits) => {
        work.tested += to - from;
        filter.run(columns, from, to, bits);
      },
    };
  };
  return { ...real, compileFilter };
});

vi.mock(import('../../app/filter/trace-columns'), async (original) => {
  const real: typeof TraceColumns = await original();
  const makeColumns: typeof TraceColumns.makeColumns = (rows) => {
    if (rows === real.CHUNK_ROWS) work.chunks++;
    return real.makeColumns(rows);
  };
  const putRecords: typeof TraceColumns.putRecords = (...given) => {
    work.written += given[4];
    real.putRecords(...given);
  };
  return { ...real, makeColumns, putRecords };
});

const CHUNKS = 4;
const ROWS = CHUNKS * CHUNK_ROWS;
/** Of each batch so many come late: with the next one, behind those that arrived after them. */
const LATE = 20;

/** Batches of two queues: each ascending, the second one's records late by a few. */
function makeBatches(count: number): ArrayBuffer[] {
  const workload = new Workload();
  let late: MadeRecord[] = [];
  return Array.from({ length: count }, () => {
    const part = [...late, ...Array.from({ length: BATCH_RECORDS }, () => workload.make())];
    late = part.slice(-2 * LATE).filter((_, index) => index % 2 === 0);
    const held = new Set(late);
    return batchOf(part.filter((record) => !held.has(record)));
  });
}

describe('the trace store', () => {
  beforeEach(() => Object.assign(work, { tested: 0, written: 0, chunks: 0 }));
  const batches = makeBatches((2.5 * ROWS) / BATCH_RECORDS);
  const taken = batches.reduce((sum, { byteLength }) => sum + byteLength / 64, 0);
  /** Rows that a late one is put between are written, and tested, once more. */
  const again = batches.length * 3 * LATE;
  const fill = (store: ReturnType<typeof open>, each?: () => void) => {
    for (const batch of batches) {
      const records = batch.slice(0);
      store.receive({ type: 'batch', disk, records, count: records.byteLength / 64, lost: 0n });
      each?.();
    }
  };

  it('writes and tests a record once as it comes, though frames are made and old rows leave', () => {
    const store = open(ROWS);
    const following = view({ filter: filterOf('write && sector in 0..4M'), follow: true });
    fill(store, () => {
      store.work(following, Infinity);
      store.frame(following);
    });
    const { matched, totals } = store.frame(following);
    expect(totals[0]?.kept).toBe(ROWS);
    expect(matched).toBeGreaterThan(1000);
    expect(work.written).toBeGreaterThanOrEqual(taken);
    expect(work.written).toBeLessThanOrEqual(taken + again);
    expect(work.tested).toBeGreaterThanOrEqual(taken);
    expect(work.tested).toBeLessThanOrEqual(taken + again);
    // Those that are kept, one that fills while another empties, and one that waits to be filled again.
    expect(work.chunks).toBeLessThanOrEqual(CHUNKS + 2);
  });

  it('tests each row once for another filter, and none for a filter that it had', () => {
    const store = open(ROWS);
    fill(store);
    expect(work.tested).toBe(0);
    const filtered = view({ filter: filterOf('op == write && len >= 8K && !(flags has fua)') });
    store.work(filtered, Infinity);
    const { matched } = store.frame(filtered);
    expect(matched).toBeGreaterThan(1000);
    const { tested } = work;
    expect(tested).toBeGreaterThanOrEqual(ROWS);
    // A chunk is tested whole: of the oldest also what has left.
    expect(tested).toBeLessThanOrEqual(ROWS + CHUNK_ROWS);
    store.work(filtered, Infinity);
    expect(store.frame(filtered).matched).toBe(matched);
    expect(work.tested).toBe(tested);
  });
});
