/**
 * `bioscope demo`: attaches images, or a disk of its own that is put to light
 * work, and prints the trace until it is told to end; then it stops the work and
 * detaches what it attached. More signals meanwhile change nothing, so nothing
 * is left behind.
 */
import type { DaemonClient } from '../../client/daemon-client';
import type { Disk } from '../../contract/disk';
import { toErrorValue } from '../../contract/errors';
import { loadAddon } from '../../addon/load';
import { parseWords } from '../arguments';
import { reachDaemon, withClient } from '../daemon-access';
import { makeDemoImage } from '../demo/demo-image';
import { clearEarlierDemos } from '../demo/earlier-demos';
import { startWorkload, type Workload } from '../demo/workload';
import type { Terminal } from '../terminal';
import { followDisks } from '../trace/follow-disks';
import { humanFormat } from '../trace/human-format';
import { attachImages } from './attach';

export async function demoCommand(words: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseWords(words, {
    'read-only': { type: 'boolean', short: 'r' },
  });
  terminal.endOnSignals();
  return withClient(await reachDaemon(), (client) =>
    positionals.length > 0
      ? showImages(client, positionals, values['read-only'] === true, terminal)
      : showDemoDisk(client, terminal),
  );
}

async function showImages(
  client: DaemonClient,
  images: readonly string[],
  readOnly: boolean,
  terminal: Terminal,
): Promise<number> {
  const tell = (disk: Disk) => {
    terminal.say(`${disk.name} is ${disk.device ?? disk.fuseFile ?? '?'}; Ctrl-C detaches it`);
    return Promise.resolve();
  };
  const disks = await attachImages(client, images, { readOnly }, terminal, tell);
  if (disks.length === 0) return 1;
  let status = disks.length === images.length ? 0 : 1;
  try {
    await showTrace(client, disks, terminal);
  } finally {
    if (!(await detachAll(client, disks, terminal))) status = 1;
  }
  return status;
}

async function showDemoDisk(client: DaemonClient, terminal: Terminal): Promise<number> {
  await clearEarlierDemos(client, terminal);
  const image = await makeDemoImage();
  let workload: Workload | null = null;
  let disks: readonly Disk[] = [];
  try {
    const tell = (disk: Disk) => {
      terminal.say(
        `demo disk ${disk.device ?? disk.fuseFile ?? '?'} (ext4, ${image.path}): files on it are written, read and deleted; Ctrl-C ends it and removes it`,
      );
      return Promise.resolve();
    };
    disks = await attachImages(client, [image.path], { readOnly: false }, terminal, tell);
    const [disk] = disks;
    if (!disk) return 1;
    if (!terminal.end.aborted) workload = startWorkload(disk, image.directory, terminal);
    await showTrace(client, disks, terminal);
    return workload?.failed === true ? 1 : 0;
  } finally {
    await workload?.stop();
    if (await detachAll(client, disks, terminal)) await image.remove();
  }
}

function showTrace(
  client: DaemonClient,
  disks: readonly Disk[],
  terminal: Terminal,
): Promise<void> {
  return followDisks({
    client,
    addon: loadAddon(),
    terminal,
    format: humanFormat(),
    only: new Set(disks.map(({ id }) => id)),
    from: 'oldest',
    follow: true,
    count: Infinity,
  });
}

/** True when all are gone. One in use stays attached, and its user is named. */
async function detachAll(
  client: DaemonClient,
  disks: readonly Disk[],
  terminal: Terminal,
): Promise<boolean> {
  let gone = true;
  for (const disk of [...disks].reverse()) {
    try {
      await client.invoke('disks.detach', { disk: disk.id });
    } catch (thrown) {
      const { code, message } = toErrorValue(thrown);
      if (code === 'DISK_UNKNOWN') continue; // somebody else was quicker
      gone = false;
      terminal.say(`${message} It stays attached: "bioscope detach ${disk.id}" takes it away.`);
    }
  }
  return gone;
}
