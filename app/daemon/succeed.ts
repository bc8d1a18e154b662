/**
 * A planned change of daemons, from the new one's side. All that takes time is done
 * while the old one serves still: this process is up, the engine is loaded, the
 * channels are open. Between its last answer and our first read there is only the
 * opening of the images.
 */
import { DaemonClient } from '../client/daemon-client';
import type { RuntimePaths } from '../client/runtime-directory';
import { BioscopeError, toErrorValue } from '../contract/errors';
import type { DiskTable } from './disks/disk-table';
import { goesOn, readState } from './disks/state-file';
import type { Predecessor } from './disks/target-disks';
import type { Log } from './log';

/** Takes over from the daemon that runs. Null when none does. Throws what it refused with. */
export async function succeed(
  disks: DiskTable,
  paths: RuntimePaths,
  log: Log,
): Promise<Predecessor | null> {
  const client = await DaemonClient.connect(paths.socket);
  if (client === null) return null;
  try {
    const { pid } = await client.hello();
    const channels = await openAll(disks, paths, log);
    await client.invoke('handOver', {});
    return { pid, planned: true, channels };
  } finally {
    client.close();
  }
}

async function openAll(disks: DiskTable, paths: RuntimePaths, log: Log) {
  const channels = new Map<string, number[]>();
  for (const saved of readState(paths.state, log)?.disks ?? []) {
    const { target } = saved;
    if (!target || !goesOn(saved)) continue;
    try {
      channels.set(target.tag, await disks.targets.openChannels(target));
    } catch (thrown) {
      throw new BioscopeError(
        'DISK_FAILED',
        `The channels of ${saved.disk.name} (${saved.disk.id}) could not be opened, and the old daemon serves on: ${toErrorValue(thrown).message}`,
        { cause: thrown },
      );
    }
  }
  return channels;
}
