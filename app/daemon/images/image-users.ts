/** Finds who uses an image already: loop devices over it, processes that have it locked. */
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BioscopeError } from '../../contract/errors';
import type { Privileges } from '../../privileged/privileges';
import { describeHolders, scanHolders } from '../holders/scan-holders';
import { configuredLoops, nameOfDevice } from '../system/block-devices';
import { systemRoots, type SystemRoots } from '../system/roots';
import { quote } from './image-errors';
import type { Image } from './inspect-image';

/** The loop device that is over the image already, e.g. "/dev/loop3", or null. */
export async function loopOver(
  image: Image,
  privileges: Privileges,
  roots: SystemRoots = systemRoots,
): Promise<string | null> {
  if (image.kind !== 'file') return null; // the exclusive open finds that out
  for (const loop of configuredLoops(roots)) {
    if (await isOver(loop, image, privileges)) return loop.device;
  }
  return null;
}

async function isOver(
  loop: { readonly device: string; readonly backingFile: string },
  image: Image,
  privileges: Privileges,
): Promise<boolean> {
  if (privileges.available) {
    try {
      const status = await privileges.loopStatus(loop.device);
      return status?.backingDevice === image.device && status.backingInode === image.inode;
    } catch {
      // It has just been detached, or the node is missing: the path must do.
    }
  }
  if (loop.backingFile === image.path) return true;
  try {
    const stats = await stat(loop.backingFile, { bigint: true });
    return stats.dev === image.device && stats.ino === image.inode;
  } catch {
    return false; // the path is of another namespace, or deleted
  }
}

/** Refuses an image that a loop device is over. Throws IMAGE_IN_USE. */
export async function refuseLoopedImage(image: Image, privileges: Privileges): Promise<void> {
  const loop = await loopOver(image, privileges);
  if (loop === null) return;
  throw new BioscopeError(
    'IMAGE_IN_USE',
    `${quote(image.path)} is attached already as ${loop}, by another program. Detach it there first (losetup -d ${loop}).`,
    { errno: 'EBUSY' },
  );
}

/** Errnos of opening and locking an image that mean: somebody else has it. */
const takenErrnos = new Set(['EBUSY', 'EAGAIN', 'EWOULDBLOCK']);

/** The IMAGE_IN_USE for an image that could not be taken, naming who has it; null for another errno. */
export async function imageTaken(
  errno: string | null,
  image: Image,
  roots: SystemRoots = systemRoots,
): Promise<BioscopeError | null> {
  if (errno === null || !takenErrnos.has(errno)) return null;
  if (image.kind === 'file') {
    const lockers = lockersOf(image, roots);
    const who = lockers.length === 0 ? 'another process' : lockers.join(', ');
    return new BioscopeError(
      'IMAGE_IN_USE',
      `${quote(image.path)} is locked by ${who}. Two writers would destroy it: close it there first.`,
      { errno },
    );
  }
  const name = nameOfDevice(image.device, roots);
  const holders = name === null ? [] : await scanHolders(name.path, { roots });
  const who =
    holders.length === 0
      ? 'It is held by something that cannot be named (another program has it exclusively)'
      : describeHolders(holders);
  return new BioscopeError(
    'IMAGE_IN_USE',
    `${quote(image.path)} is in use. ${who}. Unmount or close that first.`,
    { errno, holders },
  );
}

/** Processes that hold a flock on the image: "qemu-nbd (process 12)". */
function lockersOf(image: Image, roots: SystemRoots): readonly string[] {
  let table: string;
  try {
    table = readFileSync(join(roots.proc, 'locks'), 'utf8');
  } catch {
    return [];
  }
  // "1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF"; the device's numbers are hexadecimal.
  const lockers: string[] = [];
  for (const line of table.split('\n')) {
    const match = /^\d+: FLOCK\s+\S+\s+\S+\s+(\d+) [0-9a-f]+:[0-9a-f]+:(\d+) /.exec(line);
    if (match?.[2] !== image.inode.toString()) continue;
    const pid = match[1] ?? '';
    let name = 'a process';
    try {
      name = readFileSync(join(roots.proc, pid, 'comm'), 'utf8').trim();
    } catch {
      // It has ended: its number is all there is.
    }
    lockers.push(`${name} (process ${pid})`);
  }
  return lockers;
}
