/** `bioscope resize`, `abort` and `adopt`: what only disks on the dm-user route can do. */
import { resolve } from 'node:path';
import type { DaemonClient } from '../../client/daemon-client';
import type { Disk } from '../../contract/disk';
import { noMoreWords, parseWords, usageError } from '../arguments';
import { reachDaemon, withClient } from '../daemon-access';
import { selectDisk } from '../select-disk';
import { onOneLine } from '../table';
import type { Terminal } from '../terminal';

type Action = (daemon: DaemonClient, disk: Disk) => Promise<string>;

/** A command on one disk that prints what it did. */
async function onDisk(
  name: string,
  words: readonly string[],
  terminal: Terminal,
  action: Action,
): Promise<number> {
  const { positionals } = parseWords(words, {});
  const [word, ...rest] = positionals;
  noMoreWords(rest);
  if (word === undefined) throw usageError(`${name} needs a DISK, IMAGE or DEVICE.`);
  return withClient(await reachDaemon(), async (daemon) => {
    const { disks } = await daemon.invoke('disks.list', {});
    await terminal.print(await action(daemon, selectDisk(disks, word)));
    return 0;
  });
}

export function resizeCommand(words: readonly string[], terminal: Terminal): Promise<number> {
  return onDisk('resize', words, terminal, async (daemon, { id, size }) => {
    const disk = await daemon.invoke('disks.resize', { disk: id });
    return disk.size === size
      ? `${id} has ${size} bytes as before`
      : `${id} has ${disk.size} bytes`;
  });
}

export function abortCommand(words: readonly string[], terminal: Terminal): Promise<number> {
  return onDisk('abort', words, terminal, async (daemon, { id }) => {
    await daemon.invoke('disks.abort', { disk: id });
    return `what waited on ${id} has failed`;
  });
}

export async function adoptCommand(words: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseWords(words, {
    'read-only': { type: 'boolean', short: 'r' },
  });
  const [target, image, ...rest] = positionals;
  noMoreWords(rest);
  if (target === undefined || image === undefined || image === '') {
    throw usageError('adopt needs the NAME of a target and an IMAGE.');
  }
  return withClient(await reachDaemon(), async (daemon) => {
    const disk = await daemon.invoke('disks.adopt', {
      target: target.replace(/^\/dev\/mapper\//, ''),
      path: resolve(image),
      readOnly: values['read-only'] === true,
    });
    await terminal.print(disk.device ?? '');
    for (const note of disk.notes) terminal.say(`${onOneLine(disk.name)}: ${note}`);
    return 0;
  });
}
