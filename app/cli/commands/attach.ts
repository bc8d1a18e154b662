/** `bioscope attach`: makes images disks. */
import { resolve } from 'node:path';
import { looksLikeCapture } from '../../capture/looks-like-capture';
import type { DaemonClient } from '../../client/daemon-client';
import { routeWishes, type Disk, type RouteWish } from '../../contract/disk';
import { toErrorValue } from '../../contract/errors';
import { shellWord } from '../../contract/shell-word';
import { encodeJson } from '../../contract/units';
import { parseWords, usageError } from '../arguments';
import { reachDaemon, withClient } from '../daemon-access';
import { onOneLine } from '../table';
import type { Terminal } from '../terminal';

export async function attachCommand(words: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseWords(words, {
    'read-only': { type: 'boolean', short: 'r' },
    route: { type: 'string' },
    force: { type: 'boolean' },
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
    const how = { readOnly, route, force: values.force === true };
    const attached = await attachImages(client, images, how, terminal, async (disk) => {
      const where = disk.device ?? disk.fuseFile ?? '';
      await terminal.print(values.json === true ? encodeJson(disk) : where);
    });
    return attached.length === images.length ? 0 : 1;
  });
}

/**
 * Attaches each image in turn, telling of notes and failures; returns those that worked. A
 * capture is refused, unless `force` says that it is to be a disk of raw bytes.
 */
export async function attachImages(
  client: DaemonClient,
  images: readonly string[],
  how: { readonly readOnly: boolean; readonly route?: RouteWish; readonly force?: boolean },
  terminal: Terminal,
  onAttached: (disk: Disk) => Promise<void>,
): Promise<readonly Disk[]> {
  const { force = false, ...wish } = how;
  const attached: Disk[] = [];
  for (const image of images) {
    const path = resolve(image);
    if (!force && (await looksLikeCapture(path))) {
      terminal.say(captureText(path));
      continue;
    }
    try {
      const disk = await client.invoke('disks.attach', { path, ...wish });
      attached.push(disk);
      await onAttached(disk);
      for (const note of disk.notes) terminal.say(`${onOneLine(disk.name)}: ${note}`);
    } catch (thrown) {
      terminal.say(toErrorValue(thrown).message);
    }
  }
  return attached;
}

function captureText(path: string): string {
  const word = shellWord(path);
  return `${onOneLine(path)} is a capture, not the image of a disk. To print its requests: bioscope trace ${word}. To make a disk of its bytes all the same: bioscope attach --force ${word}`;
}
