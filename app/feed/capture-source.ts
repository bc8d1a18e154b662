/** A capture as one port reads it: to its end, in pieces of whole columns. */
import type { CaptureColumnReader } from '../capture/column-reader';
import { BioscopeError } from '../contract/errors';
import type { FeedMessage } from '../contract/feed';
import type { FollowedDisk, Source } from './trace-source';

export interface CaptureSurroundings {
  /** Throws BioscopeError, as CaptureFile.open does. */
  readonly open: (path: string) => Promise<CaptureColumnReader>;
  /** Told what cannot be read, once a file; `isUnreadable`: nothing of it can. */
  readonly report: (path: string, thrown: unknown, isUnreadable: boolean) => void;
  /** Called when it has been opened: `begin` has something to say. */
  readonly wake: () => void;
}

export class CaptureSource implements Source {
  readonly disk: FollowedDisk;
  isOpen = false;
  private readonly around: CaptureSurroundings;
  private opening: Promise<void> | null = null;
  private reader: CaptureColumnReader | null = null;
  private isClosed = false;
  private isReported = false;

  /** Opens nothing yet: see `begin`. */
  constructor(disk: FollowedDisk, around: CaptureSurroundings) {
    this.disk = disk;
    this.around = around;
  }

  /** Opening takes a moment: the first call starts it. */
  begin(): FeedMessage | null {
    this.opening ??= this.openFile();
    if (!this.reader) return null;
    this.isOpen = true;
    const { epochMonotonicNs, epochRealtimeNs } = this.reader.file.header;
    const { id: disk, number } = this.disk;
    return { type: 'opened', disk, number, epochMonotonicNs, epochRealtimeNs };
  }

  /** What it has is overwritten by the next: posting copies it. */
  next(): FeedMessage | null {
    const piece = this.isOpen ? (this.reader?.next() ?? null) : null;
    if (piece === null) return null;
    const { packed, rows, lost, damage } = piece;
    if (damage) this.tell(leftOut(damage), false);
    return { type: 'columns', disk: this.disk.id, packed, rows, lost };
  }

  close(): FeedMessage {
    this.isClosed = true;
    this.isOpen = false;
    this.reader?.close();
    this.reader = null;
    return { type: 'closed', disk: this.disk.id };
  }

  private async openFile(): Promise<void> {
    try {
      const reader = await this.around.open(this.disk.tracePath);
      if (this.isClosed) {
        reader.close();
        return;
      }
      this.reader = reader;
    } catch (thrown) {
      // Main had it open a moment ago: it has gone since, or changed.
      this.tell(thrown, true);
      return;
    }
    this.around.wake();
  }

  private tell(thrown: unknown, isUnreadable: boolean): void {
    if (this.isReported || this.isClosed) return;
    this.isReported = true;
    this.around.report(this.disk.tracePath, thrown, isUnreadable);
  }
}

/** Told once, of the first part that is damaged; all are counted. */
const leftOut = ({ value }: BioscopeError): BioscopeError =>
  BioscopeError.from({ ...value, message: `${value.message} What cannot be read counts as lost.` });
