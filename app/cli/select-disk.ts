/** Finds the disk that somebody means by an id, a device, a FUSE file, or an image. */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Disk } from '../contract/disk';
import { BioscopeError } from '../contract/errors';

function realPath(path: string): string {
  const absolute = resolve(path);
  try {
    return realpathSync(absolute);
  } catch {
    return absolute;
  }
}

/** Throws DISK_UNKNOWN. A served disk goes before one that failed. */
export function selectDisk(disks: readonly Disk[], word: string): Disk {
  const byId = disks.find(({ id }) => id === word);
  if (byId) return byId;
  // A device may be a symbolic link, as udev makes them in /dev/mapper.
  const paths = [resolve(word), realPath(word)];
  const matching = disks.filter(({ device, fuseFile, imagePath }) =>
    [device, fuseFile, imagePath].some((path) => path !== null && paths.includes(path)),
  );
  const found = matching.find(({ state }) => state !== 'failed') ?? matching[0];
  if (found) return found;
  throw new BioscopeError(
    'DISK_UNKNOWN',
    `${word} is no attached disk: neither the id, nor the device, nor the image of one. "bioscope list" shows them.`,
  );
}
