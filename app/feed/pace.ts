/** How often the traces are looked at: 60 times a second while there is I/O, ever less while there is none. */
const BUSY_MS = 16;
const IDLE_MS = 100;
/** Polls without a record before the pace slackens: half a second. */
const PATIENCE = 30;

export class Pace {
  private quiet = 0;

  /** Milliseconds until the next poll, after one that found `records`. */
  next(records: number): number {
    this.quiet = records > 0 ? 0 : this.quiet + 1;
    if (this.quiet <= PATIENCE) return BUSY_MS;
    return Math.min(IDLE_MS, BUSY_MS + (this.quiet - PATIENCE) * 4);
  }
}
