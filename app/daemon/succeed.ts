/**
 * A planned change of daemons, from the new one's side. All that takes time is done
 * while the old one serves still: this process is up, the engine is loaded, the
 * channels are open, the images are looked at. Between its last answer and our first
 * read there is only their opening, since the old daemon has them locked.
 */
import type { NativeAddon } from '../addon/addon';
import { DaemonClient } from '../client/daemon-client';
import type { RuntimePaths } from '../client/runtime-directory';
import { BioscopeError, toErrorValue } from '../contract/errors';
import type { DiskTable } from './disks/disk-table';
import { goesOn, readState } from './disks/state-file';
import type { PreparedTarget, Predecessor } from './disks/resuming-targets';
import type { Log } from './log';

/** Takes over from the daemon that runs. Null when none does. Throws what it refused with. */
export async function succeed(
  disks: DiskTable,
  addon: NativeAddon,
  paths: RuntimePaths,
  log: Log,
): Promise<Predecessor | null> {
  const client = await DaemonClient.connect(paths.socket);
  if (client === null) return null;
  try {
    const { pid } = await client.hello();
    const opened = await openAll(disks, paths, log);
    await addon.lockCode();
    await client.invoke('handOver', {});
    return { pid, diedAt: null, opened };
  } finally {
    client.close();
  }
}

async function openAll(disks: DiskTable, paths: RuntimePaths, log: Log) {
  const opened = new Map<string, PreparedTarget>();
  for (const saved of readState(paths.state, log)?.disks ?? []) {
    const { disk, target } = saved;
    if (!target || !goesOn(saved)) continue;
    try {
      opened.set(target.tag, await disks.targets.resuming.prepare({ disk, target }));
    } catch (thrown) {
      throw new BioscopeError(
        'DISK_FAILED',
        `The channels of ${saved.disk.name} (${saved.disk.id}) could not be opened, and the old daemon serves on: ${toErrorValue(thrown).message}`,
        { cause: thrown },
      );
    }
  }
  return opened;
}
