/** What those who see to targets have in common: the table, the powers, the route. */
import type { Disk } from '../../contract/disk';
import { BioscopeError } from '../../contract/errors';
import type { DiskId } from '../../contract/units';
import type { TargetState, TargetVerbs } from '../../privileged/targets';
import type { Image } from '../images/inspect-image';
import { targetState, type DmUserOptions } from '../routes/dm-user-route';
import type { SavedTarget } from '../routes/route';
import type { Attached } from './attach-disk';
import type { DiskEntry } from './disk-entry';
import type { DiskTableOptions } from './disk-table';
import { engineOptions } from './trace-options';

/** What the table of disks lets those do with it who see to targets. */
export interface TableAccess {
  find(id: DiskId): DiskEntry;
  list(): readonly DiskEntry[];
  reserve(image: Image): DiskEntry;
  refuseAttached(image: Image): void;
  served(entry: DiskEntry, attached: Attached, changes?: Partial<Disk>): void;
  change(entry: DiskEntry, changes: Partial<Disk>): void;
  remove(entry: DiskEntry): void;
  /** From now on nothing is saved, and no disk is attached, detached or changed. */
  setHandedOver(): void;
  /** Throws DAEMON_STOPPING from then on. */
  refuseHandedOver(): void;
}

export class TargetAccess {
  constructor(
    readonly options: DiskTableOptions,
    readonly table: TableAccess,
  ) {}

  /** For opening its image. */
  requestOf(entry: Pick<DiskEntry, 'disk' | 'label' | 'mountDirectory'>, image: Image) {
    const { trace } = this.options;
    const { disk, label, mountDirectory } = entry;
    const { number, tracePath } = disk;
    const options = engineOptions(trace, 'dm-user');
    return { image, number, tracePath, mountDirectory, label, options };
  }

  /** For the route. Throws PRIVILEGE_MISSING. */
  dmUser(): DmUserOptions {
    const { trace, log } = this.options;
    return { targets: this.verbs(), channels: trace.channels, log };
  }

  /** Throws PRIVILEGE_MISSING. */
  verbs(): TargetVerbs {
    const { targets, explanation } = this.options.privileges;
    if (targets) return targets;
    throw new BioscopeError(
      'PRIVILEGE_MISSING',
      `dm-user targets need root, or Bioscope’s helper. ${explanation}`,
      { errno: 'EPERM' },
    );
  }

  /** Null when it is gone. */
  stateOf(saved: SavedTarget): Promise<TargetState | null> {
    return targetState(this.verbs(), saved);
  }
}
