/** Takes a disk away from the system: refuses while somebody uses it, and names them. */
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { BioscopeError, type Holder } from '../../contract/errors';
import { describeHolders } from '../holders/scan-holders';
import { errnoOf, quote } from '../images/image-errors';
import type { AttachedRoute } from '../routes/route';
import type { DiskEntry } from './disk-entry';

/** udev and blkid open a new device for a moment: processes get this long to let go. */
const PATIENCE_MS = 1000;
const LOOK_AGAIN_MS = 100;
/** The FUSE connection ends with the loop device; the engine's threads follow at once. */
const THREADS_END_MS = 5000;

/** The DISK_BUSY for `entry` and its holders; an empty list means somebody who cannot be named. */
export function busyError(entry: DiskEntry, holders: readonly Holder[]): BioscopeError {
  const where = entry.disk.device ?? entry.disk.fuseFile ?? entry.disk.imagePath;
  const who =
    holders.length > 0
      ? describeHolders(holders)
      : `${where} is held by something that cannot be named (a mount that was detached lazily, or a program that has it exclusively)`;
  return new BioscopeError(
    'DISK_BUSY',
    `${entry.disk.name} (${entry.disk.id}) is in use: ${who}. ${wayOut(holders)} Then detach again${
      entry.route?.target?.saved.foreign === false
        ? ', or let it go with its last user (detach --deferred)'
        : ''
    }.`,
    { errno: 'EBUSY', holders },
  );
}

function wayOut(holders: readonly Holder[]): string {
  const kinds = new Set(holders.map(({ kind }) => kind));
  const steps = [
    ...(kinds.has('mount') ? ['unmount it (umount)'] : []),
    ...(kinds.has('swap') ? ['turn the swap off (swapoff)'] : []),
    ...(kinds.has('device') ? ['remove what lies on top of it'] : []),
    ...(kinds.has('process') ? ['close those programs'] : []),
  ];
  const sentence = steps.length === 0 ? 'wait until it is free' : steps.join(', ');
  return `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`;
}

/** The command that takes the disk away without a flush: where the image cannot be written any more there is no other. */
function giveUp({ disk, mountDirectory }: DiskEntry): string {
  if (disk.device === null) return `fusermount3 -u ${quote(mountDirectory)}`;
  return disk.route === 'dm-user' ? `dmsetup remove ${disk.device}` : `losetup -d ${disk.device}`;
}

/** Who uses the disk, after programs that only look at a new device have had time to finish. */
export async function lastingHolders(
  route: AttachedRoute,
  stacked: () => readonly Holder[],
): Promise<readonly Holder[]> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const holders = [...(await route.holders()), ...stacked()];
    const passing = holders.every(({ kind }) => kind === 'process');
    if (holders.length === 0 || !passing || Date.now() >= deadline) return holders;
    await sleep(LOOK_AGAIN_MS);
  }
}

/**
 * Detaches an attached disk and closes its image. Throws DISK_BUSY, and then
 * nothing has changed; or DISK_FAILED when what was written could not be flushed.
 */
export async function detachDisk(
  entry: DiskEntry,
  stacked: () => readonly Holder[],
): Promise<void> {
  const { route, native } = entry;
  if (route === null || native === null) return;
  const holders = await lastingHolders(route, stacked);
  if (holders.length > 0) throw busyError(entry, holders);
  try {
    await route.detach();
  } catch (thrown) {
    const errno = errnoOf(thrown);
    if (errno === 'EBUSY') throw busyError(entry, [...(await route.holders()), ...stacked()]);
    throw new BioscopeError(
      'DISK_FAILED',
      `${entry.disk.name} (${entry.disk.id}) could not be detached (${errno ?? String(thrown)}); it is still attached. ` +
        `What was written last may not be safe on the image. Try again, or give that up: ${giveUp(entry)}.`,
      { errno, cause: thrown },
    );
  }
  // One that was made by hand stays, and its channels end as the image is closed.
  if (route.target?.saved.foreign !== true)
    await Promise.race([native.ended(), sleep(THREADS_END_MS, null, { ref: false })]);
  await closeImage(entry);
}

/** Flushes and closes the image and removes the trace file. */
export async function closeImage(entry: DiskEntry): Promise<void> {
  const { native } = entry;
  if (native === null) return;
  entry.native = null;
  entry.route = null;
  entry.identity = null;
  try {
    await native.flush();
  } finally {
    await native.close();
    await rm(entry.disk.tracePath, { force: true });
  }
}
