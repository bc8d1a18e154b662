/** How pictures are kept up to date: what is scanned anew, and when a result is sent. */
import { describe, expect, it } from 'vitest';
import { diskId } from '../../app/contract/units';
import { CHUNK_ROWS, makeColumns, putRecords } from '../../app/filter/trace-columns';
import { DerivedClient } from '../../renderer/trace/derived-client';
import {
  type DerivedMessage,
  type DerivedSource,
  type DerivedRequest,
  DerivedViews,
} from '../../renderer/trace/worker/derived/derived-views';
import type { PassingChunk } from '../../renderer/trace/worker/disk-trace';
import { batchOf } from './records';

function chunkOf(first: number, count: number, version = 1): PassingChunk {
  const columns = makeColumns(CHUNK_ROWS);
  const records = Array.from({ length: count }, (_, index) => ({ sequence: first + index }));
  putRecords(columns, 0, new Uint32Array(batchOf(records)), 0, count);
  return { key: columns, version, columns, from: 0, to: count, bits: null };
}

/** A worker whose clock a test turns. */
class Rig {
  source: DerivedSource | null = { disk: diskId('one'), epochMonotonicNs: 0n, chunks: [] };
  readonly sent: Extract<DerivedMessage, { type: 'derived' }>[] = [];
  /** How far a result was, and when that was said, ms. */
  readonly told: { readonly share: number; readonly at: number }[] = [];
  time = 0;
  /** How long looking at the source takes, ms. */
  cost = 0;
  /** How long goes by between two looks at the clock, ms. */
  tick = 0;
  #waiting: { at: number; work: () => void }[] = [];
  readonly views = new DerivedViews({
    source: () => {
      this.time += this.cost;
      return this.source;
    },
    send: (message) => {
      if (message.type === 'derived') this.sent.push(message);
      else this.told.push({ share: message.share, at: this.time });
    },
    now: () => (this.time += this.tick),
    schedule: (milliseconds, work) => this.#waiting.push({ at: this.time + milliseconds, work }),
  });

  pass(milliseconds: number): void {
    this.time += milliseconds;
    const due = this.#waiting.filter(({ at }) => at <= this.time);
    this.#waiting = this.#waiting.filter(({ at }) => at > this.time);
    for (const { work } of due) work();
  }

  show(...chunks: PassingChunk[]): void {
    this.source = { disk: diskId('one'), epochMonotonicNs: 0n, chunks };
    this.views.changed();
  }

  get counts(): (number | undefined)[] {
    return this.sent.map(({ result }) =>
      result?.kind === 'statistics' ? result.counts.reduce((sum, one) => sum + one, 0) : undefined,
    );
  }
}

describe('the pictures of a worker', () => {
  it('are sent at once, then when something changed and the last one is drawn', () => {
    const rig = new Rig();
    rig.show(chunkOf(1, 10));
    rig.views.set(7, { kind: 'statistics' });
    expect(rig.counts).toEqual([10]);
    expect(rig.sent[0]).toMatchObject({ type: 'derived', id: 7, disk: 'one' });
    rig.pass(1000);
    rig.show(chunkOf(1, 20));
    rig.show(chunkOf(1, 30));
    expect(rig.counts).toEqual([10]);
    rig.views.drawn(7);
    expect(rig.counts).toEqual([10, 30]);
    rig.views.drawn(7);
    rig.pass(1000);
    expect(rig.counts).toEqual([10, 30]);
  });

  it('come at least ten times a second, and take a third of the time at most', () => {
    const rig = new Rig();
    rig.views.set(1, { kind: 'statistics' });
    rig.views.drawn(1);
    rig.show(chunkOf(1, 5));
    expect(rig.sent).toHaveLength(1);
    rig.pass(60);
    expect(rig.sent).toHaveLength(2);
    rig.views.drawn(1);
    rig.cost = 30;
    rig.pass(60);
    rig.show(chunkOf(1, 6));
    expect(rig.sent).toHaveLength(3);
    rig.views.drawn(1);
    rig.show(chunkOf(1, 7));
    rig.pass(59);
    expect(rig.sent).toHaveLength(3);
    rig.pass(1);
    expect(rig.sent).toHaveLength(4);
  });

  it('scan a chunk again only when its rows or bits are others', () => {
    const rig = new Rig();
    const settled = chunkOf(1, 100);
    const grows = chunkOf(101, 100);
    rig.show(settled, { ...grows, to: 50 });
    rig.views.set(1, { kind: 'statistics' });
    rig.views.drawn(1);
    rig.pass(100);
    // Behind the back of the cache: it would be seen if it were scanned again.
    settled.columns.operation.fill(1);
    rig.show(settled, grows);
    expect(rig.counts).toEqual([150, 200]);
    const last = rig.sent.at(-1)?.result;
    expect(last?.kind === 'statistics' && [...last.counts.slice(0, 2)]).toEqual([200, 0]);
    rig.views.drawn(1);
    rig.pass(100);
    rig.show({ ...settled, version: 2 }, grows);
    const anew = rig.sent.at(-1)?.result;
    expect(anew?.kind === 'statistics' && [...anew.counts.slice(0, 2)]).toEqual([100, 100]);
  });

  it('scan many chunks in slices, and drop them for what is looked at since', () => {
    const rig = new Rig();
    const chunks = [1, 101, 201, 301, 401].map((first) => chunkOf(first, 100));
    rig.show(...chunks);
    rig.tick = 5;
    rig.views.set(1, { kind: 'statistics' });
    expect(rig.sent).toEqual([]);
    // Meanwhile another picture is asked for under the same number.
    rig.views.set(1, { kind: 'latency' });
    let slices = 0;
    for (; rig.sent.length === 0 && slices < 50; slices++) rig.pass(0);
    expect(slices).toBeGreaterThan(1);
    expect(rig.sent.map(({ result }) => result?.kind)).toEqual(['latency']);
    // That took no 300 ms.
    expect(rig.told).toEqual([]);
    rig.views.set(1, { kind: 'statistics' });
    rig.views.drawn(1);
    for (let turn = 0; turn < 50; turn++) rig.pass(1000);
    expect(rig.counts).toEqual([undefined, 500]);
  });

  it('say how far they are when they take long', () => {
    const rig = new Rig();
    const chunk = chunkOf(1, 100);
    rig.show(...Array.from({ length: 200 }, () => ({ ...chunk, key: {} })));
    rig.tick = 5;
    rig.views.set(1, { kind: 'statistics' });
    for (let turn = 0; rig.sent.length === 0 && turn < 400; turn++) rig.pass(0);
    expect(rig.counts).toEqual([20_000]);
    const shares = rig.told.map(({ share }) => share);
    expect(shares.length).toBeGreaterThan(2);
    expect(shares).toEqual([...shares].sort((one, other) => one - other));
    expect(Math.min(...shares)).toBeGreaterThan(0);
    expect(Math.max(...shares)).toBeLessThanOrEqual(1);
    expect(rig.told[0]?.at).toBeGreaterThanOrEqual(300);
    rig.told.forEach(({ at }, index) => {
      expect(at - (rig.told[index - 1]?.at ?? 0)).toBeGreaterThanOrEqual(100);
    });
  });

  it.each(['map', 'time', 'latency', 'addresses', 'statistics'] as const)(
    'come to an end (%s) while rows flow in, however slow the machine',
    (kind) => {
      const rig = new Rig();
      const settled = [1, 101, 201].map((first) => chunkOf(first, 100));
      const grows = chunkOf(301, 1000);
      // Each look at the clock is the end of a slice, and there are more rows in each.
      rig.tick = 50;
      const plane = { timeFrom: 0, timeTo: 1e9, sectorFrom: 0, sectorTo: 4096 };
      rig.source = { disk: diskId('one'), epochMonotonicNs: 0n, chunks: settled };
      rig.views.set(
        1,
        kind === 'map' ? { kind, parameters: { ...plane, columns: 8, rows: 8 } } : { kind },
      );
      for (let to = 1; to < 500; to++) {
        rig.show(...settled, { ...grows, version: to, to });
        rig.pass(500);
        rig.views.drawn(1);
      }
      expect(rig.sent.length).toBeGreaterThan(50);
    },
  );

  it('show of a filter that leaves a short time as fine a map as one that is opened then', () => {
    const wanted = { timeFrom: 0, timeTo: 1, sectorFrom: 0, sectorTo: 4096, columns: 8, rows: 8 };
    const request = { kind: 'map', parameters: { ...wanted, isAll: true } } as const;
    const all = chunkOf(1, 20_000);
    const few = { ...all, bits: new Uint32Array(CHUNK_ROWS / 32).fill(~0, 300, 330) };
    const partOf = (rig: Rig) => {
      for (let turn = 0; turn < 5; turn++) rig.pass(1000);
      const result = rig.sent.at(-1)?.result;
      return result?.kind === 'map' ? result.parameters : null;
    };
    const rig = new Rig();
    rig.show(all);
    rig.views.set(1, request);
    const whole = partOf(rig);
    rig.views.drawn(1);
    rig.show(few);
    const part = partOf(rig);
    const fresh = new Rig();
    fresh.show(few);
    fresh.views.set(1, request);
    expect(part).toEqual(partOf(fresh));
    expect(part).not.toEqual(whole);
    // 20 ms, and one: in cells of 4.2 ms, and of 0.13.
    const cell = (made: typeof part) => (made ? (made.timeTo - made.timeFrom) / made.columns : 0);
    expect([cell(whole), cell(part)]).toEqual([2 ** 22, 2 ** 17]);
    // Once is enough: nothing is made again while nothing changes.
    const sent = rig.sent.length;
    rig.views.drawn(1);
    partOf(rig);
    expect(rig.sent).toHaveLength(sent);
  });

  it('are of the selected disk alone, and of none when there is none', () => {
    const rig = new Rig();
    rig.show(chunkOf(1, 10));
    rig.views.set(1, { kind: 'latency' });
    rig.views.drawn(1);
    rig.pass(100);
    rig.source = null;
    rig.views.changed();
    expect(rig.sent.at(-1)).toEqual({ type: 'derived', id: 1, disk: null, result: null });
    rig.views.set(1, null);
    rig.pass(1000);
    rig.views.changed();
    expect(rig.sent).toHaveLength(2);
  });
});

describe('a page that looks at pictures', () => {
  it('says when it has drawn, changes what it looks at, and hears no more when it closed', () => {
    const asked: DerivedRequest[] = [];
    const client = new DerivedClient((request) => asked.push(request));
    const drawn: unknown[] = [];
    const subscription = client.subscribe({ kind: 'time' }, (result) => drawn.push(result));
    client.receive({ type: 'derived', id: 1, disk: null, result: null });
    subscription.change({ kind: 'latency' });
    subscription.close();
    client.receive({ type: 'derived', id: 1, disk: null, result: null });
    expect(drawn).toEqual([null]);
    expect(asked).toEqual([
      { type: 'derive', id: 1, request: { kind: 'time' } },
      { type: 'derived-drawn', id: 1 },
      { type: 'derive', id: 1, request: { kind: 'latency' } },
      { type: 'derive', id: 1, request: null },
    ]);
  });

  it('knows how far those are that take long, until they come or are closed', () => {
    const client = new DerivedClient(() => undefined);
    const shares: (number | null)[] = [];
    const end = client.watchShare(() => shares.push(client.share));
    const subscription = client.subscribe({ kind: 'time' }, () => undefined);
    client.receive({ type: 'derived-progress', id: 1, share: 0.25 });
    client.receive({ type: 'derived-progress', id: 1, share: 0.5 });
    client.receive({ type: 'derived', id: 1, disk: null, result: null });
    client.receive({ type: 'derived-progress', id: 1, share: 0.1 });
    subscription.close();
    client.receive({ type: 'derived-progress', id: 1, share: 0.2 });
    expect(shares).toEqual([0.25, 0.5, null, 0.1, null]);
    end();
  });
});
