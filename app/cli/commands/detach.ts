/** `bioscope detach`: flushes and takes disks away. */
import { toErrorValue } from '../../contract/errors';
import { parseWords, usageError } from '../arguments';
import { findDaemon, withClient } from '../daemon-access';
import { selectDisk } from '../select-disk';
import type { Terminal } from '../terminal';

export async function detachCommand(words: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseWords(words, {
    all: { type: 'boolean' },
    deferred: { type: 'boolean' },
  });
  const deferred = values.deferred === true;
  const all = values.all === true;
  if (all && positionals.length > 0) throw usageError('detach --all takes no disks.');
  if (!all && positionals.length === 0) throw usageError('detach needs a DISK, IMAGE or DEVICE.');

  const client = await findDaemon();
  if (client === null) {
    for (const word of positionals) terminal.say(`${word} is no attached disk: there are none.`);
    return all ? 0 : 1;
  }
  return withClient(client, async (daemon) => {
    const { disks } = await daemon.invoke('disks.list', {});
    let failures = 0;
    const attempt = async (find: () => (typeof disks)[number]) => {
      try {
        await daemon.invoke('disks.detach', { disk: find().id, deferred });
      } catch (thrown) {
        failures++;
        terminal.say(toErrorValue(thrown).message);
      }
    };
    // The last attached first: it may lie on an earlier one.
    if (all) for (const disk of [...disks].reverse()) await attempt(() => disk);
    else for (const word of positionals) await attempt(() => selectDisk(disks, word));
    return failures === 0 ? 0 : 1;
  });
}
