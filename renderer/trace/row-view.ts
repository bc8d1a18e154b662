/**
 * One row of a frame, read in place: a single object is moved from row to row,
 * so that drawing makes no garbage. 64-bit fields are numbers here, exact below
 * 2^53; the inspector decodes the selected record exactly.
 */
import { LITTLE_ENDIAN, RECORD_BYTES } from '../../app/contract/trace';
import { bioscopeTraceRecordOffsets as at } from '../../app/contract/wire.gen';
import type { Frame, ShownGap } from './worker/protocol';

const HIGH = 0x1_0000_0000;
const noRecords = new DataView(new ArrayBuffer(0));

export class RowView {
  #data = noRecords;
  #offset = 0;
  #epoch = 0n;
  #gone: readonly number[] = [];
  #gaps: Frame['gaps'] = [];
  #from = 0;

  /** Reads the rows of `frame` from now on. */
  open(frame: Frame): void {
    this.openRecords(frame.records, frame.epochMonotonicNs);
    this.#gone = frame.gone;
    this.#gaps = frame.gaps;
    this.#from = frame.from;
  }

  openRecords(records: ArrayBuffer, epochMonotonicNs: bigint): void {
    this.#data = new DataView(records);
    this.#epoch = epochMonotonicNs;
    this.#offset = 0;
    this.#gone = [];
    this.#gaps = [];
  }

  /** Moves to the row `index` of the frame. */
  at(index: number): this {
    this.#offset = index * RECORD_BYTES;
    return this;
  }

  /** The row has left since it was sorted: only its sequence is known. */
  get isGone(): boolean {
    return this.#gone.length > 0 && this.#gone.includes(this.#offset / RECORD_BYTES);
  }

  /** The line of a gap is here, and no row: there is no record. */
  get gap(): ShownGap | null {
    if (this.#gaps.length === 0) return null;
    const ordinal = this.#from + this.#offset / RECORD_BYTES;
    return this.#gaps.find((gap) => gap.ordinal === ordinal) ?? null;
  }

  #wide(field: number): number {
    const low = this.#data.getUint32(this.#offset + field, LITTLE_ENDIAN);
    return this.#data.getUint32(this.#offset + field + 4, LITTLE_ENDIAN) * HIGH + low;
  }

  get sequence(): number {
    return this.#wide(at.sequence);
  }

  /** Nanoseconds since the disk's trace began. */
  get time(): number {
    const arrival = this.#data.getBigUint64(this.#offset + at.arrivalNs, LITTLE_ENDIAN);
    return Number(arrival - this.#epoch);
  }

  /** Nanoseconds from arrival to completion. */
  get latency(): number {
    const arrival = this.#data.getBigUint64(this.#offset + at.arrivalNs, LITTLE_ENDIAN);
    const completion = this.#data.getBigUint64(this.#offset + at.completionNs, LITTLE_ENDIAN);
    return Number(completion - arrival);
  }

  get sector(): number {
    return this.#wide(at.sector);
  }

  /** Bytes. */
  get length(): number {
    return this.#wide(at.length);
  }

  get flags(): number {
    return this.#data.getUint32(this.#offset + at.flags, LITTLE_ENDIAN);
  }

  /** Nanoseconds from arrival to the call of the backend. */
  get wait(): number {
    return this.#data.getUint32(this.#offset + at.backendDelayNs, LITTLE_ENDIAN);
  }

  get queue(): number {
    return this.#data.getUint16(this.#offset + at.queue, LITTLE_ENDIAN);
  }

  get depth(): number {
    return this.#data.getUint16(this.#offset + at.depth, LITTLE_ENDIAN);
  }

  get error(): number {
    return this.#data.getUint16(this.#offset + at.error, LITTLE_ENDIAN);
  }

  get operation(): number {
    return this.#data.getUint8(this.#offset + at.operation);
  }

  get result(): number {
    return this.#data.getUint8(this.#offset + at.result);
  }

  get marks(): number {
    return this.#data.getUint8(this.#offset + at.marks);
  }
}
