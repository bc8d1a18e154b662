/**
 * What blktrace would have saved of the requests: `blkparse -i NAME` and btt read
 * it. One file, NAME.blktrace.0: events must be in the order of time in each, and
 * which CPU it was is not known here. Each request is queued (Q) at its arrival,
 * issued (D) when its image was called, and complete (C) at its end.
 */
import { operationWord, type OperationFamily, type TraceRecord } from '../../contract/trace';
import {
  DM_USER_FLAG_FUA,
  DM_USER_FLAG_META,
  DM_USER_FLAG_PREFLUSH,
  DM_USER_FLAG_RAHEAD,
  DM_USER_FLAG_SYNC,
} from '../../contract/wire.gen';
import {
  CATEGORY_SHIFT,
  EVENT_BYTES,
  EVENT_MAGIC,
  blkAction,
  blkCategory as category,
  eventAt,
} from '../blktrace-format';
import type { CaptureFile } from '../file';
import { momentsOf, type MomentKind } from './moments';
import type { Output } from './output';

const SECOND = 1_000_000_000n;
/** Bits of a device number below the major. */
const MINOR_BITS = 20;
const LOOP_MAJOR = 7;
/** One of those that Linux leaves to local use. */
const LOCAL_MAJOR = 240;
/** An event has 32 bits for the bytes of its request: these are the most whole sectors. */
const MOST_BYTES = 0xffff_fe00n;

const actions: Readonly<Record<MomentKind, number>> = {
  arrival: blkAction.queue | (category.queue << CATEGORY_SHIFT),
  issue: blkAction.issue | (category.issue << CATEGORY_SHIFT),
  completion: blkAction.complete | (category.complete << CATEGORY_SHIFT),
};

const directions: Readonly<Record<OperationFamily, number>> = {
  read: category.read,
  write: category.write,
  flush: category.write | category.flush,
  discard: category.write | category.discard,
  zeroes: category.write,
  zone: category.write,
};

const flagCategories = [
  [DM_USER_FLAG_SYNC, category.sync],
  [DM_USER_FLAG_META, category.meta],
  [DM_USER_FLAG_FUA, category.fua],
  [DM_USER_FLAG_PREFLUSH, category.flush],
  [DM_USER_FLAG_RAHEAD, category.ahead],
] as const;

function actionOf(kind: MomentKind, { operation, flags }: TraceRecord): number {
  let what = directions[operationWord(operation).family];
  for (const [flag, bit] of flagCategories) if ((flags & flag) !== 0) what |= bit;
  return actions[kind] | (what << CATEGORY_SHIFT);
}

function deviceNumber(device: string | null): number {
  const [, loop] = /^\/dev\/loop(\d+)$/.exec(device ?? '') ?? [];
  return ((loop === undefined ? LOCAL_MAJOR : LOOP_MAJOR) << MINOR_BITS) | Number(loop ?? 0);
}

export function writeBlktrace(
  { header }: CaptureFile,
  requests: Iterable<TraceRecord>,
  output: Output,
): string[] {
  const device = deviceNumber(header.device);
  const event = Buffer.alloc(EVENT_BYTES);
  let number = 0;
  const put = (time: bigint, action: number, record: TraceRecord | null, data: Uint8Array) => {
    event.writeUInt32LE(EVENT_MAGIC, eventAt.magic);
    event.writeUInt32LE(++number >>> 0, eventAt.sequence);
    event.writeBigUInt64LE(time, eventAt.time);
    event.writeBigUInt64LE(record?.sector ?? 0n, eventAt.sector);
    event.writeUInt32LE(Number(shortened(record?.length ?? 0n)), eventAt.bytes);
    event.writeUInt32LE(action >>> 0, eventAt.action);
    event.writeUInt32LE(0, eventAt.pid);
    event.writeUInt32LE(record ? device : 0, eventAt.device);
    event.writeUInt32LE(0, eventAt.cpu);
    event.writeUInt16LE(
      record && (action & 0xffff) === blkAction.complete ? -record.error & 0xffff : 0,
      eventAt.error,
    );
    event.writeUInt16LE(data.length, eventAt.dataLength);
    output.write(event);
    output.write(data);
  };
  let start: bigint | null = null;
  let latest = 0n;
  let longer = 0;
  for (const { time, kind, record } of momentsOf(requests)) {
    if (start === null) {
      start = time;
      const realtime = time - header.epochMonotonicNs + header.epochRealtimeNs;
      const clock = Buffer.alloc(8);
      clock.writeUInt32LE(Number(BigInt.asUintN(32, realtime / SECOND)), 0);
      clock.writeUInt32LE(Number(BigInt.asUintN(32, realtime % SECOND)), 4);
      put(0n, blkAction.timestamp | (category.notify << CATEGORY_SHIFT), null, clock);
    }
    // Nothing is before the event before it, whatever the clocks of the capture say.
    if (time - start > latest) latest = time - start;
    put(latest, actionOf(kind, record), record, new Uint8Array(0));
    if (kind === 'arrival' && record.length > MOST_BYTES) longer++;
  }
  return longer === 0
    ? []
    : [`${longer} requests of 4 GiB and more are shorter there: its events have 32 bits for them.`];
}

const shortened = (length: bigint): bigint => (length > MOST_BYTES ? MOST_BYTES : length);
