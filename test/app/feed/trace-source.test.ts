import { expect, it } from 'vitest';
import type { NativeTraceReader } from '../../../app/addon/addon';
import { BATCH_RECORDS, isFeedMessage } from '../../../app/contract/feed';
import { RECORD_BYTES } from '../../../app/contract/trace';
import { diskId } from '../../../app/contract/units';
import { TraceSource, batchBuffer } from '../../../app/feed/trace-source';
import { unpackRecords } from '../../support/packed-columns';
import { addon } from '../capture/support';

/** Whose records have a value of their own in each byte but those of the disk. */
class Trace implements NativeTraceReader {
  readonly diskNumber = 3;
  readonly ringCount = 1;
  readonly ringCapacity = 65536n;
  readonly epochMonotonicNs = 0n;
  readonly epochRealtimeNs = 0n;
  readonly daemonPid = 1;
  readonly closed = false;
  private isRead = false;

  read(target: ArrayBuffer) {
    if (this.isRead) return { count: 0, lost: 0n };
    this.isRead = true;
    new Uint8Array(target).set(records);
    return { count: BATCH_RECORDS, lost: 0n };
  }
  close() {
    this.isRead = true;
  }
}

const records = Uint8Array.from({ length: BATCH_RECORDS * RECORD_BYTES }, (_, at) => {
  const offset = at % RECORD_BYTES;
  // Nothing is recorded in the last bytes but the disk's number.
  if (offset >= RECORD_BYTES - 6) return offset === RECORD_BYTES - 4 ? 3 : 0;
  return (Math.floor(at / RECORD_BYTES) * 31 + offset * 7) & 255;
});

it('what a trace gives comes out of the columns that the window gets, byte for byte', () => {
  const disk = { id: diskId('a'), number: 3, tracePath: '/a', isCapture: false };
  const source = new TraceSource(disk, () => new Trace(), addon.makeRecordPacker());
  source.begin();
  const batch = source.next(batchBuffer());
  if (batch?.type !== 'packed') throw new Error('the batch is not packed');
  expect(isFeedMessage(batch)).toBe(true);
  expect(batch.packed.byteLength).toBeLessThan(records.byteLength);
  expect(Buffer.compare(unpackRecords(batch.packed, BATCH_RECORDS, 3), records)).toBe(0);
});
