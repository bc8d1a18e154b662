/**
 * A planned change of daemons, from the new one's side. All that takes time is done
 * while the old one serves still: this process is up, the channels and the images are open,
 * the engine's threads wait. Between the old daemon's last answer and our first read are
 * its word that it is done, and the locks. Whatever else there is to do comes later.
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
    const { resuming } = disks.targets;
    const prepared = new Map<string, PreparedTarget>();
    try {
      await prepareAll(disks, prepared, paths, log);
      await addon.lockCode();
      await client.invoke('handOver', {});
    } catch (thrown) {
      await resuming.abandon(prepared);
      throw thrown;
    }
    return { pid, diedAt: null, opened: resuming.takeOver(prepared) };
  } finally {
    client.close();
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
