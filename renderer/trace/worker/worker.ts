/// <reference lib="webworker" />
/**
 * The trace worker: the feed's port on one side, the page on the other. A frame
 * is sent when the page has drawn the last one and something has changed, so a
 * slow page skips frames and never queues them.
 */
import { isFeedMessage, type FeedRequest } from '../../../app/contract/feed';
import type { DiskId } from '../../../app/contract/units';
import { printFilter } from '../../../app/filter/print';
import { type DerivedMessage, type DerivedRequest, DerivedViews } from './derived/derived-views';
import type { DiskTrace } from './disk-trace';
import type { QueryAnswer, View, WorkerMessage, WorkerRequest } from './protocol';
import { TraceStore } from './trace-store';

declare const self: DedicatedWorkerGlobalScope;

/** A filter or an order is made in slices of so many ms: records and pages come in between. */
const SLICE_MS = 8;
const PROGRESS_EVERY_MS = 100;
/** Pictures wait so long for a filter that is being made: they are of the one before. */
const FILTER_FIRST_MS = 50;

const store = new TraceStore();
let feed: MessagePort | null = null;
let view: View | null = null;
let pageIsReady = false;
let changed = false;
let isSortLater = false;
/** Whether a slice is on its way to itself: a message waits its turn, and not a timer's 4 ms. */
let isSliceSent = false;
const slices = new MessageChannel();
let progressDue = 0;

function send(message: WorkerMessage | DerivedMessage, buffers: Transferable[] = []): void {
  self.postMessage(message, buffers);
}

function sendFrame(): void {
  if (!view) return;
  pageIsReady = false;
  changed = false;
  const frame = store.frame(view);
  const buffers = frame.selected ? [frame.records, frame.selected.record] : [frame.records];
  send({ type: 'frame', frame }, buffers);
  if (frame.search && frame.search.open > 0) void search();
  sortLater();
  makeLater();
}

/** Goes on with the filter or the order that the view asks for and no frame has yet. */
function makeLater(): void {
  if (isSliceSent || !store.trace(view?.disk ?? null)?.making) return;
  isSliceSent = true;
  slices.port2.postMessage(null);
}

slices.port1.onmessage = () => {
  isSliceSent = false;
  if (!view) return;
  const trace = store.trace(view.disk);
  const before = trace?.making;
  store.work(view, SLICE_MS);
  // The pictures follow the filter, and the frames between show how far the order is.
  if (trace?.making !== before) somethingChanged();
  else if (performance.now() >= progressDue) {
    progressDue = performance.now() + PROGRESS_EVERY_MS;
    changed = true;
    if (pageIsReady) sendFrame();
  }
  makeLater();
};

/** A sorted list that waits its pause takes the newest rows in also when no others follow. */
function sortLater(): void {
  const due = store.trace(view?.disk ?? null)?.sortDue ?? null;
  if (due === null || isSortLater) return;
  isSortLater = true;
  setTimeout(
    () => {
      isSortLater = false;
      somethingChanged();
    },
    Math.max(0, due - performance.now()),
  );
}

/** Work that goes on as soon as the messages that wait have been taken: a timer would take 4 ms. */
const soon: (() => void)[] = [];
const turns = new MessageChannel();
turns.port1.onmessage = () => soon.shift()?.();

const pictures = new DerivedViews({
  source: () => {
    if (!view) return null;
    const trace = store.trace(view.disk);
    if (!trace) return null;
    const { disk, epochMonotonicNs } = trace;
    return { disk, epochMonotonicNs, chunks: trace.passing(view) };
  },
  send: (message, buffers) => send(message, [...buffers]),
  now: () => performance.now(),
  schedule: (milliseconds, work) => {
    const isFiltering = store.trace(view?.disk ?? null)?.making === 'filter';
    const pause = isFiltering ? Math.max(milliseconds, FILTER_FIRST_MS) : milliseconds;
    if (pause > 0) {
      setTimeout(work, pause);
      return;
    }
    soon.push(work);
    turns.port2.postMessage(null);
  },
});

/** Whether two views are of the same rows, wherever in them they look. */
function areSameRows(one: View | null, other: View): boolean {
  return (
    one?.disk === other.disk &&
    one.clearedThrough === other.clearedThrough &&
    one.pausedAt === other.pausedAt &&
    printFilter(one.filter) === printFilter(other.filter)
  );
}

function somethingChanged(): void {
  changed = true;
  pictures.changed();
  if (pageIsReady) sendFrame();
}

/** A capture comes as fast as it can be read: frames meanwhile only show how far that is, ms. */
const CAPTURE_FRAMES_MS = 100;
/** Drawing pictures, of all rows each time, would take the processor from what reads it. */
const CAPTURE_PICTURES_ROWS = 16;
const CAPTURE_PICTURES_MS = 100;

/** Calls `work` so many ms after it is asked for, once for all that ask until then. */
function later(milliseconds: number, work: () => void): () => void {
  let isComing = false;
  return () => {
    if (isComing) return;
    isComing = true;
    setTimeout(() => {
      isComing = false;
      work();
    }, milliseconds);
  };
}

const showCapture = later(CAPTURE_FRAMES_MS, () => {
  changed = true;
  if (pageIsReady) sendFrame();
});

/** The capture that is looked at and being read: how many rows its pictures are of, and a timer for its end. */
let drawn: { readonly disk: DiskId; readonly rows: number } | null = null;
let captureEnd: ReturnType<typeof setTimeout> | undefined;

/** Pictures of a capture are drawn when it has so many times the rows they were of, and when no more come. */
function drawCapture(disk: DiskId): void {
  if (disk !== view?.disk) return;
  const rows = store.trace(disk)?.rows.end ?? 0;
  if (drawn?.disk !== disk || rows >= CAPTURE_PICTURES_ROWS * drawn.rows) {
    drawn = { disk, rows };
    pictures.changed();
  }
  clearTimeout(captureEnd);
  captureEnd = setTimeout(() => {
    drawn = null;
    pictures.changed();
  }, CAPTURE_PICTURES_MS);
}

/** Batches taken whose credits have not gone back yet. */
let taken = 0;

/** Those that wait together are thanked for together: a message to another process is dear. */
function returnCredits(): void {
  if (taken === 0) return;
  const credit: FeedRequest = { type: 'credit', batches: taken };
  taken = 0;
  feed?.postMessage(credit);
}

function takeFeedMessage(message: unknown): void {
  if (!isFeedMessage(message)) throw new Error('the feed sent a message of an unknown form');
  if (message.type === 'opened') store.prune(view?.disk ?? null);
  try {
    store.receive(message);
  } finally {
    if (message.type !== 'opened' && message.type !== 'closed') {
      if (taken++ === 0) setTimeout(returnCredits, 0);
    }
  }
  if (message.type === 'columns') {
    showCapture();
    drawCapture(message.disk);
  } else somethingChanged();
}

// --- filters that look into payloads ---

const readers = new Map<number, (bytes: Uint8Array | null) => void>();
let nextRead = 1;
let isSearching = false;

function readPayload(trace: DiskTrace, sequence: number): Promise<Uint8Array | null> {
  const id = nextRead++;
  send({ type: 'read-payload', id, disk: trace.disk, sequence });
  return new Promise((resolve) => readers.set(id, resolve));
}

/** Looks into what the filter of the view asks for, until it asks for nothing more. */
async function search(): Promise<void> {
  if (isSearching) return;
  isSearching = true;
  try {
    for (;;) {
      const trace = store.trace(view?.disk ?? null);
      if (!trace?.search) return;
      if (!(await trace.lookUp((sequence) => readPayload(trace, sequence)))) return;
      somethingChanged();
    }
  } finally {
    isSearching = false;
  }
}

function sendAnswer(id: number, answer: QueryAnswer): void {
  const { kind } = answer;
  const buffers =
    kind === 'records'
      ? [answer.records]
      : kind === 'partners'
        ? [answer.previous, answer.next, answer.previousWrite, answer.nextWrite]
        : [];
  send({ type: 'answer', id, answer }, buffers);
}

self.onmessage = ({ data, ports }: MessageEvent<WorkerRequest | DerivedRequest>) => {
  switch (data.type) {
    case 'port': {
      const [port] = ports;
      if (!port) throw new Error('the page sent no port');
      feed?.close();
      feed = port;
      taken = 0;
      port.onmessage = (event: MessageEvent<unknown>) => takeFeedMessage(event.data);
      port.start();
      return;
    }
    case 'view': {
      const isOther = !areSameRows(view, data.view);
      view = data.view;
      sendFrame();
      if (isOther) pictures.changed();
      return;
    }
    case 'drawn':
      pageIsReady = true;
      if (changed) sendFrame();
      return;
    case 'keep':
      store.keep(data.rows);
      somethingChanged();
      return;
    case 'marks':
      store.trace(data.disk)?.setMarks(data.sequences);
      somethingChanged();
      return;
    case 'gaps':
      store.setGaps(data.disk, data.gaps);
      somethingChanged();
      return;
    case 'query':
      sendAnswer(data.id, store.answer(data.query, view));
      return;
    case 'payload':
      readers.get(data.id)?.(data.bytes);
      readers.delete(data.id);
      return;
    case 'derive':
      pictures.set(data.id, data.request);
      return;
    case 'derived-drawn':
      pictures.drawn(data.id);
      return;
  }
};
