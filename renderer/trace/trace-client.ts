/**
 * The trace session of this window, wired up: the worker, the feed's port and
 * the animation frames. One for the life of the page.
 */
import { traceChannel } from '../../app/contract/window-api';
import { bridge } from '../shell/bridge';
import { TraceSession } from './trace-session';
import { useTraceView } from './view-state';
import type { Frame, TraceTotals, WorkerRequest } from './worker/protocol';

/** Numbers of a frame, at a pace for reading. */
export interface FrameCounts {
  readonly matched: number;
  readonly total: number;
  readonly heldBack: number;
  readonly left: number;
  /** Rows that passed the end of what is seen, while the view does not follow. */
  readonly below: number;
  readonly totals: readonly TraceTotals[];
}

const COUNTS_EVERY_MS = 100;

const noCounts: FrameCounts = {
  matched: 0,
  total: 0,
  heldBack: 0,
  left: 0,
  below: 0,
  totals: [],
};

const worker = new Worker(new URL('./worker/worker.ts', import.meta.url), {
  type: 'module',
  name: 'trace',
});

export const traceSession = new TraceSession(
  (request: WorkerRequest) => worker.postMessage(request),
  useTraceView,
);

const drawers = new Set<() => void>();
const countListeners = new Set<() => void>();
let counts = noCounts;
let countsTimer: number | null = null;
let isDrawRequested = false;

function updateCounts(): void {
  countsTimer = null;
  const { frame, bottom } = traceSession;
  if (!frame) return;
  const { matched, total, heldBack, left, totals } = frame;
  const below = Math.max(0, Math.floor(frame.end - bottom));
  counts = { matched, total, heldBack, left, below, totals };
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

worker.onmessage = ({ data }: MessageEvent<Frame>) => {
  traceSession.receive(data);
  requestDraw();
  countsTimer ??= window.setTimeout(updateCounts, COUNTS_EVERY_MS);
};

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

/** Asks for the feed's port, and again whenever main sends a new one (the feed was restarted). */
export async function openTrace(): Promise<void> {
  window.addEventListener('message', (event) => {
    const [port] = event.ports;
    if (event.source !== window || event.data !== traceChannel || !port) return;
    worker.postMessage({ type: 'port' } satisfies WorkerRequest, [port]);
  });
  const answer = await bridge.invoke('trace.open', {});
  if (!answer.ok) throw new Error(answer.error.message);
}
