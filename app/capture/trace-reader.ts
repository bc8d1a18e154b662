/** A capture read like a trace file that is closed: what follows a live trace can follow this. */
import type { NativeTraceReader } from '../addon/addon';
import { BioscopeError } from '../contract/errors';
import { RECORD_BYTES } from '../contract/trace';
import { bioscopeTraceRecordOffsets as at } from '../contract/wire.gen';
import { readError } from './capture-errors';
import type { CaptureFile } from './file';
import { orderBySequence } from './order';

const WORDS = RECORD_BYTES / 4;

export class CaptureTraceReader implements NativeTraceReader {
  readonly ringCount = 1;
  readonly daemonPid = 0;
  readonly closed = true;
  readonly diskNumber: number;
  private readonly file: CaptureFile;
  private readonly damaged: 'throw' | 'skip';
  private batch = 0;
  private row = 0;

  /**
   * The file is closed with the reader. `diskNumber`: what the records say.
   * `damaged`: of a batch that cannot be read; skipped, its rows count as lost.
   */
  constructor(file: CaptureFile, diskNumber: number, damaged: 'throw' | 'skip' = 'throw') {
    this.file = file;
    this.diskNumber = diskNumber;
    this.damaged = damaged;
  }

  get ringCapacity(): bigint {
    return BigInt(this.file.totals.rows);
  }

  get epochMonotonicNs(): bigint {
    return this.file.header.epochMonotonicNs;
  }

  get epochRealtimeNs(): bigint {
    return this.file.header.epochRealtimeNs;
  }

  /** Of one batch at a time; blocks while it reads. Throws CAPTURE_DAMAGED unless it skips. */
  read(target: ArrayBuffer): { readonly count: number; readonly lost: bigint } {
    const room = Math.floor(target.byteLength / RECORD_BYTES);
    let lost = 0n;
    for (;;) {
      const head = this.file.batches[this.batch]?.head;
      if (!head) return { count: 0, lost };
      if (this.row === 0) lost += BigInt(head.lost);
      const count = Math.min(room, head.rows - this.row);
      const isRead = count > 0 && this.copy(count, target);
      if (count > 0 && !isRead) lost += BigInt(head.rows - this.row);
      this.row = isRead ? this.row + count : head.rows;
      if (this.row === head.rows) {
        this.batch++;
        this.row = 0;
      }
      if (!isRead) continue;
      sortBySequence(target, count);
      return { count, lost };
    }
  }

  close(): void {
    this.file.close();
  }

  /** False when the batch cannot be read and is to be skipped. */
  private copy(count: number, target: ArrayBuffer): boolean {
    try {
      this.file.copyRecords(this.batch, this.row, count, target, this.diskNumber);
      return true;
    } catch (thrown) {
      const error = readError(this.file.path, thrown);
      if (this.damaged === 'skip' && error instanceof BioscopeError) return false;
      throw error;
    }
  }
}

/** In place. */
function sortBySequence(records: ArrayBuffer, count: number): void {
  const words = new Uint32Array(records, 0, count * WORDS);
  const order = orderBySequence(words, at.sequence / 4, WORDS, count);
  if (order === null) return;
  const copy = words.slice();
  order.forEach((from, to) => {
    words.set(copy.subarray(from * WORDS, (from + 1) * WORDS), to * WORDS);
  });
}
