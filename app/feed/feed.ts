/**
 * The feed: an Electron utility process that reads the trace files of the disks
 * that main names, and posts their records to a worker of each window.
 *
 * It has no state worth keeping. On anything unexpected, a port that throws
 * above all (messages after that may vanish without a word), it ends; main
 * starts another, and every window begins anew with the oldest record kept.
 */
import { loadAddon } from '../addon/load';
import { CaptureColumnReader } from '../capture/column-reader';
import { openCapture } from '../capture/open-capture';
import { toErrorValue } from '../contract/errors';
import { isFeedCommand } from '../contract/feed';
import type { FeedReport } from '../contract/feed-report';
import { CaptureSource } from './capture-source';
import { FeedPort } from './feed-port';
import { Pace } from './pace';
import {
  TraceSource,
  batchBuffer,
  type FollowedDisk,
  type OpenTrace,
  type Source,
} from './trace-source';

const addon = loadAddon();

const ports = new Set<FeedPort>();
const buffer = batchBuffer();
const packRecords = addon.makeRecordPacker();
const pace = new Pace();
let disks: readonly FollowedDisk[] = [];
let timer: NodeJS.Timeout | null = null;

function report(subject: string, thrown: unknown, isUnreadable: boolean): void {
  const problem: FeedReport = {
    type: 'problem',
    subject,
    isUnreadable,
    error: toErrorValue(thrown),
  };
  process.parentPort.postMessage(problem);
}

async function openColumns(path: string): Promise<CaptureColumnReader> {
  return new CaptureColumnReader(await openCapture(path), addon.makeColumnPacker());
}

/** What reads a disk's trace, or a capture. Each port reads its own. */
function makeSource(disk: FollowedDisk): Source {
  if (disk.isCapture) return new CaptureSource(disk, { open: openColumns, report, wake: pollNow });
  const open: OpenTrace = ({ tracePath }) => addon.openTrace(tracePath, 'oldest');
  return new TraceSource(disk, open, packRecords);
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
  } else if (channel) {
    const port = new FeedPort(channel, makeSource);
    port.follow(disks, buffer);
    ports.add(port);
    channel.on('message', (event) => {
      if (port.receive(event.data)) pollNow();
    });
    channel.on('close', () => {
      ports.delete(port);
      port.close();
    });
    channel.start();
  }
  pollNow();
});
