/** What the page and the trace worker say to each other. */
import type { DiskId } from '../../../app/contract/units';
import type { TraceFilter } from './trace-filter';

/** What the page looks at. It stands until the next one. */
export interface View {
  /** Counts up with every view; a frame names the view it answers. */
  readonly serial: number;
  readonly disk: DiskId | null;
  readonly filter: TraceFilter;
  /** Rows up to this sequence are put away (not deleted); 0 for none. */
  readonly clearedThrough: number;
  /** Rows above this sequence are held back; null while the view is not paused. */
  readonly pausedAt: number | null;
  /** Show the newest `rows`, whatever `from` says. */
  readonly follow: boolean;
  /** First row wanted, an ordinal of the list (see Frame), and how many. */
  readonly from: number;
  readonly rows: number;
  /**
   * A row the page knew at `ordinal`: what moved it since (a late row before it,
   * another filter) moves the view along (see Frame.shift).
   */
  readonly anchor: { readonly sequence: number; readonly ordinal: number } | null;
  /** The selected row, by its sequence or by where it is. */
  readonly select: { readonly sequence: number } | { readonly ordinal: number } | null;
}

/** Page → worker. A feed's port comes along with `port`. */
export type WorkerRequest =
  | { readonly type: 'port' }
  | { readonly type: 'view'; readonly view: View }
  /** The last frame is drawn: send the next when something has changed. */
  | { readonly type: 'drawn' };

/** A disk's trace as far as this window has it. */
export interface TraceTotals {
  readonly disk: DiskId;
  /** Records that came from the feed. */
  readonly received: number;
  /** Records the rings overwrote before the feed read them. */
  readonly lost: number;
  /** Rows kept in the window. */
  readonly kept: number;
  /** The feed has said that no more will come. */
  readonly closed: boolean;
}

/** Rows and totals at one moment; never changed after it was sent. */
export interface Frame {
  readonly serial: number;
  /** The disk of the view, if its trace has begun. */
  readonly disk: DiskId | null;
  /** Clocks of the trace: realtime = ns - monotonic + realtime. */
  readonly epochMonotonicNs: bigint;
  readonly epochRealtimeNs: bigint;
  /** Ordinals that can be shown: [first, end). Ordinals stay when old rows leave. */
  readonly first: number;
  readonly end: number;
  /** Ordinal of the first row in `records`, and how many there are. */
  readonly from: number;
  readonly count: number;
  /** Whole trace records (native/wire/trace.h). */
  readonly records: ArrayBuffer;
  /** What the view's `from` was moved by to keep its anchor in place. */
  readonly shift: number;
  /** The selected row; null when none is selected or it is kept no longer. */
  readonly selected: { readonly ordinal: number; readonly record: ArrayBuffer } | null;
  /** Rows that pass the filter, and rows in all, of those not cleared and not held back. */
  readonly matched: number;
  readonly total: number;
  /** Rows that arrived since the view was paused. */
  readonly heldBack: number;
  /** Rows that were kept once and had to leave for newer ones. */
  readonly left: number;
  /** The newest row's sequence in this frame's rows and those before it; 0 if none. */
  readonly newestSequence: number;
  readonly totals: readonly TraceTotals[];
}
