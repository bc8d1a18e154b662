/**
 * Clears what a daemon that died left behind: loop devices, targets that were only being
 * made, mounts, mount directories, trace files. Its disks are then listed as failed, so
 * that the user learns of it and can attach them again. Only what the state file names
 * is touched, and a loop device only if it bears the disk's own label. Disks on
 * the dm-user route are not lost: they are listed as `attaching`, for
 * ResumingTargets.resumeAll.
 *
 * In steps, with the daemon's lock held: the one that wrote the state is dead for
 * certain. Reading the state and removing trace files takes no time, and is done before
 * any disk is gone on with, which may begin a trace; mounts go before anybody is listened
 * to; what needs powers may have to wait for a password, and nothing waits for it.
 */
import { readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { RuntimePaths } from '../../client/runtime-directory';
import type { Disk } from '../../contract/disk';
import { BioscopeError, type Holder } from '../../contract/errors';
import type { DiskId } from '../../contract/units';
import type { Privileges } from '../../privileged/privileges';
import type { DiskEntry } from '../disks/disk-entry';
import { goesOn, readState, type State } from '../disks/state-file';
import { describeHolders, scanHolders } from '../holders/scan-holders';
import type { Log } from '../log';
import { unmountUserFuse } from '../routes/fusermount';
import { configuredLoops } from '../system/block-devices';

export interface Leftovers {
  /** The disks that were lost, `failed`, and those to be gone on with, `attaching`. */
  readonly entries: readonly DiskEntry[];
  readonly nextNumber: number;
  /** The daemon that wrote the state; 0 when there was none. */
  readonly pid: number;
  /** Lost disks of which a loop device or a target may be left. */
  readonly lost: readonly State['disks'][number][];
}

export interface LeftoverOptions {
  readonly paths: RuntimePaths;
  readonly privileges: Privileges;
  readonly log: Log;
}

/** What the state file tells; nothing is touched. */
export function findLeftovers({ paths, log }: Pick<LeftoverOptions, 'paths' | 'log'>): Leftovers {
  const state = readState(paths.state, log);
  const saved = state?.disks ?? [];
  const entries = saved.map((one): DiskEntry => {
    const { disk, label, mountDirectory, target = null, isLeaving = false } = one;
    const { unservedSince = null } = one;
    const next: Disk = goesOn(one)
      ? { ...disk, state: 'attaching', holders: [] }
      : failedDisk(disk, state);
    const mayHaveLoop = !goesOn(one) && target === null && mayHaveLeft(one);
    const rest = { identity: null, label, mountDirectory, target, isLeaving, mayHaveLoop };
    return { ...rest, unservedSince, disk: next, native: null, route: null };
  });
  return {
    entries,
    nextNumber: state?.nextNumber ?? 1,
    pid: state?.pid ?? 0,
    lost: saved.filter((one) => !goesOn(one)),
  };
}

/**
 * Removes trace files that belong to no disk; those of failed disks can still be read.
 * Never throws: what stays is logged.
 */
export function clearTraces(
  { entries }: Leftovers,
  { paths, log }: Pick<LeftoverOptions, 'paths' | 'log'>,
): void {
  const kept = new Set(entries.map(({ disk }) => disk.tracePath));
  for (const name of readdirSync(paths.traces)) {
    const path = join(paths.traces, name);
    if (kept.has(path)) continue;
    try {
      rmSync(path, { force: true });
    } catch (thrown) {
      log(`cannot remove the leftover ${path}: ${String(thrown)}`);
    }
  }
}

/** A loop device of it may be there still: it had one, or was about to, and nobody has looked since. */
const mayHaveLeft = ({ disk, mayHaveLoop }: State['disks'][number]) =>
  mayHaveLoop === true || disk.device !== null || disk.state === 'attaching';

/**
 * Loop devices and targets. May wait for a password. `settle` hears of each disk whose
 * loop device was looked for: one that stays until its holders let go, or null where there is
 * none any more. Of a disk that could not be looked for (no password came) it hears nothing.
 * Never rejects: what cannot be cleared is logged.
 */
export async function clearDevices(
  { lost }: Leftovers,
  { privileges, log }: LeftoverOptions,
  settle: (id: DiskId, device: string | null, holders: readonly Holder[]) => void,
): Promise<void> {
  for (const { target } of lost)
    if (target && !target.foreign) await clearTarget(target.tag, privileges, log);
  // Nobody is asked for a password just because a daemon starts.
  const looped = lost.filter((one) => !one.target && (!privileges.mayAsk || mayHaveLeft(one)));
  if (looped.length === 0) return;
  const { found, isWhole } = await labelledLoops(privileges, log);
  for (const { disk, label } of looped) {
    const device = found.get(label);
    if (device === undefined) {
      if (isWhole) settle(disk.id, null, []);
      continue;
    }
    const holders = await clearLoop(device, privileges, log);
    settle(disk.id, holders === null ? null : device, holders ?? []);
  }
}

/**
 * Unmounts and removes every mount directory; each belonged to a daemon that is dead.
 * Asks nobody, and never rejects: what stays is logged.
 */
export async function clearMounts({ paths, privileges, log }: LeftoverOptions): Promise<void> {
  for (const name of readdirSync(paths.mounts)) {
    const path = join(paths.mounts, name);
    try {
      if (process.getuid?.() === 0) await privileges.unmountLazily(path);
      else await unmountUserFuse(path, { lazily: true });
      log(`unmounted the leftover ${path}`);
    } catch {
      // Not mounted: the usual case. Removing it tells if that was wrong.
    }
    try {
      rmdirSync(path);
    } catch (thrown) {
      log(`cannot remove the leftover ${path}: ${String(thrown)}`);
    }
  }
}

/** A target that was being made, or failed, and that nobody serves: what waits there fails. */
async function clearTarget(tag: string, { targets }: Privileges, log: Log): Promise<void> {
  try {
    if (targets === null || (await targets.status(tag)) === null) return;
    await targets.abort(tag);
    await targets.remove({ tag, deferred: true });
    log(`removed the leftover target ${tag}`);
  } catch (thrown) {
    log(`the leftover target ${tag} stays: ${String(thrown)}`);
  }
}

/** Label → device of every loop device that bears one of ours; `isWhole`: none could not be looked at. */
async function labelledLoops(
  privileges: Privileges,
  log: Log,
): Promise<{ readonly found: ReadonlyMap<string, string>; readonly isWhole: boolean }> {
  const found = new Map<string, string>();
  let isWhole = privileges.available;
  if (!privileges.available) return { found, isWhole };
  for (const { device } of configuredLoops()) {
    try {
      const status = await privileges.loopStatus(device);
      if (status?.label.startsWith('bioscope:') === true) found.set(status.label, device);
    } catch (thrown) {
      isWhole = false;
      log(`cannot look at ${device}: ${String(thrown)}`);
    }
  }
  return { found, isWhole };
}

/**
 * Clears a loop device whose daemon is dead. Null when it is gone; else those
 * who still hold it: it is marked to go with its last user.
 */
async function clearLoop(
  device: string,
  privileges: Privileges,
  log: Log,
): Promise<readonly Holder[] | null> {
  const holders = await scanHolders(device, { ignoredPid: process.pid });
  const cleared = privileges.detachLoop({ device, force: true }).then(
    () => {
      log(`cleared the leftover ${device}`);
      return null;
    },
    (thrown: unknown) => {
      log(`the leftover ${device} stays for now: ${describeHolders(holders) || String(thrown)}`);
      return holders;
    },
  );
  // It waits for users to let go, which those with a mount will not do soon: start without it.
  return holders.length > 0 ? holders : cleared;
}

function failedDisk(disk: Disk, state: State | null): Disk {
  const daemon = `The daemon (process ${state?.pid ?? 'unknown'}) ended`;
  const message =
    disk.state === 'attaching'
      ? `${daemon} while it was attaching ${disk.name} (${disk.id}). Attach the image again.`
      : `${daemon} without detaching ${disk.name} (${disk.id}). Attach the image again to go on; check its file system first.`;
  return {
    ...disk,
    state: 'failed',
    // Failed before its daemon ended: the first reason is the one that tells.
    failure: disk.failure ?? new BioscopeError('DISK_FAILED', message).value,
    device: null,
    holders: [],
    partitions: [],
    fuseFile: null,
    notes: [],
  };
}
