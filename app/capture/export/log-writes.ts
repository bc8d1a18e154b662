/**
 * The log of dm-log-writes (the kernel's Documentation/admin-guide/device-mapper/
 * log-writes.rst): what `replay-log` replays up to any flush. Sectors of 512 bytes:
 * a superblock, then for each entry a sector that describes it and its data.
 *
 * The order is the kernel's: a write stands before the first flush that arrived
 * after the write had completed; with FUA it stands where it completed.
 */
import { BioscopeError } from '../../contract/errors';
import { operationWord, type TraceRecord } from '../../contract/trace';
import { SECTOR_BYTES } from '../../contract/units';
import { DM_USER_FLAG_FUA, DM_USER_FLAG_META } from '../../contract/wire.gen';
import type { CaptureFile } from '../file';
import { momentsOf } from './moments';
import type { Output } from './output';

const MAGIC = 0x6a736677736872n;
const VERSION = 1n;
const FLUSH = 1;
const FUA = 2;
const DISCARD = 4;
const METADATA = 16;

/** Throws PAYLOAD_RANGE when a write's bytes are not in the capture. */
export function writeLogWrites(
  file: CaptureFile,
  requests: Iterable<TraceRecord>,
  output: Output,
): string[] {
  const log = new Log(file, output);
  /** Completed since the last flush arrived. */
  let unflushed: TraceRecord[] = [];
  /** What each flush under way makes durable. */
  const flushes = new Map<bigint, readonly TraceRecord[]>();
  for (const { kind, record } of momentsOf(requests)) {
    if (record.error !== 0 || record.result !== 0) continue;
    const { family } = operationWord(record.operation);
    if (family === 'flush') {
      if (kind === 'arrival') {
        flushes.set(record.sequence, unflushed);
        unflushed = [];
      } else if (kind === 'completion') {
        for (const write of flushes.get(record.sequence) ?? []) log.append(write);
        flushes.delete(record.sequence);
        log.append(record);
      }
    } else if (kind === 'completion' && ['write', 'discard', 'zeroes'].includes(family)) {
      if ((record.flags & DM_USER_FLAG_FUA) !== 0) log.append(record);
      else unflushed.push(record);
    }
  }
  // Not durable, but written: the whole log gives what the disk held at the end.
  for (const write of unflushed) log.append(write);
  log.finish();
  return log.zeroes > 0
    ? [`${log.zeroes} "write zeroes" stand as discards, which is what the format has for them.`]
    : [];
}

class Log {
  zeroes = 0;
  private readonly file: CaptureFile;
  private readonly output: Output;
  private entries = 0n;

  constructor(file: CaptureFile, output: Output) {
    this.file = file;
    this.output = output;
    output.write(new Uint8Array(SECTOR_BYTES));
  }

  append({ sequence, operation, sector, length, flags }: TraceRecord): void {
    const { family } = operationWord(operation);
    const entry = new Uint8Array(SECTOR_BYTES);
    const view = new DataView(entry.buffer);
    const isData = family === 'write';
    const isErase = family === 'discard' || family === 'zeroes';
    if (family === 'zeroes') this.zeroes++;
    const kind =
      (family === 'flush' ? FLUSH : 0) |
      (isErase ? DISCARD : 0) |
      ((flags & DM_USER_FLAG_FUA) !== 0 ? FUA : 0) |
      ((flags & DM_USER_FLAG_META) !== 0 ? METADATA : 0);
    view.setBigUint64(0, family === 'flush' ? 0n : sector, true);
    view.setBigUint64(8, length / BigInt(SECTOR_BYTES), true);
    view.setBigUint64(16, BigInt(kind), true);
    // data_len is the length of a mark's text; marks are not of the disk's making.
    view.setBigUint64(24, 0n, true);
    const payload = isData ? this.file.readPayload(sequence, 0, Number(length)) : null;
    if (isData && payload?.total !== Number(length)) {
      throw new BioscopeError(
        'PAYLOAD_RANGE',
        `${this.file.path} lacks the bytes of request ${sequence}, a write: a log of writes needs all of them. Record with --payloads writes.`,
      );
    }
    this.output.write(entry);
    if (payload) this.output.write(payload.bytes);
    this.entries++;
  }

  finish(): void {
    const superblock = new Uint8Array(SECTOR_BYTES);
    const view = new DataView(superblock.buffer);
    view.setBigUint64(0, MAGIC, true);
    view.setBigUint64(8, VERSION, true);
    view.setBigUint64(16, this.entries, true);
    view.setUint32(24, SECTOR_BYTES, true);
    this.output.patch(superblock, 0);
  }
}
