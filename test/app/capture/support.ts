/** Records made up for captures: every field differs, and sectors are as large as they may be. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { NativeAddon } from '../../../app/addon/addon';
import type { CaptureHeader } from '../../../app/capture/header';
import type { CaptureWriter } from '../../../app/capture/writer';
import { RECORD_BYTES } from '../../../app/contract/trace';
import { bytes, nanoseconds } from '../../../app/contract/units';
import { bioscopeTraceRecordOffsets as at } from '../../../app/contract/wire.gen';
import { projectDirectory } from '../../support/project';

export const nativeAddonPath =
  process.env['BIOSCOPE_ADDON'] ?? join(projectDirectory, 'dist/bioscope.node');
export const addon = createRequire(nativeAddonPath)(nativeAddonPath) as NativeAddon;
export const checksum = (data: Uint8Array, before: number) => addon.crc32c(data, before);

export const header: CaptureHeader = {
  program: 'bioscope test',
  name: 'disk.img',
  imagePath: '/images/disk.img',
  device: '/dev/loop7',
  size: bytes(1n << 40n),
  readOnly: false,
  route: 'fuse-loop',
  payloads: 'all',
  epochMonotonicNs: nanoseconds(1_000_000_000n),
  epochRealtimeNs: nanoseconds(1_700_000_000_000_000_000n),
  startedAt: nanoseconds(1_700_000_000_000_000_000n),
};

export interface RecordFields {
  readonly sequence: bigint;
  readonly arrival: bigint;
  readonly completion: bigint;
  readonly sector: bigint;
  readonly length: bigint;
  readonly flags?: number;
  readonly backendDelay?: number;
  readonly queue?: number;
  readonly depth?: number;
  readonly error?: number;
  readonly operation: number;
  readonly result?: number;
  readonly route?: number;
  readonly marks?: number;
  readonly disk?: number;
}

export function recordsOf(list: readonly RecordFields[]): ArrayBuffer {
  const records = new ArrayBuffer(list.length * RECORD_BYTES);
  list.forEach((fields, index) => {
    const view = new DataView(records, index * RECORD_BYTES, RECORD_BYTES);
    view.setBigUint64(at.sequence, fields.sequence, true);
    view.setBigUint64(at.arrivalNs, fields.arrival, true);
    view.setBigUint64(at.completionNs, fields.completion, true);
    view.setBigUint64(at.sector, fields.sector, true);
    view.setBigUint64(at.length, fields.length, true);
    view.setUint32(at.flags, fields.flags ?? 0, true);
    view.setUint32(at.backendDelayNs, fields.backendDelay ?? 0, true);
    view.setUint16(at.queue, fields.queue ?? 0, true);
    view.setUint16(at.depth, fields.depth ?? 1, true);
    view.setUint16(at.error, fields.error ?? 0, true);
    view.setUint8(at.operation, fields.operation);
    view.setUint8(at.result, fields.result ?? 0);
    view.setUint8(at.route, fields.route ?? 1);
    view.setUint8(at.marks, fields.marks ?? 0);
    view.setUint32(at.disk, fields.disk ?? 3, true);
  });
  return records;
}

/** `count` records with sequences from `first`; no field is a constant. */
export function madeUp(first: number, count: number): ArrayBuffer {
  const list: RecordFields[] = [];
  for (let index = 0; index < count; index++) {
    const sequence = BigInt(first + index);
    const arrival = 1_000_000_000n + sequence * 10_000n;
    list.push({
      sequence,
      arrival,
      completion: arrival + 500n + (sequence % 97n) * 1_000n,
      sector: sequence % 5n === 0n ? (1n << 52n) + sequence : (sequence * 8n) % 1_000_000n,
      length: (1n + (sequence % 16n)) * 4096n,
      flags: Number(sequence % 2n) * 8 + Number(sequence % 3n) * 16,
      backendDelay: Number(sequence % 1000n),
      queue: Number(sequence % 4n),
      depth: 1 + Number(sequence % 32n),
      operation: Number(sequence % 4n),
      ...(sequence % 101n === 0n ? { error: 5, result: 1 } : {}),
      marks: Number(sequence % 2n),
    });
  }
  return recordsOf(list);
}

/** Puts records into a writer, waiting whenever the disk is behind. */
export async function addAll(
  writer: CaptureWriter,
  records: ArrayBuffer,
  payloads: readonly (Uint8Array | null)[] = [],
): Promise<void> {
  const count = records.byteLength / RECORD_BYTES;
  for (let done = 0; done < count;) {
    const staging = writer.staging;
    if (staging === null) {
      await writer.idle();
      continue;
    }
    const some = Math.min(count - done, staging.rowsLeft, payloads.length > 0 ? 1 : Infinity);
    const payload = payloads[done] ?? null;
    if (payload) {
      new Uint8Array(staging.payload).set(payload, staging.payloadBytes);
      staging.payloadBytes += payload.length;
    }
    const lengths = payloads.length > 0 ? Int32Array.of(payload ? payload.length : -1) : null;
    staging.add(records, done, some, lengths);
    done += some;
    if (staging.rowsLeft === 0 || staging.payloadBytes > 4 << 20) {
      while (!writer.flush()) await writer.idle();
    }
  }
}
