/**
 * The feed's port: trace records from the feed process to a worker of the
 * renderer, in whole ArrayBuffers (copied: processes share no buffers), with
 * credits so that a slow window never piles up memory. Constructed and checked
 * on both ends with `isFeedMessage` / `isFeedRequest`, since a port carries
 * buffers at rates where a schema a message would cost too much a record, but
 * not a message.
 */
import { arePackedColumns } from './packed-columns';
import type { DiskId } from './units';

/** Records in one batch at most: 512 KiB of records, less than half of that packed. */
export const BATCH_RECORDS = 8192;
/** Batches (or pieces of captures) a reader may be owed before it returns credits. */
export const INITIAL_CREDITS = 8;

interface PackedRecords {
  readonly disk: DiskId;
  /** `rows` records as packed columns (packed-columns.ts), ascending by sequence. */
  readonly packed: ArrayBuffer;
  readonly rows: number;
  /**
   * Records missing just before these: of a disk as with 'batch'; of a capture those lost
   * while it was recorded, and those of its parts that cannot be read.
   */
  readonly lost: bigint;
}

/** Feed → worker. */
export type FeedMessage =
  | {
      readonly type: 'opened';
      readonly disk: DiskId;
      readonly number: number;
      /** Clocks of the trace file: realtime = ns - monotonic + realtime. */
      readonly epochMonotonicNs: bigint;
      readonly epochRealtimeNs: bigint;
    }
  | {
      readonly type: 'batch';
      readonly disk: DiskId;
      /** `count` records of 64 bytes (native/wire/trace.h), ascending by sequence within the batch. */
      readonly records: ArrayBuffer;
      readonly count: number;
      /** Records this reader missed just before this batch because the rings had wrapped. */
      readonly lost: bigint;
    }
  /** A batch of many records. */
  | ({ readonly type: 'packed' } & PackedRecords)
  /** A piece of a capture, which has columns already. */
  | ({ readonly type: 'columns' } & PackedRecords)
  | { readonly type: 'closed'; readonly disk: DiskId };

/** Worker → feed: `batches` more may be sent. */
export interface FeedRequest {
  readonly type: 'credit';
  readonly batches: number;
}

/** Main → feed process. A MessagePort comes along with `port`. */
export type FeedCommand =
  | {
      readonly type: 'disks';
      readonly disks: readonly {
        readonly id: DiskId;
        readonly number: number;
        readonly tracePath: string;
        /** tracePath is a capture: it is read to its end, and that is all. */
        readonly isCapture: boolean;
      }[];
    }
  | { readonly type: 'port' };

function hasType(value: unknown): value is { type: unknown } & Record<string, unknown> {
  return typeof value === 'object' && value !== null && 'type' in value;
}

export function isFeedCommand(value: unknown): value is FeedCommand {
  if (!hasType(value)) return false;
  const { disks } = value;
  return (
    value.type === 'port' ||
    (value.type === 'disks' &&
      Array.isArray(disks) &&
      disks.every(
        (disk: unknown) =>
          typeof disk === 'object' &&
          disk !== null &&
          'id' in disk &&
          typeof disk.id === 'string' &&
          'number' in disk &&
          Number.isInteger(disk.number) &&
          'tracePath' in disk &&
          typeof disk.tracePath === 'string' &&
          'isCapture' in disk &&
          typeof disk.isCapture === 'boolean',
      ))
  );
}

export function isFeedMessage(value: unknown): value is FeedMessage {
  if (!hasType(value) || typeof value['disk'] !== 'string') return false;
  if (value.type === 'closed') return true;
  if (value.type === 'opened') {
    return (
      Number.isInteger(value['number']) &&
      typeof value['epochMonotonicNs'] === 'bigint' &&
      typeof value['epochRealtimeNs'] === 'bigint'
    );
  }
  const { lost } = value;
  if (value.type === 'packed' || value.type === 'columns') {
    const { packed, rows } = value;
    return (
      packed instanceof ArrayBuffer &&
      typeof rows === 'number' &&
      arePackedColumns(packed, rows) &&
      typeof lost === 'bigint'
    );
  }
  const { records, count } = value;
  return (
    value.type === 'batch' &&
    records instanceof ArrayBuffer &&
    typeof count === 'number' &&
    Number.isInteger(count) &&
    count >= 0 &&
    count * 64 <= records.byteLength &&
    typeof lost === 'bigint'
  );
}

export function isFeedRequest(value: unknown): value is FeedRequest {
  return (
    hasType(value) &&
    value.type === 'credit' &&
    typeof value['batches'] === 'number' &&
    Number.isInteger(value['batches']) &&
    value['batches'] > 0
  );
}
