/** `bioscope resize`, `abort` and `adopt`: what only disks on the dm-user route can do. */
import { resolve } from 'node:path';
import { toErrorValue } from '../../contract/errors';
import { abortWithoutDaemon } from '../abort-without-daemon';
import { noMoreWords, parseWords, usageError } from '../arguments';
import { reachDaemon, withClient } from '../daemon-access';
import { selectDisk } from '../select-disk';
import { onOneLine } from '../table';
import type { Terminal } from '../terminal';

/** The one word of a command on one disk. */
function diskWord(name: string, words: readonly string[]): string {
  const { positionals } = parseWords(words, {});
  const [word, ...rest] = positionals;
  noMoreWords(rest);
  if (word === undefined) throw usageError(`${name} needs a DISK, IMAGE or DEVICE.`);
  return word;
}

export async function resizeCommand(words: readonly string[], terminal: Terminal): Promise<number> {
  const word = diskWord('resize', words);
  return withClient(await reachDaemon(), async (daemon) => {
    const { disks } = await daemon.invoke('disks.list', {});
    const { id, size } = selectDisk(disks, word);
    const disk = await daemon.invoke('disks.resize', { disk: id });
    await terminal.print(
      disk.size === size ? `${id} has ${size} bytes as before` : `${id} has ${disk.size} bytes`,
    );
    return 0;
  });
}

export async function abortCommand(words: readonly string[], terminal: Terminal): Promise<number> {
  const word = diskWord('abort', words);
  const daemon = await reachDaemon().catch(async (thrown: unknown) => {
    const tag = await abortWithoutDaemon(thrown, word);
    terminal.say(`no daemon could be asked: ${onOneLine(toErrorValue(thrown).message)}`);
    await terminal.print(`what waited on the target ${tag} has failed`);
    return null;
  });
  if (daemon === null) return 0;
  return withClient(daemon, async () => {
    const { disks } = await daemon.invoke('disks.list', {});
    const { id } = selectDisk(disks, word);
    await daemon.invoke('disks.abort', { disk: id });
    await terminal.print(`what waited on ${id} has failed`);
    return 0;
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
