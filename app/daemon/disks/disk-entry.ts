/** One disk of the daemon: what everybody may see of it, and what only the daemon holds. */
import type { NativeDisk } from '../../addon/addon';
import type { Disk } from '../../contract/disk';
import type { AttachedRoute } from '../routes/route';

export interface DiskEntry {
  /** Replaced as a whole at every change. */
  disk: Disk;
  /** Of the image, while it is ours; null once the disk has failed. */
  identity: string | null;
  /** Label of the loop device, unique for ever. */
  readonly label: string;
  readonly mountDirectory: string;
  /** The engine's part; null once it is closed. */
  native: NativeDisk | null;
  /** Null until attached, and for a disk of a daemon that died. */
  route: AttachedRoute | null;
}
