/**
 * The loop device of a disk that has failed: it stays as long as somebody uses it, who
 * is named, and goes by itself then.
 */
import type { Disk } from '../../contract/disk';
import type { Holder } from '../../contract/errors';
import type { Privileges } from '../../privileged/privileges';
import { scanHolders } from '../holders/scan-holders';
import { leftoverNote } from '../leftovers/leftover-note';
import type { Log } from '../log';
import { busyError } from './detach-disk';
import type { DiskEntry } from './disk-entry';

export interface FailedLoopOptions {
  readonly privileges: Privileges;
  readonly log: Log;
}

export class FailedLoops {
  constructor(
    private readonly options: FailedLoopOptions,
    private readonly change: (entry: DiskEntry, changes: Partial<Disk>) => void,
  ) {}

  /** Names what is left of it, and who holds that. */
  tell(entry: DiskEntry, device: string, holders: readonly Holder[]): void {
    const { disk } = entry;
    const notes = [leftoverNote(device, holders)];
    const now = JSON.stringify([disk.device, disk.holders, disk.notes]);
    if (JSON.stringify([device, holders, notes]) !== now)
      this.change(entry, { device, holders: [...holders], notes });
  }

  /** Looks again at who holds it, and whether it is there still. */
  async refresh(entry: DiskEntry): Promise<void> {
    const { device } = entry.disk;
    if (device === null || entry.target !== null) return;
    if (!(await this.exists(entry, device))) {
      this.change(entry, { device: null, partitions: [], holders: [], notes: [] });
      return;
    }
    this.tell(entry, device, await scanHolders(device, { ignoredPid: process.pid }));
  }

  /** Takes it away. Throws DISK_BUSY while somebody holds it. */
  async clear(entry: DiskEntry): Promise<void> {
    await this.refresh(entry);
    const { device, holders } = entry.disk;
    if (device === null) return;
    if (holders.length > 0) throw busyError(entry, holders);
    try {
      await this.options.privileges.detachLoop({ device, force: true });
    } catch (thrown) {
      await this.refresh(entry);
      if (entry.disk.device !== null) throw busyError(entry, entry.disk.holders);
      this.options.log(`clearing ${device}: ${String(thrown)}`);
    }
  }

  private async exists(entry: DiskEntry, device: string): Promise<boolean> {
    const { privileges } = this.options;
    if (!privileges.available) return false;
    try {
      return (await privileges.loopStatus(device))?.label === entry.label;
    } catch {
      return false;
    }
  }
}
