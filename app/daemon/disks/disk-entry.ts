/** One disk of the daemon: what everybody may see of it, and what only the daemon holds. */
import type { NativeDisk } from '../../addon/addon';
import type { Disk } from '../../contract/disk';
import type { AttachedRoute, SavedTarget } from '../routes/route';

export interface DiskEntry {
  /** Replaced as a whole at every change. */
  disk: Disk;
  /** Of the image, while it is ours; null once the disk has failed. */
  identity: string | null;
  /** Label of the loop device, unique for ever. */
  readonly label: string;
  readonly mountDirectory: string;
  /** True once it is to go with its last user. */
  isLeaving: boolean;
  /** The engine's part; null once it is closed. */
  native: NativeDisk | null;
  /** The dm-user target that is, or may be, the kernel's part of it; null on other routes. */
  target: SavedTarget | null;
  /** Null until attached, and for a disk of a daemon that died. */
  route: AttachedRoute | null;
}
