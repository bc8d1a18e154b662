/** What the page and the trace worker say to each other. */
import type { DiskId } from '../../../app/contract/units';
import type { Filter } from '../../../app/filter/filter';

/** Rows kept of all disks together, unless the user chose otherwise. */
export const ROWS_KEPT = 10_485_760;

/** The order of the rows, where it is not that of arrival. */
export interface Sorting {
  readonly by: 'latency' | 'length';
  readonly descending: boolean;
}

export const isSameSorting = (one: Sorting | null, other: Sorting | null): boolean =>
  one?.by === other?.by && one?.descending === other?.descending;

/** What the page looks at. It stands until the next one. */
export interface View {
  /** Counts up with every view; a frame names the view it answers. */
  readonly serial: number;
  readonly disk: DiskId | null;
  /** Null: everything. */
  readonly filter: Filter | null;
  /** Null: in the order of arrival. */
  readonly sorting: Sorting | null;
  /** The order of the rows that the page has: ordinals in a view are of that one. */
  readonly shownSorting: Sorting | null;
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

/** A time in which nobody served a disk, ns; on the records' clock, or since the trace began. */
export interface Gap {
  readonly from: number;
  readonly to: number;
}

/** Questions about the rows that are not what is seen; answered once each. */
export type Query =
  /** The accesses next to a request in time that touch a sector of its. */
  | { readonly kind: 'partners'; readonly disk: DiskId; readonly sequence: number }
  /** The rows [from, to) of the view's list, RECORDS_IN_ANSWER at most. */
  | { readonly kind: 'records'; readonly from: number; readonly to: number }
  /** Where in the view's list the first row is that has this sequence, or arrived then, or later. */
  | { readonly kind: 'locate'; readonly sequence: number }
  | { readonly kind: 'locate'; readonly time: number };

/** Records (see Frame.records); empty buffers for those there are none of. */
export interface PartnersAnswer {
  readonly previous: ArrayBuffer;
  readonly next: ArrayBuffer;
  /** Successful writes only. */
  readonly previousWrite: ArrayBuffer;
  readonly nextWrite: ArrayBuffer;
}

export type QueryAnswer =
  | ({ readonly kind: 'partners' } & PartnersAnswer)
  | { readonly kind: 'records'; readonly records: ArrayBuffer; readonly epochMonotonicNs: bigint }
  /** Null: the list is empty. `sequence`: of the row that is there. */
  | { readonly kind: 'locate'; readonly ordinal: number | null; readonly sequence: number };

/** Page → worker. A feed's port comes along with `port`. */
export type WorkerRequest =
  | { readonly type: 'port' }
  | { readonly type: 'view'; readonly view: View }
  /** The last frame is drawn: send the next when something has changed. */
  | { readonly type: 'drawn' }
  /** How many rows to keep, of all disks together. */
  | { readonly type: 'keep'; readonly rows: number }
  /** The sequences the user has marked on a disk, all of them. */
  | { readonly type: 'marks'; readonly disk: DiskId; readonly sequences: readonly number[] }
  /** When nobody served a disk, all such times, oldest first. */
  | { readonly type: 'gaps'; readonly disk: DiskId; readonly gaps: readonly Gap[] }
  | { readonly type: 'query'; readonly id: number; readonly query: Query }
  /** What `read-payload` asked for; null when it is no longer kept. */
  | { readonly type: 'payload'; readonly id: number; readonly bytes: Uint8Array | null };

/** Worker → page. */
export type WorkerMessage =
  | { readonly type: 'frame'; readonly frame: Frame }
  | { readonly type: 'answer'; readonly id: number; readonly answer: QueryAnswer }
  | {
      readonly type: 'read-payload';
      readonly id: number;
      readonly disk: DiskId;
      readonly sequence: number;
    };

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

/** How far a filter has come that looks into payloads. */
export interface PayloadSearch {
  /** Payloads that are still to be looked into. */
  readonly open: number;
  /** Payloads of requests before this sequence are no longer kept, so these do not pass; 0: all are. */
  readonly goneBefore: number;
}

/** A gap, in ns since the trace began, and the ordinal of its line; null where none can be seen. */
export interface ShownGap extends Gap {
  readonly ordinal: number | null;
}

/** Rows and totals at one moment; never changed after it was sent. */
export interface Frame {
  readonly serial: number;
  /** The disk of the view, if its trace has begun. */
  readonly disk: DiskId | null;
  /** Clocks of the trace: realtime = ns - monotonic + realtime. */
  readonly epochMonotonicNs: bigint;
  readonly epochRealtimeNs: bigint;
  /** Ordinals that can be shown: [first, end), lines of gaps among them. They stay when old rows leave. */
  readonly first: number;
  readonly end: number;
  /** Ordinal of the first row in `records`, and how many there are. */
  readonly from: number;
  readonly count: number;
  /** Whole trace records (native/wire/trace.h). */
  readonly records: ArrayBuffer;
  /** Which of them (0 is the first) have left since they were sorted: of these only the sequence is known. */
  readonly gone: readonly number[];
  /** Of the disk, oldest first. A record at a line's ordinal is empty. */
  readonly gaps: readonly ShownGap[];
  /** The order of the rows: the view's, as soon as they are sorted. */
  readonly sorting: Sorting | null;
  /** How much of the view's order is done, 0 … 1; null when none is being made. */
  readonly sortProgress: number | null;
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
  /** Null when the filter does not look into payloads. */
  readonly search: PayloadSearch | null;
  readonly totals: readonly TraceTotals[];
}
