/**
 * One reader: a port to a window's worker, the credits it gave, and a cursor
 * for each disk. Knows nothing of Electron, so that it can be tested alone.
 */
import { INITIAL_CREDITS, isFeedRequest, type FeedMessage } from '../contract/feed';
import type { FollowedDisk, Source } from './trace-source';

/** What is needed of Electron's MessagePortMain. */
export interface Port {
  postMessage(message: FeedMessage): void;
}

/**
 * Records read before they may be sent, at most: a second at a million a second, some
 * 20 to 26 MiB packed, and never more than their own 64 MiB.
 * A worker that is busy for longer than a ring lasts has lost nothing then.
 */
const AHEAD_RECORDS = 1_048_576;

export class FeedPort {
  private readonly port: Port;
  private readonly make: (disk: FollowedDisk) => Source;
  private sources: Source[] = [];
  private credits = INITIAL_CREDITS;
  /** Where the next round begins, so that a busy disk does not starve the others. */
  private turn = 0;

  /** `make`: what reads a disk. */
  constructor(port: Port, make: (disk: FollowedDisk) => Source) {
    this.port = port;
    this.make = make;
  }

  /** Reads these disks from now on; one that left gives its last records first, unless it is a capture. */
  follow(disks: readonly FollowedDisk[], buffer: ArrayBuffer): void {
    const isKept = (source: Source) =>
      disks.some(({ id, tracePath }) => {
        const { disk } = source;
        return id === disk.id && tracePath === disk.tracePath;
      });
    for (const source of this.sources.filter((one) => !isKept(one))) {
      const wasOpen = source.isOpen;
      // Without credits the worker does without: it is about to drop the disk anyway.
      for (let more = !source.disk.isCapture; more && this.credits > 0;) {
        const batch = source.next(buffer);
        if (batch) this.send(batch);
        more = batch !== null;
      }
      const closed = source.close();
      if (wasOpen) this.port.postMessage(closed);
    }
    const kept = this.sources.filter(isKept);
    const added = disks.filter(({ id }) => !kept.some(({ disk }) => disk.id === id));
    this.sources = [...kept, ...added.map((disk) => this.make(disk))];
  }

  /**
   * A message from the worker. What is no request of the contract is refused aloud.
   * Returns whether a capture may have waited for it: a disk's records have their pace.
   */
  receive(message: unknown): boolean {
    if (!isFeedRequest(message)) throw new Error('the feed got a message outside the contract');
    const waited = this.credits <= 0 && this.sources.some(({ disk }) => disk.isCapture);
    this.credits += message.batches;
    return waited;
  }

  /**
   * Sends what there is, as far as the credits reach, a batch from each disk in
   * turn, and reads ahead when they are spent. Returns the number of records that
   * were sent or read ahead. Throws when the port does: the
   * records of that batch are then lost to this port, which must be given up.
   */
  poll(buffer: ArrayBuffer): number {
    for (const source of this.sources) {
      if (source.isOpen) continue;
      const opened = source.begin();
      if (opened) this.port.postMessage(opened);
    }
    let sent = 0;
    let silent = 0;
    while (this.credits > 0 && silent < this.sources.length) {
      const source = this.sources[this.turn++ % this.sources.length];
      const batch = source?.next(buffer) ?? null;
      if (batch === null) {
        silent++;
        continue;
      }
      silent = 0;
      sent += rowsOf(batch);
      this.send(batch);
    }
    return this.credits > 0 ? sent : sent + this.readAhead(buffer);
  }

  close(): void {
    for (const source of this.sources) source.close();
    this.sources = [];
  }

  private readAhead(buffer: ArrayBuffer): number {
    const before = this.sources.reduce((sum, { ahead = 0 }) => sum + ahead, 0);
    let read = 0;
    let silent = 0;
    while (before + read < AHEAD_RECORDS && silent < this.sources.length) {
      const more = this.sources[this.turn++ % this.sources.length]?.readAhead?.(buffer) ?? 0;
      silent = more === 0 ? silent + 1 : 0;
      read += more;
    }
    return read;
  }

  private send(batch: FeedMessage): void {
    this.credits--;
    this.port.postMessage(batch);
  }
}

function rowsOf(message: FeedMessage): number {
  if ('count' in message) return message.count;
  return 'rows' in message ? message.rows : 0;
}
