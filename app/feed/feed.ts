/**
 * The feed: an Electron utility process that reads the trace files of the disks
 * that main names, and posts their records to a worker of each window.
 *
 * It has no state worth keeping. On anything unexpected, a port that throws
 * above all (messages after that may vanish without a word), it ends; main
 * starts another, and every window begins anew with the oldest record kept.
 */
import { isFeedCommand } from '../contract/feed';
import type { NativeTraceReader } from '../addon/addon';
import { loadAddon } from '../addon/load';
import { openCapture } from '../capture/open-capture';
import { CaptureTraceReader } from '../capture/trace-reader';
import { FeedPort } from './feed-port';
import { Pace } from './pace';
import { batchBuffer, type FollowedDisk } from './trace-source';

const addon = loadAddon();

const ports = new Set<FeedPort>();
const buffer = batchBuffer();
const pace = new Pace();
let disks: readonly FollowedDisk[] = [];
/** Captures by path: being opened (null), or open and waiting for who asked. */
const opening = new Map<string, CaptureTraceReader | null>();
let timer: NodeJS.Timeout | null = null;

/** A capture takes a moment to open: until then it is not there yet. Each port reads its own. */
function openReader({ tracePath, isCapture, number }: FollowedDisk): NativeTraceReader {
  if (!isCapture) return addon.openTrace(tracePath, 'oldest');
  const reader = opening.get(tracePath);
  if (reader) {
    opening.delete(tracePath);
    return reader;
  }
  if (reader === undefined) {
    opening.set(tracePath, null);
    openCapture(tracePath)
      .then((file) => {
        opening.set(tracePath, new CaptureTraceReader(file, number, 'skip'));
        pollNow();
      })
      // Main, which had it open, tells the user; here it is tried again.
      .catch(() => opening.delete(tracePath));
  }
  throw new Error(`${tracePath} is being opened`);
}

/** Captures that were closed again before anybody read them. */
function forgetClosed(): void {
  for (const [path, reader] of opening) {
    if (reader === null || disks.some(({ tracePath }) => tracePath === path)) continue;
    reader.close();
    opening.delete(path);
  }
}

function pollAll(): void {
  timer = null;
  let records = 0;
  for (const port of ports) records += port.poll(buffer);
  if (ports.size > 0) timer = setTimeout(pollAll, pace.next(records));
}

/** Polls at once, and from then on at the busy pace. */
function pollNow(): void {
  if (timer) clearTimeout(timer);
  pollAll();
}

process.parentPort.on('message', ({ data, ports: [channel] }) => {
  const command: unknown = data;
  if (!isFeedCommand(command)) throw new Error('the feed got a command outside the contract');
  if (command.type === 'disks') {
    ({ disks } = command);
    for (const port of ports) port.follow(disks, buffer);
    forgetClosed();
  } else if (channel) {
    const port = new FeedPort(channel, openReader);
    port.follow(disks, buffer);
    ports.add(port);
    channel.on('message', (event) => port.receive(event.data));
    channel.on('close', () => {
      ports.delete(port);
      port.close();
    });
    channel.start();
  }
  pollNow();
});
