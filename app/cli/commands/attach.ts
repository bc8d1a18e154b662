/** `bioscope attach`: makes images disks. */
import { resolve } from 'node:path';
import type { DaemonClient } from '../../client/daemon-client';
import { routeWishes, type Disk, type RouteWish } from '../../contract/disk';
import { toErrorValue } from '../../contract/errors';
import { encodeJson } from '../../contract/units';
import { parseWords, usageError } from '../arguments';
import { reachDaemon, withClient } from '../daemon-access';
import { onOneLine } from '../table';
import type { Terminal } from '../terminal';

export async function attachCommand(words: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseWords(words, {
    'read-only': { type: 'boolean', short: 'r' },
    route: { type: 'string' },
    json: { type: 'boolean' },
  });
  const route = routeWishes.find((name) => name === (values.route ?? 'auto'));
  if (route === undefined) {
    throw usageError(`There is no route "${values.route ?? ''}": ${routeWishes.join(', ')}.`);
  }
  if (positionals.length === 0) throw usageError('attach needs an IMAGE.');
  if (positionals.includes('')) throw usageError('The name of an IMAGE is empty.');
  const images = positionals;
  return withClient(await reachDaemon(), async (client) => {
    const readOnly = values['read-only'] === true;
    const how = { readOnly, route };
    const attached = await attachImages(client, images, how, terminal, async (disk) => {
      const where = disk.device ?? disk.fuseFile ?? '';
      await terminal.print(values.json === true ? encodeJson(disk) : where);
    });
    return attached.length === images.length ? 0 : 1;
  });
}

/** Attaches each image in turn, telling of notes and failures; returns those that worked. */
export async function attachImages(
  client: DaemonClient,
  images: readonly string[],
  how: { readonly readOnly: boolean; readonly route?: RouteWish },
  terminal: Terminal,
  onAttached: (disk: Disk) => Promise<void>,
): Promise<readonly Disk[]> {
  const attached: Disk[] = [];
  for (const image of images) {
    try {
      const disk = await client.invoke('disks.attach', { path: resolve(image), ...how });
      attached.push(disk);
      await onAttached(disk);
      for (const note of disk.notes) terminal.say(`${onOneLine(disk.name)}: ${note}`);
    } catch (thrown) {
      terminal.say(toErrorValue(thrown).message);
    }
  }
  return attached;
}
