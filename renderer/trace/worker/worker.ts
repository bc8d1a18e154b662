/// <reference lib="webworker" />
/**
 * The trace worker: the feed's port on one side, the page on the other. A frame
 * is sent when the page has drawn the last one and something has changed, so a
 * slow page skips frames and never queues them.
 */
import { isFeedMessage, type FeedRequest } from '../../../app/contract/feed';
import type { View, WorkerRequest } from './protocol';
import { TraceStore } from './trace-store';

declare const self: DedicatedWorkerGlobalScope;

const store = new TraceStore();
let feed: MessagePort | null = null;
let view: View | null = null;
let pageIsReady = false;
let changed = false;

function sendFrame(): void {
  if (!view) return;
  pageIsReady = false;
  changed = false;
  const frame = store.frame(view);
  const buffers = frame.selected ? [frame.records, frame.selected.record] : [frame.records];
  self.postMessage(frame, buffers);
}

function takeFeedMessage(message: unknown): void {
  if (!isFeedMessage(message)) throw new Error('the feed sent a message of an unknown form');
  if (message.type === 'opened') store.prune(view?.disk ?? null);
  try {
    store.receive(message);
  } finally {
    if (message.type === 'batch') {
      const credit: FeedRequest = { type: 'credit', batches: 1 };
      feed?.postMessage(credit);
    }
  }
  changed = true;
  if (pageIsReady) sendFrame();
}

self.onmessage = ({ data, ports }: MessageEvent<WorkerRequest>) => {
  switch (data.type) {
    case 'port': {
      const [port] = ports;
      if (!port) throw new Error('the page sent no port');
      feed?.close();
      feed = port;
      port.onmessage = (event: MessageEvent<unknown>) => takeFeedMessage(event.data);
      port.start();
      return;
    }
    case 'view':
      view = data.view;
      sendFrame();
      return;
    case 'drawn':
      pageIsReady = true;
      if (changed) sendFrame();
      return;
  }
};
