/**
 * A planned change of daemons, from the new one's side. All that takes time is done
 * while the old one serves still: this process is up, the channels and the images are open,
 * the engine's threads wait. Between the old daemon's last answer and our first read are
 * its word that it is done, and the locks: of the daemon first, so that no third one serves
 * as well. Whatever else there is to do comes later.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { NativeAddon } from '../addon/addon';
import { DaemonClient } from '../client/daemon-client';
import type { RuntimePaths } from '../client/runtime-directory';
import { BioscopeError, toErrorValue } from '../contract/errors';
import type { DiskTable } from './disks/disk-table';
import { goesOn, readState } from './disks/state-file';
import type { PreparedTarget, Predecessor } from './disks/resuming-targets';
import type { Log } from './log';
import { lastSignOfLife } from './signs-of-life';

/** Its connections may be closed before its lock is. */
const DYING_MS = 2000;
const POLL_MS = 10;

/** What a daemon has that took over. */
export interface Succession {
  readonly before: Predecessor;
  /** The daemon's. Null where a third one was quicker, which goes on with the disks then. */
  readonly lock: number | null;
}

/**
 * Takes over from the daemon that runs, or that dies of handing over. Null when none does.
 * Throws what it refused with; it serves on then.
 */
export async function succeed(
  disks: DiskTable,
  addon: NativeAddon,
  paths: RuntimePaths,
  log: Log,
): Promise<Succession | null> {
  const client = await DaemonClient.connect(paths.socket);
  if (client === null) return null;
  try {
    const { pid } = await client.hello();
    const { resuming } = disks.targets;
    const prepared = new Map<string, PreparedTarget>();
    try {
      await addon.lockCode();
      await prepareAll(disks, prepared, paths, log);
      const death = await letGo(client);
      const lock = await takeLock(addon, paths.lock, death ? DYING_MS : 0);
      if (lock === null && death) throw death;
      // Before anything else: every request waits for it.
      const opened =
        lock === null ? new Map<string, PreparedTarget>() : resuming.takeOver(prepared);
      if (lock === null) await resuming.abandon(prepared);
      if (death) log(`the daemon before (process ${pid}) died handing over: ${death.message}`);
      return { before: { pid, diedAt: death ? lastSignOfLife(paths.lock) : null, opened }, lock };
    } catch (thrown) {
      await resuming.abandon(prepared);
      throw thrown;
    }
  } finally {
    client.close();
  }
}

/** Null once the old daemon has let go; what the connection broke with. Throws its refusal. */
async function letGo(client: DaemonClient): Promise<BioscopeError | null> {
  try {
    await client.invoke('handOver', {});
    return null;
  } catch (thrown) {
    if (thrown instanceof BioscopeError && thrown.value.code === 'DAEMON_UNREACHABLE')
      return thrown;
    throw thrown;
  }
}

/** Null where another process has it, and keeps it for `patience` milliseconds. */
async function takeLock(
  addon: NativeAddon,
  path: string,
  patience: number,
): Promise<number | null> {
  const deadline = performance.now() + patience;
  for (;;) {
    const lock = addon.lockFile(path);
    if (lock !== null || performance.now() >= deadline) return lock;
    await sleep(POLL_MS);
  }
}

async function prepareAll(
  disks: DiskTable,
  prepared: Map<string, PreparedTarget>,
  paths: RuntimePaths,
  log: Log,
): Promise<void> {
  for (const saved of readState(paths.state, log)?.disks ?? []) {
    const { target } = saved;
    if (!target || !goesOn(saved)) continue;
    try {
      prepared.set(target.tag, await disks.targets.resuming.prepare({ ...saved, target }));
    } catch (thrown) {
      throw new BioscopeError(
        'DISK_FAILED',
        `The channels of ${saved.disk.name} (${saved.disk.id}) could not be opened, and the old daemon serves on: ${toErrorValue(thrown).message}`,
        { cause: thrown },
      );
    }
  }
}
