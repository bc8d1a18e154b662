/**
 * The feed: an Electron utility process that reads the trace files of the disks
 * that main names, and posts their records to a worker of each window.
 *
 * It has no state worth keeping. On anything unexpected, a port that throws
 * above all (messages after that may vanish without a word), it ends; main
 * starts another, and every window begins anew with the oldest record kept.
 */
import { BIOSCOPE_TRACE_VERSION } from '../contract/wire.gen';
import type { FeedCommand } from '../contract/feed';
import { addon } from './addon';
import { FeedPort } from './feed-port';
import { Pace } from './pace';
import { batchBuffer, type FollowedDisk } from './trace-source';

if (addon.traceVersion !== BIOSCOPE_TRACE_VERSION) {
  throw new Error(
    `the addon writes traces of version ${addon.traceVersion}, not ${BIOSCOPE_TRACE_VERSION}: build again`,
  );
}

const ports = new Set<FeedPort>();
const buffer = batchBuffer();
const pace = new Pace();
let disks: readonly FollowedDisk[] = [];
let timer: NodeJS.Timeout | null = null;

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
  // Main is part of the same program: what it sends needs no schema.
  const command = data as FeedCommand;
  if (command.type === 'disks') {
    ({ disks } = command);
    for (const port of ports) port.follow(disks, buffer);
  } else if (channel) {
    const port = new FeedPort(channel, (path) => addon.openTrace(path, 'oldest'));
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
