/** One disk's trace as one port reads it, with a cursor of its own from the oldest record kept. */
import type { NativeTraceReader, PackRecords } from '../addon/addon';
import { BATCH_RECORDS, type FeedMessage } from '../contract/feed';
import { RECORD_BYTES } from '../contract/trace';
import type { DiskId } from '../contract/units';

export interface FollowedDisk {
  readonly id: DiskId;
  readonly number: number;
  readonly tracePath: string;
  readonly isCapture: boolean;
}

/** What a port reads of one disk: its trace, or a capture. */
export interface Source {
  readonly disk: FollowedDisk;
  /** `begin` has announced it. */
  readonly isOpen: boolean;
  /** Its announcement; null while it cannot be read (yet). */
  begin(): FeedMessage | null;
  /** What comes next, through `buffer` (BATCH_RECORDS long); null when there is nothing now. */
  next(buffer: ArrayBuffer): FeedMessage | null;
  /** Records that `readAhead` holds for `next`; none in what does not read ahead. */
  readonly ahead?: number;
  /**
   * Takes what would be gone before `next` may be asked, through `buffer`. Returns what
   * `ahead` grew by: at least LEAST_AHEAD where there was anything.
   */
  readAhead?(buffer: ArrayBuffer): number;
  close(): FeedMessage;
}

/** A batch read ahead counts for so many records at least: so that small ones stay few. */
const LEAST_AHEAD = BATCH_RECORDS / 8;

/** Fewer go as they are: their columns would take as much, and longer. */
const LEAST_PACKED = 256;

/** Throws when it cannot be read (yet). */
export type OpenTrace = (disk: FollowedDisk) => NativeTraceReader;

export class TraceSource implements Source {
  readonly disk: FollowedDisk;
  private readonly open: OpenTrace;
  private readonly pack: PackRecords;
  private reader: NativeTraceReader | null = null;
  private isDrained = false;
  private batches: { readonly batch: FeedMessage; readonly counts: number }[] = [];

  /** Opens nothing yet: see `begin`. */
  constructor(disk: FollowedDisk, open: OpenTrace, pack: PackRecords) {
    this.disk = disk;
    this.open = open;
    this.pack = pack;
  }

  get isOpen(): boolean {
    return this.reader !== null;
  }

  /** Opens the file. A disk may be listed before its trace is there. */
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

  get ahead(): number {
    return this.batches.reduce((sum, { counts }) => sum + counts, 0);
  }

  /** The ring is overwritten, whether its records can be sent or not. */
  readAhead(buffer: ArrayBuffer): number {
    const read = this.read(buffer);
    if (read === null) return 0;
    const counts = Math.max(read.count, LEAST_AHEAD);
    this.batches.push({ batch: read.batch, counts });
    return counts;
  }

  next(buffer: ArrayBuffer): FeedMessage | null {
    return this.batches.shift()?.batch ?? this.read(buffer)?.batch ?? null;
  }

  private read(
    buffer: ArrayBuffer,
  ): { readonly batch: FeedMessage; readonly count: number } | null {
    if (!this.reader || this.isDrained) return null;
    // Asked before the read: what was written before the close is then read.
    const isClosed = this.reader.closed;
    const { count, lost } = this.reader.read(buffer);
    if (count === 0 && lost === 0n) {
      this.isDrained = isClosed;
      return null;
    }
    return { batch: this.batchOf(buffer, count, lost), count };
  }

  private batchOf(buffer: ArrayBuffer, count: number, lost: bigint): FeedMessage {
    const disk = this.disk.id;
    if (count < LEAST_PACKED) {
      const records = buffer.slice(0, count * RECORD_BYTES);
      return { type: 'batch', disk, records, count, lost };
    }
    const bytes = this.pack(buffer, count, packed);
    return { type: 'packed', disk, packed: packed.slice(0, bytes), rows: count, lost };
  }

  close(): FeedMessage {
    this.reader?.close();
    this.reader = null;
    this.batches = [];
    return { type: 'closed', disk: this.disk.id };
  }
}

/** Records never take more when they are packed: no column is wider than its field. */
const packed = new ArrayBuffer(BATCH_RECORDS * RECORD_BYTES);

/** A buffer for `next`. */
export const batchBuffer = (): ArrayBuffer => new ArrayBuffer(BATCH_RECORDS * RECORD_BYTES);
