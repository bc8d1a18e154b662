/**
 * A planned change of daemons, from the new one's side. All that takes time is done
 * while the old one serves still: this process is up, the channels and the images are open,
 * the engine's threads wait. Between the old daemon's last answer and our first read are
 * the locks alone: of the daemon first, so that no third one serves as well. The old one
 * gives it up when its images are free; its word that it did comes later, as does whatever
 * else there is to do.
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

/** Its connections may be closed before its lock is, and the lock before its connections. */
const DYING_MS = 2000;
/** Every request waits for it. */
const POLL_MS = 1;

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
      const word = letGo(client);
      const lock = await takeLock(addon, paths.lock, word);
      // Before anything else: every request waits for it.
      const opened =
        lock === null ? new Map<string, PreparedTarget>() : resuming.takeOver(prepared);
      const death = await soon(word);
      if (lock === null && death) throw death;
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

/** Of one that has let go of its lock: it says so at once, or has died, having refused or not. */
async function soon(word: Promise<BioscopeError | null>): Promise<BioscopeError | null> {
  const silence = sleep(DYING_MS, null, { ref: false });
  return Promise.race([word.catch(() => null), silence]);
}

/**
 * The daemon's lock, as soon as the old one gives it up. Null where another process has it when
 * the old one has given its `word`, or some time after it died. Throws its refusal.
 */
async function takeLock(
  addon: NativeAddon,
  path: string,
  word: Promise<BioscopeError | null>,
): Promise<number | null> {
  let deadline = Infinity;
  const refused = word.then((death) => {
    deadline = performance.now() + (death ? DYING_MS : 0);
    return new Promise<never>(() => undefined);
  });
  refused.catch(() => undefined); // it is heard of below, or too late
  for (;;) {
    const isLast = performance.now() >= deadline;
    const lock = addon.lockFile(path);
    if (lock !== null || isLast) return lock;
    await Promise.race([sleep(POLL_MS), refused]);
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
