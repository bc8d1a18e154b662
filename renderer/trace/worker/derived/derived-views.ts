/**
 * The pictures the page looks at, kept up to date: which have changed, which the
 * page is ready for, and how often. Knows neither the worker's globals nor the
 * store, so that tests drive it directly.
 */
import type { DiskId } from '../../../../app/contract/units';
import type { PassingChunk } from '../disk-trace';
import {
  type AnyDerivation,
  type DerivedResult,
  type DeriveRequest,
  makeDerivation,
} from './index';
import { epochOf, firstPassing, lastPassing, timeAt } from './rows';

/** What is shown of the selected disk. */
export interface DerivedSource {
  readonly disk: DiskId;
  readonly epochMonotonicNs: bigint;
  /** Oldest first. */
  readonly chunks: readonly PassingChunk[];
}

/** Page → worker. */
export type DerivedRequest =
  /** Look at `request` under `id` from now on; null ends it. */
  | { readonly type: 'derive'; readonly id: number; readonly request: DeriveRequest | null }
  /** What came under `id` is drawn: send the next when something has changed. */
  | { readonly type: 'derived-drawn'; readonly id: number };

/** Worker → page. */
export type DerivedMessage =
  /** `result` is null while no disk is looked at. */
  | {
      readonly type: 'derived';
      readonly id: number;
      readonly disk: DiskId | null;
      readonly result: DerivedResult | null;
    }
  /** A result takes long: how many of its requests are counted, 0 … 1; at 1 the sums are put together. */
  | { readonly type: 'derived-progress'; readonly id: number; readonly share: number };

/** At most 20 times a second, and a third of the worker's time for each picture. */
const LEAST_PAUSE_MS = 50;
const PAUSE_FACTOR = 2;
/** On a loaded machine a moment of work lasts long: the picture goes on all the same. */
const MOST_PAUSE_MS = 250;
/** Scanned and merged at a time, ms: the feed's batches and the page's views come in between. */
const SLICE_MS = 12;
/** What takes longer says how far it is, and again every so many ms. */
const SOON_MS = 300;
const PROGRESS_EVERY_MS = 100;
/** Pictures whose sums are kept when another is looked at: a few bytes a row each. */
const MOST_PARKED = 2;

interface Scanned {
  readonly version: number;
  readonly from: number;
  readonly to: number;
  readonly bits: Uint32Array | null;
  readonly partial: unknown;
}

interface DerivedView {
  readonly request: DeriveRequest;
  derivation: AnyDerivation | null;
  disk: DiskId | null;
  epochMonotonicNs: bigint;
  /** By chunk: of one whose rows have left nothing is kept. */
  partials: WeakMap<object, Scanned>;
  hasChanged: boolean;
  /** A slice of its work is done, and the next is scheduled. */
  isAtWork: boolean;
  pageIsReady: boolean;
  /** When the next result may be made, ms. */
  due: number;
  /** When the page is told how far the result is that is being made, ms; null while none is. */
  progressDue: number | null;
}

export interface DerivedOutside {
  source(): DerivedSource | null;
  send(message: DerivedMessage, transfer: readonly ArrayBuffer[]): void;
  /** ms of a clock that only goes forward. */
  now(): number;
  /** Calls `work` once, `milliseconds` from now. */
  schedule(milliseconds: number, work: () => void): void;
}

export class DerivedViews {
  readonly #outside: DerivedOutside;
  readonly #views = new Map<number, DerivedView>();
  /** Looked at no longer, the last one first. */
  #parked: readonly DerivedView[] = [];
  #isScheduled = false;

  constructor(outside: DerivedOutside) {
    this.#outside = outside;
  }

  /** Looks at `request` under `id` from now on; null ends it. Throws RangeError for a map of nothing. */
  set(id: number, request: DeriveRequest | null): void {
    const before = this.#views.get(id);
    if (request === null) {
      if (before) this.#park(before);
      this.#views.delete(id);
      return;
    }
    const known = before ?? this.#takeParked(request);
    const goesOn = known?.derivation?.change(request) === true ? known : null;
    this.#views.set(id, {
      request,
      derivation: goesOn?.derivation ?? null,
      disk: goesOn?.disk ?? null,
      epochMonotonicNs: goesOn?.epochMonotonicNs ?? 0n,
      partials: goesOn?.partials ?? new WeakMap(),
      hasChanged: true,
      isAtWork: false,
      pageIsReady: before?.pageIsReady ?? true,
      due: before?.due ?? 0,
      progressDue: null,
    });
    this.#pump();
  }

  /** What was counted for a picture that is looked at no longer: it may be again. */
  #park(view: DerivedView): void {
    this.#parked = [view, ...this.#parked].slice(0, MOST_PARKED);
  }

  #takeParked({ kind }: DeriveRequest): DerivedView | undefined {
    const found = this.#parked.find(({ request }) => request.kind === kind);
    this.#parked = this.#parked.filter((view) => view !== found);
    return found;
  }

  /** The page has drawn what it got under `id`. */
  drawn(id: number): void {
    const view = this.#views.get(id);
    if (!view) return;
    view.pageIsReady = true;
    this.#pump();
  }

  /** Rows, filter or disk are not what they were. */
  changed(): void {
    if (this.#views.size === 0) return;
    for (const view of this.#views.values()) view.hasChanged = true;
    this.#pump();
  }

  #pump(): void {
    if (this.#isScheduled) return;
    const now = this.#outside.now();
    let next = Infinity;
    for (const [id, view] of this.#views) {
      if (!view.hasChanged || !view.pageIsReady || view.isAtWork) continue;
      if (view.due <= now) this.#make(id, view);
      else next = Math.min(next, view.due);
    }
    if (next === Infinity) return;
    this.#isScheduled = true;
    this.#outside.schedule(next - now, () => {
      this.#isScheduled = false;
      this.#pump();
    });
  }

  /** `spent`: ms that the slices before this one took. */
  #make(id: number, view: DerivedView, spent = 0): void {
    const began = this.#outside.now();
    view.hasChanged = false;
    view.pageIsReady = false;
    view.isAtWork = false;
    const source = this.#outside.source();
    if (source === null) {
      view.derivation = null;
      this.#outside.send({ type: 'derived', id, disk: null, result: null }, []);
    } else {
      const end = this.#outside.now() + SLICE_MS;
      const derived = derive(view, source, () => this.#outside.now() >= end);
      if (typeof derived === 'number') {
        this.#tellProgress(id, view, derived);
        view.pageIsReady = true;
        view.isAtWork = true;
        const slices = spent + this.#outside.now() - began;
        this.#outside.schedule(0, () => {
          if (this.#views.get(id) === view) this.#make(id, view, slices);
        });
        return;
      }
      const { result, transfer } = derived;
      this.#outside.send({ type: 'derived', id, disk: source.disk, result }, transfer);
    }
    view.progressDue = null;
    const end = this.#outside.now();
    const pause = Math.max(LEAST_PAUSE_MS, PAUSE_FACTOR * (spent + end - began));
    view.due = end + Math.min(MOST_PAUSE_MS, pause);
  }

  #tellProgress(id: number, view: DerivedView, share: number): void {
    const now = this.#outside.now();
    view.progressDue ??= now + SOON_MS;
    if (now < view.progressDue) return;
    view.progressDue = now + PROGRESS_EVERY_MS;
    this.#outside.send({ type: 'derived-progress', id, share }, []);
  }
}

/** How much is scanned, 0 … 1, when `isOver` said so before all was scanned and merged: the next call goes on. */
function derive(view: DerivedView, source: DerivedSource, isOver: () => boolean) {
  const { disk, epochMonotonicNs, chunks } = source;
  if (view.disk !== disk || view.epochMonotonicNs !== epochMonotonicNs) view.derivation = null;
  if (view.derivation === null) {
    view.derivation = makeDerivation(view.request, source);
    view.partials = new WeakMap();
    view.disk = disk;
    view.epochMonotonicNs = epochMonotonicNs;
  }
  const { derivation, partials } = view;
  const span = spanOf(source);
  if (span) derivation.begin(span.from, span.to);
  const shown: unknown[] = [];
  // One at least each time, however slow the machine: so that it comes to an end.
  let hasScanned = false;
  for (const { key, version, columns, from, to, bits } of chunks) {
    const known = partials.get(key);
    // Another filter has bits of its own.
    const isSame =
      known?.version === version && known.bits === bits && known.from === from && known.to === to;
    if (isSame && derivation.isStillGood(known.partial)) {
      shown.push(known.partial);
      continue;
    }
    if (hasScanned && isOver()) return shown.length / chunks.length;
    hasScanned = true;
    const refitted = isSame ? derivation.refit(known.partial) : null;
    const partial = refitted ?? derivation.scan(columns, from, to, bits);
    partials.set(key, { version, from, to, bits, partial });
    shown.push(partial);
  }
  return derivation.merge(shown, isOver) ?? 1;
}

/** When the first and the last row came that pass; null when none does. */
function spanOf({ chunks, epochMonotonicNs }: DerivedSource): { from: number; to: number } | null {
  const epoch = epochOf(epochMonotonicNs);
  for (const first of chunks) {
    const oldest = firstPassing(first);
    if (oldest < 0) continue;
    for (let index = chunks.length - 1; index >= 0; index--) {
      const last = chunks[index] ?? first;
      const newest = lastPassing(last);
      if (newest < 0) continue;
      return {
        from: timeAt(first.columns, oldest, epoch),
        to: timeAt(last.columns, newest, epoch),
      };
    }
  }
  return null;
}
