/** Records and payloads that wait to be written as one batch. */
import { RECORD_BYTES } from '../contract/trace';
import { bioscopeTraceRecordOffsets as at } from '../contract/wire.gen';

/** Records in a batch at most: few enough to be quick to open one, enough to make its head cheap. */
export const BATCH_ROWS = 65_536;
/** Bytes of payload in a batch at most; a single payload is never longer than 1 MiB and a little. */
export const BATCH_PAYLOAD_BYTES = 8 * 1024 * 1024;

export class Staging {
  readonly records = new ArrayBuffer(BATCH_ROWS * RECORD_BYTES);
  /** Length of each row's payload; -1 where there is none. */
  readonly lengths = new Int32Array(BATCH_ROWS);
  rows = 0;
  payloadBytes = 0;
  lost = 0;
  payloadsDropped = 0;
  /** When the first row came, performance.now(). */
  since = 0;
  private payloadRoom: ArrayBuffer | null = null;

  /** Made when first needed: a recording without payloads does without. */
  get payload(): ArrayBuffer {
    return (this.payloadRoom ??= new ArrayBuffer(BATCH_PAYLOAD_BYTES));
  }

  get isEmpty(): boolean {
    return this.rows === 0 && this.lost === 0;
  }

  get rowsLeft(): number {
    return BATCH_ROWS - this.rows;
  }

  /**
   * Takes `count` records from number `first` of `records` on, with the lengths
   * of their payloads, whose bytes are in `payload` already. There must be room.
   */
  add(records: ArrayBuffer, first: number, count: number, lengths: Int32Array | null): void {
    if (this.isEmpty) this.since = performance.now();
    new Uint8Array(this.records).set(
      new Uint8Array(records, first * RECORD_BYTES, count * RECORD_BYTES),
      this.rows * RECORD_BYTES,
    );
    if (lengths) this.lengths.set(lengths.subarray(0, count), this.rows);
    else this.lengths.fill(-1, this.rows, this.rows + count);
    this.rows += count;
  }

  /** Counts requests that were lost before the next row. */
  addLost(count: number): void {
    if (this.isEmpty) this.since = performance.now();
    this.lost += count;
  }

  /** Lowest and highest sequence. */
  range(): { first: bigint; last: bigint } {
    const words = new Uint32Array(this.records);
    const stride = RECORD_BYTES / 4;
    const sequence = at.sequence / 4;
    // Exact below 2^53, which no disk gets to.
    let first = Infinity;
    let last = 0;
    for (let row = 0; row < this.rows; row++) {
      const low = row * stride + sequence;
      const number = (words[low + 1] ?? 0) * 0x1_0000_0000 + (words[low] ?? 0);
      if (number < first) first = number;
      if (number > last) last = number;
    }
    return { first: BigInt(this.rows === 0 ? 0 : first), last: BigInt(last) };
  }

  clear(): void {
    this.rows = 0;
    this.payloadBytes = 0;
    this.lost = 0;
    this.payloadsDropped = 0;
  }
}
