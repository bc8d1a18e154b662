import { beforeEach, describe, expect, it } from 'vitest';
import type { NativeTraceReader, PackRecords } from '../../../app/addon/addon';
import { BATCH_RECORDS, INITIAL_CREDITS, type FeedMessage } from '../../../app/contract/feed';
import { RECORD_BYTES } from '../../../app/contract/trace';
import { diskId } from '../../../app/contract/units';
import { FeedPort } from '../../../app/feed/feed-port';
import { Pace } from '../../../app/feed/pace';
import { TraceSource, batchBuffer, type FollowedDisk } from '../../../app/feed/trace-source';

/** A trace that holds `waiting` records, numbered on from what was read. */
class Trace implements NativeTraceReader {
  readonly diskNumber = 1;
  readonly ringCount = 1;
  readonly ringCapacity = 65536n;
  readonly epochMonotonicNs = 5n;
  readonly epochRealtimeNs = 7n;
  readonly daemonPid = 1;
  closed = false;
  waiting = 0;
  overrun = 0n;
  isShut = false;
  private sequence = 0n;

  read(target: ArrayBuffer) {
    const count = Math.min(this.waiting, target.byteLength / RECORD_BYTES);
    const view = new DataView(target);
    for (let index = 0; index < count; index++) {
      view.setBigUint64(index * RECORD_BYTES, ++this.sequence, true);
    }
    this.waiting -= count;
    const lost = this.overrun;
    this.overrun = 0n;
    return { count, lost };
  }
  close() {
    this.isShut = true;
  }
}

/** Leaves records as they are: how they are packed is the addon's. */
const pack: PackRecords = (records, count, into) => {
  new Uint8Array(into).set(new Uint8Array(records, 0, count * RECORD_BYTES));
  return count * RECORD_BYTES;
};

const disk = (name: string, number = 1): FollowedDisk => ({
  id: diskId(name),
  number,
  tracePath: `/traces/${name}`,
  isCapture: false,
});

describe('a port of the feed', () => {
  const buffer = batchBuffer();
  let traces: Map<string, Trace>;
  let sent: FeedMessage[];
  let port: FeedPort;
  const trace = (name: string) => traces.get(`/traces/${name}`)!;
  const batches = () =>
    sent.flatMap((message) => {
      if (message.type !== 'batch' && message.type !== 'packed') return [];
      const { disk, lost } = message;
      return message.type === 'batch'
        ? [{ disk, lost, count: message.count, records: message.records }]
        : [{ disk, lost, count: message.rows, records: message.packed }];
    });

  beforeEach(() => {
    traces = new Map([
      ['/traces/a', new Trace()],
      ['/traces/b', new Trace()],
    ]);
    sent = [];
    const open = ({ tracePath }: FollowedDisk) => {
      const found = traces.get(tracePath);
      if (!found) throw new Error('ENOENT');
      return found;
    };
    port = new FeedPort(
      { postMessage: (message) => sent.push(message) },
      (one) => new TraceSource(one, open, pack),
    );
  });

  it('announces a disk with its clocks before its first records, and sends them whole', () => {
    trace('a').waiting = 3;
    port.follow([disk('a', 4)], buffer);
    expect(port.poll(buffer)).toBe(3);
    expect(sent[0]).toEqual({
      type: 'opened',
      disk: 'a',
      number: 4,
      epochMonotonicNs: 5n,
      epochRealtimeNs: 7n,
    });
    const [batch] = batches();
    expect(batch).toMatchObject({ disk: 'a', count: 3, lost: 0n });
    expect(batch!.records.byteLength).toBe(3 * RECORD_BYTES);
    expect(new DataView(batch!.records).getBigUint64(2 * RECORD_BYTES, true)).toBe(3n);
  });

  it('packs many records, and sends few as they are', () => {
    port.follow([disk('a')], buffer);
    trace('a').waiting = 255;
    port.poll(buffer);
    trace('a').waiting = 256;
    port.poll(buffer);
    expect(sent.slice(1)).toMatchObject([
      { type: 'batch', count: 255 },
      { type: 'packed', rows: 256, lost: 0n },
    ]);
  });

  it('stops at the credits and goes on where it was when some come back', () => {
    trace('a').waiting = (INITIAL_CREDITS + 2) * BATCH_RECORDS;
    port.follow([disk('a')], buffer);
    port.poll(buffer);
    expect(batches()).toHaveLength(INITIAL_CREDITS);
    expect(port.poll(buffer)).toBe(0);
    port.receive({ type: 'credit', batches: 1 });
    expect(port.poll(buffer)).toBe(BATCH_RECORDS);
    const last = batches().at(-1)!;
    expect(new DataView(last.records).getBigUint64(0, true)).toBe(
      BigInt(INITIAL_CREDITS * BATCH_RECORDS + 1),
    );
  });

  it('reads ahead while the window gives no credits, and sends that first when it does', () => {
    trace('a').waiting = (INITIAL_CREDITS + 2) * BATCH_RECORDS;
    port.follow([disk('a')], buffer);
    port.poll(buffer);
    expect(trace('a').waiting).toBe(0);
    // What was lost by then comes behind what was read before.
    trace('a').waiting = 5;
    trace('a').overrun = 7n;
    port.poll(buffer);
    port.receive({ type: 'credit', batches: 3 });
    port.poll(buffer);
    const last = batches().slice(INITIAL_CREDITS);
    expect(last.map(({ count, lost }) => [count, lost])).toEqual([
      [BATCH_RECORDS, 0n],
      [BATCH_RECORDS, 0n],
      [5, 7n],
    ]);
    expect(last.map(({ records }) => Number(new DataView(records).getBigUint64(0, true)))).toEqual(
      [0, 1, 2].map((batch) => (INITIAL_CREDITS + batch) * BATCH_RECORDS + 1),
    );
  });

  it('reads no more than a million records ahead, however small their batches', () => {
    port.follow([disk('a')], buffer);
    trace('a').waiting = 400 * BATCH_RECORDS;
    port.poll(buffer);
    expect(trace('a').waiting).toBe((400 - INITIAL_CREDITS) * BATCH_RECORDS - 1_048_576);
    expect(port.poll(buffer)).toBe(0);
    // One at a time, to a window that has not drawn anything for long.
    port = new FeedPort(
      { postMessage: (message) => sent.push(message) },
      (one) => new TraceSource(one, () => trace('b'), pack),
    );
    port.follow([disk('b')], buffer);
    let polls = 0;
    do {
      trace('b').waiting = 1;
      port.poll(buffer);
    } while (trace('b').waiting === 0 && ++polls < 5000);
    expect(polls).toBe(INITIAL_CREDITS + 1024);
  });

  it('gives every disk its turn while one is too busy for the credits', () => {
    trace('a').waiting = 100 * BATCH_RECORDS;
    trace('b').waiting = 10;
    port.follow([disk('a'), disk('b', 2)], buffer);
    port.poll(buffer);
    expect(batches().filter((batch) => batch.disk === 'b')).toHaveLength(1);
  });

  it('reports records that were lost even when none are left to send', () => {
    trace('a').overrun = 12n;
    port.follow([disk('a')], buffer);
    port.poll(buffer);
    expect(batches()).toMatchObject([{ count: 0, lost: 12n }]);
  });

  it('sends the last records of a disk that left, then says that it is closed', () => {
    port.follow([disk('a'), disk('b', 2)], buffer);
    port.poll(buffer);
    trace('a').waiting = 2;
    port.follow([disk('b', 2)], buffer);
    expect(sent.slice(-2)).toMatchObject([
      { type: 'batch', disk: 'a', count: 2 },
      { type: 'closed', disk: 'a' },
    ]);
    expect(trace('a').isShut).toBe(true);
    expect(trace('b').isShut).toBe(false);
  });

  it('drains a closed trace once and then leaves it alone', () => {
    port.follow([disk('a')], buffer);
    trace('a').closed = true;
    trace('a').waiting = 1;
    expect(port.poll(buffer)).toBe(1);
    expect(port.poll(buffer)).toBe(0);
    trace('a').waiting = 1; // cannot happen: shows that it is not read any more
    expect(port.poll(buffer)).toBe(0);
  });

  it('waits for a trace file that is not there yet', () => {
    port.follow([disk('late')], buffer);
    expect(port.poll(buffer)).toBe(0);
    expect(sent).toEqual([]);
    traces.set('/traces/late', new Trace());
    trace('late').waiting = 1;
    expect(port.poll(buffer)).toBe(1);
  });

  it('opens the trace anew when a disk comes back under the same name', () => {
    port.follow([disk('a')], buffer);
    port.poll(buffer);
    traces.set('/traces/a-2', new Trace());
    port.follow([{ ...disk('a'), tracePath: '/traces/a-2' }], buffer);
    port.poll(buffer);
    expect(sent.map(({ type }) => type)).toEqual(['opened', 'closed', 'opened']);
  });

  it('refuses a message outside the contract', () => {
    expect(() => port.receive({ type: 'credit', batches: -1 })).toThrow('outside the contract');
    expect(() => port.receive('credit')).toThrow('outside the contract');
  });

  it('lets a throwing port be known to its owner', () => {
    const broken = new FeedPort(
      {
        postMessage: () => {
          throw new Error('could not be cloned');
        },
      },
      (one) => new TraceSource(one, () => new Trace(), pack),
    );
    broken.follow([disk('a')], buffer);
    expect(() => broken.poll(buffer)).toThrow('could not be cloned');
  });
});

describe('the pace of the feed', () => {
  it('is that of a screen while records come, and ten times a second at rest', () => {
    const pace = new Pace();
    expect(pace.next(5)).toBe(16);
    for (let poll = 0; poll < 30; poll++) expect(pace.next(0)).toBe(16);
    for (let poll = 0; poll < 30; poll++) pace.next(0);
    expect(pace.next(0)).toBe(100);
    expect(pace.next(1)).toBe(16);
  });
});
