/**
 * The trace session of this window, wired up: the worker, the feed's port and
 * the animation frames. One for the life of the page.
 */
import { decodeRecord, type TraceRecord } from '../../app/contract/trace';
import type { DiskId } from '../../app/contract/units';
import { traceChannel } from '../../app/contract/window-api';
import { useDisks } from '../disks/disk-state';
import { bridge } from '../shell/bridge';
import { DerivedClient } from './derived-client';
import { useRowsKept } from './rows-kept';
import { TraceSession } from './trace-session';
import { useTraceView } from './view-state';
import { readWholePayload } from './whole-payload';
import type { DerivedMessage, DerivedRequest } from './worker/derived/derived-views';
import {
  isSameSorting,
  type PayloadSearch,
  type Query,
  type QueryAnswer,
  type ShownGap,
  type TraceTotals,
  type WorkerMessage,
  type WorkerRequest,
} from './worker/protocol';

/** Numbers of a frame, at a pace for reading. */
export interface FrameCounts {
  readonly matched: number;
  readonly total: number;
  readonly heldBack: number;
  readonly left: number;
  /** Rows that passed the end of what is seen, while the view does not follow. */
  readonly below: number;
  /** How far the filter is with payloads; null if it looks into none. */
  readonly search: PayloadSearch | null;
  /** How far the rows are sorted, 0 … 1; null when the order asked for is the one that is shown. */
  readonly sortProgress: number | null;
  readonly totals: readonly TraceTotals[];
  /** When nobody served the disk, oldest first; the same array as long as they are the same. */
  readonly gaps: readonly ShownGap[];
}

const COUNTS_EVERY_MS = 100;

const noCounts: FrameCounts = {
  matched: 0,
  total: 0,
  heldBack: 0,
  left: 0,
  below: 0,
  search: null,
  sortProgress: null,
  totals: [],
  gaps: [],
};

const worker = new Worker(new URL('./worker/worker.ts', import.meta.url), {
  type: 'module',
  name: 'trace',
});

function post(request: WorkerRequest | DerivedRequest, transfer: Transferable[] = []): void {
  worker.postMessage(request, transfer);
}

export const traceSession = new TraceSession(post, useTraceView);

/** What the pictures look at. */
export const derivedClient = new DerivedClient(post);

const drawers = new Set<() => void>();
const countListeners = new Set<() => void>();
let counts = noCounts;
let countsTimer: number | null = null;
let isDrawRequested = false;

function areSameGaps(one: readonly ShownGap[], other: readonly ShownGap[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ from, to }, index) => other[index]?.from === from && other[index].to === to)
  );
}

function updateCounts(): void {
  countsTimer = null;
  const { frame, bottom } = traceSession;
  if (!frame) return;
  const { matched, total, heldBack, left, search, totals } = frame;
  const lines = frame.gaps.filter(({ ordinal }) => ordinal !== null && ordinal >= bottom).length;
  const below = Math.max(0, Math.floor(frame.end - bottom) - lines);
  const gaps = areSameGaps(counts.gaps, frame.gaps) ? counts.gaps : frame.gaps;
  // The same order made anew, of newer rows, goes on unseen.
  const isOther = !isSameSorting(frame.sorting, useTraceView.getState().sorting);
  const sortProgress = isOther ? (frame.sortProgress ?? 0) : null;
  counts = { matched, total, heldBack, left, below, search, sortProgress, totals, gaps };
  for (const listener of countListeners) listener();
}

function draw(): void {
  isDrawRequested = false;
  for (const drawer of drawers) drawer();
  traceSession.drawn();
}

/** Draws with the next animation frame. */
export function requestDraw(): void {
  if (isDrawRequested) return;
  isDrawRequested = true;
  requestAnimationFrame(draw);
}

const answers = new Map<number, (answer: QueryAnswer) => void>();
let nextQuery = 1;

worker.onmessage = ({ data }: MessageEvent<WorkerMessage | DerivedMessage>) => {
  switch (data.type) {
    case 'frame':
      traceSession.receive(data.frame);
      requestDraw();
      countsTimer ??= window.setTimeout(updateCounts, COUNTS_EVERY_MS);
      return;
    case 'answer':
      answers.get(data.id)?.(data.answer);
      answers.delete(data.id);
      return;
    case 'read-payload':
      void readPayload(data.disk, data.sequence).then((bytes) =>
        post({ type: 'payload', id: data.id, bytes }),
      );
      return;
    case 'derived':
    case 'derived-progress':
      derivedClient.receive(data);
      return;
  }
};

/** Asks the worker once. The worker answers every query. */
export function ask<Kind extends Query['kind']>(
  query: Extract<Query, { kind: Kind }>,
): Promise<Extract<QueryAnswer, { kind: Kind }>> {
  const id = nextQuery++;
  post({ type: 'query', id, query });
  return new Promise((resolve) => {
    answers.set(id, (answer) => resolve(answer as Extract<QueryAnswer, { kind: Kind }>));
  });
}

/** The requests next to one in time that touch a sector of its; null where there is none among the rows kept. */
export interface Partners {
  readonly previous: TraceRecord | null;
  readonly next: TraceRecord | null;
  /** Successful writes only. */
  readonly previousWrite: TraceRecord | null;
  readonly nextWrite: TraceRecord | null;
}

export async function partners(disk: DiskId, sequence: bigint): Promise<Partners> {
  const answer = await ask({ kind: 'partners', disk, sequence: Number(sequence) });
  const record = (bytes: ArrayBuffer): TraceRecord | null =>
    bytes.byteLength === 0 ? null : decodeRecord(new DataView(bytes), 0);
  return {
    previous: record(answer.previous),
    next: record(answer.next),
    previousWrite: record(answer.previousWrite),
    nextWrite: record(answer.nextWrite),
  };
}

/** Tells the worker which requests of a disk are marked, for filters that ask. */
export function tellMarks(disk: DiskId, sequences: readonly number[]): void {
  post({ type: 'marks', disk, sequences });
}

function readPayload(disk: DiskId, sequence: number): Promise<Uint8Array | null> {
  const { disks } = useDisks.getState();
  const isCapture = disks.some(({ id, capture }) => id === disk && capture !== undefined);
  return readWholePayload(bridge, disk, sequence, isCapture);
}

worker.onerror = (event) => {
  // A bug: said where developers look, and in the window by its error handler.
  reportError(new Error(`the trace worker failed: ${event.message}`));
};

/** Calls `drawer` in each animation frame in which the table may look different. */
export function onDraw(drawer: () => void): () => void {
  drawers.add(drawer);
  return () => drawers.delete(drawer);
}

export const frameCounts = {
  subscribe: (listener: () => void): (() => void) => {
    countListeners.add(listener);
    return () => countListeners.delete(listener);
  },
  snapshot: (): FrameCounts => counts,
};

/** The end of the newest gap that the worker knows, a disk. */
const toldGaps = new Map<DiskId, bigint | undefined>();

/** Tells the worker when nobody served the disks, as the daemon knows it. */
function tellGaps(): void {
  const { disks } = useDisks.getState();
  for (const id of toldGaps.keys()) {
    if (disks.some((disk) => disk.id === id)) continue;
    toldGaps.delete(id);
    post({ type: 'gaps', disk: id, gaps: [] });
  }
  for (const { id, gaps = [] } of disks) {
    const newest = gaps.at(-1)?.to;
    if (toldGaps.get(id) === newest) continue;
    toldGaps.set(id, newest);
    const times = gaps.map(({ from, to }) => ({ from: Number(from), to: Number(to) }));
    post({ type: 'gaps', disk: id, gaps: times });
  }
}

/** Asks for the feed's port, and again whenever main sends a new one (the feed was restarted). */
export async function openTrace(): Promise<void> {
  post({ type: 'keep', rows: useRowsKept.getState().rows });
  useDisks.subscribe(tellGaps);
  tellGaps();
  useRowsKept.subscribe(({ rows }) => post({ type: 'keep', rows }));
  window.addEventListener('message', (event) => {
    const [port] = event.ports;
    if (event.source !== window || event.data !== traceChannel || !port) return;
    post({ type: 'port' }, [port]);
  });
  const answer = await bridge.invoke('trace.open', {});
  if (!answer.ok) throw new Error(answer.error.message);
}
