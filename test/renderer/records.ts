/** Trace records made for tests: the words of native/wire/trace.h. */
import { bioscopeTraceRecordOffsets as at } from '../../app/contract/wire.gen';

export interface MadeRecord {
  sequence: number | bigint;
  arrival?: bigint;
  completion?: bigint;
  sector?: number | bigint;
  length?: number | bigint;
  flags?: number;
  backendDelay?: number;
  queue?: number;
  depth?: number;
  error?: number;
  operation?: number;
  result?: number;
  marks?: number;
  disk?: number;
}

export function writeRecord(view: DataView, offset: number, record: MadeRecord): void {
  const arrival = record.arrival ?? BigInt(record.sequence) * 1000n;
  view.setBigUint64(offset + at.sequence, BigInt(record.sequence), true);
  view.setBigUint64(offset + at.arrivalNs, arrival, true);
  view.setBigUint64(offset + at.completionNs, record.completion ?? arrival + 500n, true);
  view.setBigUint64(offset + at.sector, BigInt(record.sector ?? 0), true);
  view.setBigUint64(offset + at.length, BigInt(record.length ?? 4096), true);
  view.setUint32(offset + at.flags, record.flags ?? 0, true);
  view.setUint32(offset + at.backendDelayNs, record.backendDelay ?? 0, true);
  view.setUint16(offset + at.queue, record.queue ?? 0, true);
  view.setUint16(offset + at.depth, record.depth ?? 1, true);
  view.setUint16(offset + at.error, record.error ?? 0, true);
  view.setUint8(offset + at.operation, record.operation ?? 0);
  view.setUint8(offset + at.result, record.result ?? 0);
  view.setUint8(offset + at.route, 1);
  view.setUint8(offset + at.marks, record.marks ?? 0);
  view.setUint32(offset + at.disk, record.disk ?? 1, true);
}

/** The records as one batch. */
export function batchOf(records: readonly MadeRecord[]): ArrayBuffer {
  const buffer = new ArrayBuffer(records.length * at.size);
  const view = new DataView(buffer);
  records.forEach((record, index) => writeRecord(view, index * at.size, record));
  return buffer;
}
