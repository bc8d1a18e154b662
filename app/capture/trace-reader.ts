/** A capture read like a trace file that is closed: what follows a live trace can follow this. */
import type { NativeTraceReader } from '../addon/addon';
import { RECORD_BYTES } from '../contract/trace';
import { bioscopeTraceRecordOffsets as at } from '../contract/wire.gen';
import type { CaptureFile } from './file';

const WORDS = RECORD_BYTES / 4;

export class CaptureTraceReader implements NativeTraceReader {
  readonly ringCount = 1;
  readonly daemonPid = 0;
  readonly closed = true;
  readonly diskNumber: number;
  private readonly file: CaptureFile;
  private batch = 0;
  private row = 0;

  /** The file is closed with the reader. `diskNumber`: what the records say. */
  constructor(file: CaptureFile, diskNumber: number) {
    this.file = file;
    this.diskNumber = diskNumber;
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

  /** Of one batch at a time; blocks while it reads. Throws CAPTURE_DAMAGED. */
  read(target: ArrayBuffer): { readonly count: number; readonly lost: bigint } {
    const room = Math.floor(target.byteLength / RECORD_BYTES);
    let lost = 0n;
    for (;;) {
      const head = this.file.batches[this.batch]?.head;
      if (!head) return { count: 0, lost };
      if (this.row === 0) lost += BigInt(head.lost);
      const count = Math.min(room, head.rows - this.row);
      if (count > 0) this.file.copyRecords(this.batch, this.row, count, target, this.diskNumber);
      this.row += count;
      if (this.row === head.rows) {
        this.batch++;
        this.row = 0;
      }
      if (count === 0) continue;
      sortBySequence(target, count);
      return { count, lost };
    }
  }

  close(): void {
    this.file.close();
  }
}

/** Requests that were in flight together complete, and are recorded, out of order. */
export function sortBySequence(records: ArrayBuffer, count: number): void {
  const words = new Uint32Array(records, 0, count * WORDS);
  const sequences = new Float64Array(count);
  let isSorted = true;
  for (let row = 0; row < count; row++) {
    const low = row * WORDS + at.sequence / 4;
    // Exact below 2^53, which no disk gets to.
    sequences[row] = (words[low + 1] ?? 0) * 0x1_0000_0000 + (words[low] ?? 0);
    if (row > 0 && (sequences[row] ?? 0) < (sequences[row - 1] ?? 0)) isSorted = false;
  }
  if (isSorted) return;
  const order = Uint32Array.from(sequences, (_, row) => row);
  order.sort((left, right) => (sequences[left] ?? 0) - (sequences[right] ?? 0));
  const copy = words.slice();
  order.forEach((from, to) => {
    words.set(copy.subarray(from * WORDS, (from + 1) * WORDS), to * WORDS);
  });
}
