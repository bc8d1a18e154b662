/**
 * How much the store of the worker does for each record: a count, which is the same on every
 * machine. How fast that is, in a real window, `npm run bench:trace` measures.
 */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { BATCH_RECORDS, type FeedMessage } from '../../app/contract/feed';
import { RECORD_BYTES } from '../../app/contract/trace';
import type { CompiledFilter } from '../../app/filter/evaluate';
import type * as PackedColumns from '../../app/contract/packed-columns';
import type * as Evaluate from '../../app/filter/evaluate';
import type * as TraceColumns from '../../app/filter/trace-columns';
import { CHUNK_ROWS } from '../../app/filter/trace-columns';
import { packRecords } from '../support/packed-columns';
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
  const copyColumns: typeof TraceColumns.copyColumns = (...given) => {
    work.written += given[4];
    real.copyColumns(...given);
  };
  return { ...real, makeColumns, putRecords, copyColumns };
});

vi.mock(import('../../app/contract/packed-columns'), async (original) => {
  const real: typeof PackedColumns = await original();
  const unpackColumns: typeof PackedColumns.unpackColumns = (...given) => {
    work.written += given[4];
    real.unpackColumns(...given);
  };
  return { ...real, unpackColumns };
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

/** The same records (but of the last batch, where some are missing), none of them late. */
function inOrder(batches: readonly ArrayBuffer[]): ArrayBuffer[] {
  const all = new Uint8Array(batches.length * BATCH_RECORDS * RECORD_BYTES);
  const [first = 0] = new Uint32Array(batches[0]!);
  for (const batch of batches) {
    for (let at = 0; at < batch.byteLength; at += RECORD_BYTES) {
      const [sequence = 0] = new Uint32Array(batch, at, 1);
      all.set(new Uint8Array(batch, at, RECORD_BYTES), (sequence - first) * RECORD_BYTES);
    }
  }
  const bytes = BATCH_RECORDS * RECORD_BYTES;
  return batches.slice(1).map((_, index) => all.slice(index * bytes, (index + 1) * bytes).buffer);
}

describe('the trace store', () => {
  beforeEach(() => Object.assign(work, { tested: 0, written: 0, chunks: 0 }));
  const BATCHES = (2.5 * ROWS) / BATCH_RECORDS;
  const batches = makeBatches(BATCHES);
  const rowsOf = (records: ArrayBuffer) => records.byteLength / RECORD_BYTES;
  /** As the feed sends them: as they are where they are few, packed where they are many. */
  const asRecords = (each: readonly ArrayBuffer[]) =>
    each.map((records): FeedMessage => {
      return { type: 'batch', disk, records, count: rowsOf(records), lost: 0n };
    });
  const asPacked = (each: readonly ArrayBuffer[]) =>
    each.map((records): FeedMessage => {
      return {
        type: 'packed',
        disk,
        packed: packRecords(records),
        rows: rowsOf(records),
        lost: 0n,
      };
    });
  /** Rows that a late one is put between are written, and tested, once more. */
  const again = BATCHES * 3 * LATE;
  const fill = (store: ReturnType<typeof open>, messages: FeedMessage[], each?: () => void) => {
    for (const message of messages) {
      store.receive(structuredClone(message));
      each?.();
    }
  };

  it.each([
    { name: 'records', messages: asRecords(batches), times: 1 },
    { name: 'packed columns', messages: asPacked(inOrder(batches)), times: 1 },
    // Unpacked beside the others, and then put between and behind them.
    { name: 'packed columns, some of them late', messages: asPacked(batches), times: 2 },
  ])(
    'writes and tests $name $times× as they come, though frames are made and old rows leave',
    ({ messages, times }) => {
      const store = open(ROWS);
      const following = view({ filter: filterOf('write && sector in 0..4M'), follow: true });
      fill(store, messages, () => {
        store.work(following, Infinity);
        store.frame(following);
      });
      const { matched, totals } = store.frame(following);
      expect(totals[0]?.kept).toBe(ROWS);
      expect(matched).toBeGreaterThan(1000);
      const taken = totals[0]!.received;
      expect(taken).toBeGreaterThanOrEqual((BATCHES - 1) * BATCH_RECORDS);
      expect(work.written).toBeGreaterThanOrEqual(taken);
      expect(work.written).toBeLessThanOrEqual(times * taken + again);
      expect(work.tested).toBeGreaterThanOrEqual(taken);
      expect(work.tested).toBeLessThanOrEqual(taken + again);
      // Those that are kept, one that fills while another empties, and one that waits to be filled again.
      expect(work.chunks).toBeLessThanOrEqual(CHUNKS + 2);
    },
  );

  it('tests each row once for another filter, and none for a filter that it had', () => {
    const store = open(ROWS);
    fill(store, asRecords(batches));
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
