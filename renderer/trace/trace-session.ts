/**
 * The page's side of the trace: which rows are looked at, which one is selected,
 * what is paused, cleared and filtered; and the frame to draw. It knows neither
 * the DOM nor the worker, so that tests drive it with a store in process.
 *
 * Positions are ordinals of the filtered list (see Frame). One view at a time is
 * on its way to the worker; what changes meanwhile goes with the next.
 */
import type { StoreApi } from 'zustand';
import { decodeRecord, type OperationFamily, RECORD_BYTES } from '../../app/contract/trace';
import type { DiskId } from '../../app/contract/units';
import { allOf, type Filter } from '../../app/filter/filter';
import { parseFilter } from '../../app/filter/parse';
import { RowView } from './row-view';
import type { TraceViewState } from './view-state';
import {
  isSameSorting,
  type Frame,
  type Sorting,
  type View,
  type WorkerRequest,
} from './worker/protocol';

/** What is remembered of a disk while another one is looked at. */
interface Place {
  readonly following: boolean;
  /** Sequence of the topmost row. */
  readonly topSequence: number | null;
  readonly selected: number | null;
  readonly clearedThrough: number;
  readonly pausedAt: number | null;
}

const newPlace: Place = {
  following: true,
  topSequence: null,
  selected: null,
  clearedThrough: 0,
  pausedAt: null,
};

export type Movement = 'up' | 'down' | 'page-up' | 'page-down' | 'home' | 'end';

export class TraceSession {
  readonly #send: (request: WorkerRequest) => void;
  readonly #state: StoreApi<TraceViewState>;
  readonly #places = new Map<DiskId, Place>();
  readonly #row = new RowView();
  #frame: Frame | null = null;
  /** What is on the screen: frames may come faster than they are drawn. */
  #drawn: { readonly frame: Frame; readonly top: number } | null = null;
  #serial = 0;
  #isWaiting = false;
  #isDirty = false;
  /** First visible row (an ordinal) and its part scrolled away; rows that fit. */
  #top = 0;
  #visible = 1;
  #clearedThrough = 0;
  #pausedAt: number | null = null;
  /** The selected row: by sequence, or by place until a frame tells its sequence. */
  #selection: { sequence: number } | { ordinal: number } | null = null;
  #selectedOrdinal: number | null = null;
  /** Where a range of selected rows begins, a sequence; it ends at the selected row. */
  #rangeFrom: number | null = null;
  /** The order of the rows in the frames: ordinals are of that one. */
  #shownSorting: Sorting | null = null;
  /** The row that shall keep its place, as of the last view sent. */
  #anchor: View['anchor'] = null;

  /** `send` posts to the worker. */
  constructor(send: (request: WorkerRequest) => void, state: StoreApi<TraceViewState>) {
    this.#send = send;
    this.#state = state;
  }

  get frame(): Frame | null {
    return this.#frame;
  }

  get top(): number {
    return this.#top;
  }

  /** The ordinal after the last row that can be seen. */
  get bottom(): number {
    return this.#top + this.#visible;
  }

  get selectedSequence(): number | null {
    return this.#selection && 'sequence' in this.#selection ? this.#selection.sequence : null;
  }

  /** The ordinal of the selected row, where it is known. */
  get selectedOrdinal(): number | null {
    return this.#selectedOrdinal;
  }

  /** The sequences of the selected rows, first to last; null unless there are several. */
  get range(): { readonly first: number; readonly last: number } | null {
    const from = this.#rangeFrom;
    const to = this.selectedSequence;
    if (from === null || to === null || from === to) return null;
    return { first: Math.min(from, to), last: Math.max(from, to) };
  }

  // --- from the worker ---

  /** Takes a frame. The caller draws it and then says `drawn`. */
  receive(frame: Frame): void {
    // Made before the view that is on its way: what it says of places is old.
    if (frame.serial !== this.#serial) return;
    this.#isWaiting = false;
    const { disk } = this.#state.getState();
    // A frame of the disk looked at before: the next view is still to be sent.
    if (frame.disk !== null && frame.disk !== disk) return;
    this.#frame = frame;
    if (frame.disk === null) return;
    if (!isSameSorting(frame.sorting, this.#shownSorting)) {
      this.#shownSorting = frame.sorting;
      // A sorted list begins at its top.
      if (frame.sorting !== null) this.#top = 0;
    }
    if (!this.#state.getState().following && frame.shift !== 0) {
      this.#top += frame.shift;
      this.#isDirty = true;
    }
    this.#anchor = null;
    this.#clampTop();
    this.#takeSelected(frame);
  }

  /** The last frame is on the screen. */
  drawn(): void {
    this.#drawn = this.#frame && { frame: this.#frame, top: this.#top };
    if (this.#isWaiting) return;
    if (this.#isDirty) this.#sendView();
    else this.#send({ type: 'drawn' });
  }

  // --- where to look ---

  /** How many rows fit, also in part. */
  setVisibleRows(rows: number): void {
    if (rows === this.#visible || !(rows > 0)) return;
    const selected = this.#selectedOrdinal;
    const wasSeen = selected !== null && selected >= this.#top && selected < this.bottom;
    this.#visible = rows;
    if (wasSeen) this.#reveal(selected);
    this.#clampTop();
    this.#changed();
  }

  selectDisk(disk: DiskId | null): void {
    const state = this.#state.getState();
    if (state.disk === disk) return;
    if (state.disk !== null) this.#places.set(state.disk, this.#place(state.following));
    const place = (disk === null ? undefined : this.#places.get(disk)) ?? newPlace;
    this.#clearedThrough = place.clearedThrough;
    this.#pausedAt = place.pausedAt;
    this.#selection = place.selected === null ? null : { sequence: place.selected };
    this.#selectedOrdinal = null;
    this.#rangeFrom = null;
    this.#frame = null;
    this.#drawn = null;
    this.#shownSorting = null;
    this.#top = 0;
    this.#anchor = place.topSequence === null ? null : { sequence: place.topSequence, ordinal: 0 };
    this.#state.setState({
      disk,
      following: place.following,
      paused: place.pausedAt !== null,
      cleared: place.clearedThrough > 0,
      sorting: null,
      selected: null,
      selectedIsListed: false,
    });
    this.#changed();
  }

  scrollBy(rows: number): void {
    this.#holdStill();
    this.scrollTo(this.#top + rows);
  }

  /** Reaching the end follows again; leaving it stops following. */
  scrollTo(top: number): void {
    const before = this.#top;
    this.#top = top;
    this.#clampTop(false);
    if (this.#top === before) return;
    const isAtEnd = this.#top >= this.#lastTop() - 0.01;
    // The end of a sorted list is not the newest.
    const mayFollow = this.#state.getState().sorting === null;
    this.#state.setState({ following: mayFollow && isAtEnd && this.#top > before });
    this.#changed();
  }

  /** Back to the newest rows, and to the order of arrival. */
  follow(): void {
    this.#state.setState({ following: true, sorting: null });
    this.#clampTop();
    this.#changed();
  }

  // --- the selected row ---

  /**
   * Selects the row at `ordinal` of the frame, unless it has left, and stays with it.
   * `extend`: and all between it and the row selected before (in the order of arrival).
   * Whether it was there to be selected.
   */
  selectAt(ordinal: number, extend = false): boolean {
    this.#holdStill();
    const sequence = this.#sequenceAt(ordinal);
    if (this.#isLine(ordinal) || (sequence !== null && this.#row.isGone)) return false;
    const canExtend = extend && this.#state.getState().sorting === null;
    this.#rangeFrom = canExtend ? (this.#rangeFrom ?? this.selectedSequence) : null;
    this.#selection = sequence === null ? { ordinal } : { sequence };
    this.#selectedOrdinal = ordinal;
    this.#state.setState({ following: false });
    const frame = this.#frame;
    if (frame && sequence !== null) {
      const offset = (ordinal - frame.from) * RECORD_BYTES;
      this.#showSelected(frame, frame.records.slice(offset, offset + RECORD_BYTES));
    }
    this.#changed();
    return true;
  }

  clearSelection(): void {
    this.#selection = null;
    this.#rangeFrom = null;
    this.#selectedOrdinal = null;
    this.#state.setState({ selected: null, selectedIsListed: false });
    this.#changed();
  }

  /** Moves the selection, and the view with it. */
  move(movement: Movement, extend = false): void {
    this.#holdStill();
    const frame = this.#frame;
    if (!frame || frame.end === frame.first) return;
    const page = Math.max(1, Math.floor(this.#visible) - 1);
    const from = this.#selectedOrdinal;
    const lastVisible = Math.min(frame.end, Math.floor(this.#top + this.#visible)) - 1;
    const target = {
      up: from === null ? lastVisible : from - 1,
      down: from === null ? Math.ceil(this.#top) : from + 1,
      'page-up': (from ?? Math.ceil(this.#top)) - page,
      'page-down': (from ?? lastVisible) + page,
      home: frame.first,
      end: frame.end - 1,
    }[movement];
    const isUpwards = movement === 'up' || movement === 'page-up' || movement === 'end';
    const nearest = Math.max(frame.first, Math.min(target, frame.end - 1));
    const ordinal = this.#keptFrom(nearest, isUpwards ? -1 : 1);
    this.#state.setState({ following: false });
    this.#reveal(ordinal);
    this.selectAt(ordinal, extend);
  }

  /** Selects the row at `ordinal` of the list, which may be far from what is seen, and shows it in the middle. */
  goTo(ordinal: number): void {
    this.#holdStill();
    this.#state.setState({ following: false });
    this.#top = ordinal - Math.floor(this.#visible / 2);
    this.#clampTop(false);
    this.selectAt(ordinal);
  }

  /** Scrolls so that the selected row can be seen. */
  revealSelected(): void {
    if (this.#selectedOrdinal === null) return;
    this.#reveal(this.#selectedOrdinal);
    this.#changed();
  }

  // --- pause, clear, filter ---

  /** Freezes what is seen now; the I/O and the trace go on. */
  pause(isPaused: boolean): void {
    this.#pausedAt = isPaused ? (this.#frame?.newestSequence ?? 0) : null;
    this.#state.setState({ paused: isPaused });
    this.#changed();
  }

  /** Puts away what is there now; `showAll` brings it back. */
  clear(): void {
    this.#clearedThrough = this.#frame?.newestSequence ?? 0;
    if (this.#clearedThrough === 0) return;
    this.#state.setState({ cleared: true, following: true, sorting: null });
    this.#changed();
  }

  showAll(): void {
    this.#clearedThrough = 0;
    this.#state.setState({ cleared: false });
    this.#changed();
  }

  setFamilies(families: readonly OperationFamily[]): void {
    this.#state.setState({ families });
    this.#changed();
  }

  /** A text that is wrong is shown as such; the last good filter goes on. */
  setFilterText(filterText: string): void {
    const parsed = parseFilter(filterText);
    this.#state.setState(
      parsed.ok
        ? { filterText, filter: parsed.filter, filterProblem: null }
        : { filterText, filterProblem: parsed.problem },
    );
    if (parsed.ok) this.#changed();
  }

  /** Adds a condition to the text of the filter. */
  addToFilter(condition: string): void {
    const { filterText, filterProblem } = this.#state.getState();
    const isEmpty = filterText.trim() === '' || filterProblem !== null;
    const isLoose = /\|\||\bor\b/i.test(filterText);
    const before = isLoose ? `(${filterText.trim()})` : filterText.trim();
    this.setFilterText(isEmpty ? condition : `${before} && ${condition}`);
  }

  clearFilter(): void {
    this.#state.setState({ families: [], filterText: '', filter: null, filterProblem: null });
    this.#changed();
  }

  /** Sorts the rows; null for the order of arrival. The rows stay as they are until they are sorted. */
  sort(sorting: Sorting | null): void {
    this.#holdStill();
    this.#state.setState({ sorting, following: sorting === null });
    this.#rangeFrom = null;
    this.#changed();
  }

  // --- inside ---

  #changed(): void {
    this.#isDirty = true;
    if (!this.#isWaiting) this.#sendView();
  }

  #sendView(): void {
    const { disk, following, families, filter, sorting } = this.#state.getState();
    const words = [...families];
    const family: Filter | null =
      words.length === 0 ? null : { kind: 'word', field: 'operation', words };
    const visible = Math.ceil(this.#visible) + 1;
    const from = Math.floor(this.#top) - visible;
    if (following || this.#shownSorting !== null) this.#anchor = null;
    else this.#anchor = this.#topRow() ?? this.#anchor;
    this.#isDirty = false;
    this.#isWaiting = true;
    this.#send({
      type: 'view',
      view: {
        serial: ++this.#serial,
        disk,
        filter: allOf([family, filter]),
        sorting,
        shownSorting: this.#shownSorting,
        clearedThrough: this.#clearedThrough,
        pausedAt: this.#pausedAt,
        follow: following,
        from,
        rows: visible * 3,
        anchor: this.#anchor,
        select: this.#selection,
      },
    });
  }

  #place(following: boolean): Place {
    return {
      following,
      topSequence: this.#topRow()?.sequence ?? null,
      selected: this.selectedSequence,
      clearedThrough: this.#clearedThrough,
      pausedAt: this.#pausedAt,
    };
  }

  /**
   * Before following stops: the user means the rows on the screen, not those of
   * a frame that came since and is not drawn yet.
   */
  #holdStill(): void {
    const drawn = this.#drawn;
    if (!drawn || !this.#state.getState().following) return;
    this.#frame = drawn.frame;
    this.#top = drawn.top;
  }

  #lastTop(): number {
    const frame = this.#frame;
    return frame ? Math.max(frame.first, frame.end - this.#visible) : 0;
  }

  /** Keeps the view on the rows there are; a following one on the newest. */
  #clampTop(mayFollow = true): void {
    const frame = this.#frame;
    if (!frame) return;
    const last = this.#lastTop();
    const follows = mayFollow && this.#state.getState().following;
    this.#top = follows ? last : Math.max(frame.first, Math.min(this.#top, last));
  }

  #reveal(ordinal: number): void {
    if (ordinal < this.#top) this.#top = ordinal;
    else if (ordinal + 1 > this.#top + this.#visible) this.#top = ordinal + 1 - this.#visible;
    this.#clampTop(false);
  }

  /** `ordinal`, or the next one in that direction that is a row, and has not left since it was sorted. */
  #keptFrom(ordinal: number, step: 1 | -1): number {
    let nearest = ordinal;
    while (this.#isLine(nearest)) nearest += step;
    for (let next = nearest; ; next += step) {
      if (this.#isLine(next)) continue;
      if (this.#sequenceAt(next) === null) break;
      if (!this.#row.isGone) return next;
    }
    const { first = 0, end = 0 } = this.#frame ?? {};
    return nearest >= first && nearest < end ? nearest : ordinal;
  }

  #sequenceAt(ordinal: number): number | null {
    const frame = this.#frame;
    if (!frame || ordinal < frame.from || ordinal >= frame.from + frame.count) return null;
    this.#row.open(frame);
    return this.#row.at(ordinal - frame.from).gap ? null : this.#row.sequence;
  }

  /** Whether that is the line of a gap, and no row. */
  #isLine(ordinal: number): boolean {
    return this.#frame?.gaps.some((gap) => gap.ordinal === ordinal) === true;
  }

  /** The first row from the top of what is seen; null when it is not in the frame. */
  #topRow(): { readonly sequence: number; readonly ordinal: number } | null {
    let ordinal = Math.floor(this.#top);
    while (this.#isLine(ordinal)) ordinal++;
    const sequence = this.#sequenceAt(ordinal);
    return sequence === null ? null : { sequence, ordinal };
  }

  #takeSelected(frame: Frame): void {
    const { selected } = frame;
    if (this.#selection === null) return;
    if (!selected) {
      this.#selectedOrdinal = null;
      if (this.#state.getState().selectedIsListed) {
        this.#state.setState({ selectedIsListed: false });
      }
      return;
    }
    // Chosen by place meanwhile, or another one: this answer is too old.
    if ('sequence' in this.#selection) {
      this.#row.openRecords(selected.record, frame.epochMonotonicNs);
      if (this.#row.at(0).sequence !== this.#selection.sequence) return;
    } else if (this.#selection.ordinal !== selected.ordinal) return;
    this.#selectedOrdinal = selected.ordinal;
    this.#showSelected(frame, selected.record);
  }

  #showSelected(frame: Frame, bytes: ArrayBuffer): void {
    const { disk, selected, selectedIsListed } = this.#state.getState();
    const record = decodeRecord(new DataView(bytes), 0);
    this.#selection = { sequence: Number(record.sequence) };
    if (disk === null) return;
    const isSame = selected?.disk === disk && selected.record.sequence === record.sequence;
    if (isSame && selectedIsListed) return;
    const { epochMonotonicNs, epochRealtimeNs } = frame;
    this.#state.setState({
      selected: isSame ? selected : { disk, record, epochMonotonicNs, epochRealtimeNs },
      selectedIsListed: true,
    });
  }
}
