/**
 * The worker must take 1 M records/s and leave room for the page. Measured here
 * without the port: batches as the feed sends them, late records among them, a
 * filter on, and the ring turning over all the time. In CPU time, since test
 * machines are shared.
 */
import { describe, expect, it, vi } from 'vitest';
import { BATCH_RECORDS } from '../../app/contract/feed';
import { diskId } from '../../app/contract/units';
import type { Filter } from '../../app/filter/filter';
import { parseFilter } from '../../app/filter/parse';
import type { View } from '../../renderer/trace/worker/protocol';
import { TraceStore } from '../../renderer/trace/worker/trace-store';
import { batchOf, type MadeRecord } from './records';
import { Workload } from './harness/workload';

vi.setConfig({ testTimeout: 60_000 });

const disk = diskId('disk');
/** A tenth of what the window keeps: npm run bench:trace measures all of it. */
const ROWS = 1_048_576;

function filterOf(text: string): Filter | null {
  const parsed = parseFilter(text);
  if (!parsed.ok) throw new Error(parsed.problem.message);
  return parsed.filter;
}

const view: View = {
  serial: 1,
  disk,
  filter: filterOf('write && sector in 0..4M'),
  sorting: null,
  shownSorting: null,
  clearedThrough: 0,
  pausedAt: null,
  follow: true,
  from: 0,
  rows: 150,
  anchor: null,
  select: null,
};

/** Batches of two queues: each ascending, the second one's records late by a few. */
function makeBatches(count: number): ArrayBuffer[] {
  const workload = new Workload();
  const records = Array.from({ length: count * BATCH_RECORDS }, () => workload.make());
  const batches: ArrayBuffer[] = [];
  let late: MadeRecord[] = [];
  for (let start = 0; start < records.length; start += BATCH_RECORDS) {
    const part = [...late, ...records.slice(start, start + BATCH_RECORDS)];
    late = part.slice(-40).filter((_, index) => index % 2 === 0);
    const held = new Set(late);
    batches.push(batchOf(part.filter((record) => !held.has(record))));
  }
  return batches;
}

function cpuMilliseconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)]!;
}

describe('the trace store', () => {
  const batches = makeBatches(24);

  it('takes more than 1 M records/s, with a filter and a frame for each batch', () => {
    const store = new TraceStore(ROWS);
    store.receive({ type: 'opened', disk, number: 0, epochMonotonicNs: 0n, epochRealtimeNs: 0n });
    const rates: number[] = [];
    let base = 0n;
    for (let round = 0; round < 9; round++) {
      const copies = batches.map((batch) => renumbered(batch, base));
      base += BigInt(batches.length * BATCH_RECORDS);
      const begin = cpuMilliseconds();
      let taken = 0;
      for (const records of copies) {
        const count = records.byteLength / 64;
        store.receive({ type: 'batch', disk, records, count, lost: 0n });
        store.frame(view);
        taken += count;
      }
      rates.push((taken / (cpuMilliseconds() - begin)) * 1000);
    }
    const rate = median(rates);
    console.log(
      `ingest: ${(rate / 1e6).toFixed(1)} M records/s of CPU (median of ${rates.length})`,
    );
    expect(rate).toBeGreaterThan(1e6);
    expect(store.frame(view).totals[0]?.kept).toBe(ROWS);
  });

  it('filters a tenth of what the window keeps in less than 60 ms', () => {
    const store = new TraceStore(ROWS);
    store.receive({ type: 'opened', disk, number: 0, epochMonotonicNs: 0n, epochRealtimeNs: 0n });
    for (let round = 0; round < 6; round++) {
      const base = BigInt(round * batches.length * BATCH_RECORDS);
      for (const batch of batches) {
        const records = renumbered(batch, base);
        const count = records.byteLength / 64;
        store.receive({ type: 'batch', disk, records, count, lost: 0n });
      }
    }
    const times = Array.from({ length: 9 }, (_, index) => {
      const begin = cpuMilliseconds();
      const filter = filterOf(`op == write && len >= ${index} && !(flags has fua)`);
      store.work({ ...view, filter }, Infinity);
      const { matched } = store.frame({ ...view, filter });
      expect(matched).toBeGreaterThan(10_000);
      return cpuMilliseconds() - begin;
    });
    console.log(`filter: ${ROWS} rows in ${median(times).toFixed(0)} ms (median of 9)`);
    expect(median(times)).toBeLessThan(60);
  });
});

/** A copy whose sequences go on from `base`. */
function renumbered(batch: ArrayBuffer, base: bigint): ArrayBuffer {
  const copy = batch.slice(0);
  const words = new BigUint64Array(copy);
  for (let index = 0; index < words.length; index += 8) words[index]! += base;
  return copy;
}
