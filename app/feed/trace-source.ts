/** One disk's trace as one port reads it, with a cursor of its own from the oldest record kept. */
import type { NativeTraceReader } from '../addon/addon';
import { BATCH_RECORDS, type FeedMessage } from '../contract/feed';
import { RECORD_BYTES } from '../contract/trace';
import type { DiskId } from '../contract/units';

export interface FollowedDisk {
  readonly id: DiskId;
  readonly number: number;
  readonly tracePath: string;
  readonly isCapture: boolean;
}

/** Throws when it cannot be read (yet). */
export type OpenTrace = (disk: FollowedDisk) => NativeTraceReader;

/** Of a capture, whose records are all there: a whole batch of its file. */
const CAPTURE_RECORDS = 65_536;

export class TraceSource {
  readonly disk: FollowedDisk;
  private readonly open: OpenTrace;
  private reader: NativeTraceReader | null = null;
  private isDrained = false;
  private room: ArrayBuffer | null = null;

  /** Opens nothing yet: see `begin`. */
  constructor(disk: FollowedDisk, open: OpenTrace) {
    this.disk = disk;
    this.open = open;
  }

  get isOpen(): boolean {
    return this.reader !== null;
  }

  /** Opens the file. Null when it cannot be read (yet): a disk may be listed before its trace is there. */
  begin(): FeedMessage | null {
    try {
      this.reader = this.open(this.disk);
    } catch {
      return null;
    }
    return {
      type: 'opened',
      disk: this.disk.id,
      number: this.disk.number,
      epochMonotonicNs: this.reader.epochMonotonicNs,
      epochRealtimeNs: this.reader.epochRealtimeNs,
    };
  }

  /** The next records, through `buffer` (BATCH_RECORDS long); null when there are none now. */
  next(buffer: ArrayBuffer): FeedMessage | null {
    if (!this.reader || this.isDrained) return null;
    // Asked before the read: what was written before the close is then read.
    const isClosed = this.reader.closed;
    const target = this.disk.isCapture ? (this.room ??= captureBuffer()) : buffer;
    const { count, lost } = this.reader.read(target);
    if (count === 0 && lost === 0n) {
      this.isDrained = isClosed;
      this.room = null;
      return null;
    }
    const records = target.slice(0, count * RECORD_BYTES);
    return { type: 'batch', disk: this.disk.id, records, count, lost };
  }

  close(): FeedMessage {
    this.reader?.close();
    this.reader = null;
    return { type: 'closed', disk: this.disk.id };
  }
}

/** A buffer for `next`. */
export const batchBuffer = (): ArrayBuffer => new ArrayBuffer(BATCH_RECORDS * RECORD_BYTES);

const captureBuffer = (): ArrayBuffer => new ArrayBuffer(CAPTURE_RECORDS * RECORD_BYTES);
