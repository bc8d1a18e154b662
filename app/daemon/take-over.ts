/**
 * What a daemon does first, from what an earlier one left. Disks on the dm-user route
 * come before all that takes time: their requests wait in the kernel. What may have to wait for a
 * password comes last, and nobody waits for it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { DiskTable } from './disks/disk-table';
import type { Predecessor } from './disks/resuming-targets';
import {
  clearDevices,
  clearMounts,
  clearTraces,
  findLeftovers,
  type LeftoverOptions,
} from './leftovers/clear-leftovers';
import { lastSignOfLife } from './signs-of-life';

/** Clients wait no longer than this for disks that were handed over. */
const PATIENCE_MS = 1000;

export interface TakenOver {
  /** Every disk on the dm-user route is served again, or has failed. Never rejects. */
  readonly resumed: Promise<void>;
  /** What could be cleared away of the other disks is. Never rejects. */
  readonly cleared: Promise<void>;
}

/**
 * Resolves once clients can be heard. With the daemon's lock held. `before`: the daemon
 * that has just handed over, or died of it; null when there was none, or it died earlier.
 */
export async function takeOver(
  disks: DiskTable,
  before: Predecessor | null,
  options: LeftoverOptions,
): Promise<TakenOver> {
  const { paths, privileges } = options;
  const diedAt = lastSignOfLife(paths.lock);
  const leftovers = findLeftovers(options);
  disks.adopt(leftovers.entries, leftovers.nextNumber);
  // A disk that is gone on with may begin a fresh trace, which no disk names yet.
  clearTraces(leftovers, options);
  const { pid } = leftovers;
  const resumed = disks.targets.resuming.resumeAll(before ?? { pid, diedAt, opened: new Map() });
  // All it takes is at hand after a planned change: nothing else is to take the processor meanwhile.
  if (before) await Promise.race([resumed, sleep(PATIENCE_MS, undefined, { ref: false })]);
  disks.noteAdopted();
  await clearMounts(options);
  const clear = () =>
    clearDevices(leftovers, options, (...leftover) => disks.settleLeftover(...leftover));
  if (privileges.mayAsk) return { resumed, cleared: resumed.then(clear) };
  const cleared = clear();
  await cleared;
  return { resumed, cleared };
}
