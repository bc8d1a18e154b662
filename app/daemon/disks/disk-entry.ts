/** One disk of the daemon: what everybody may see of it, and what only the daemon holds. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { NativeDisk } from '../../addon/addon';
import type { RuntimePaths } from '../../client/runtime-directory';
import type { Disk } from '../../contract/disk';
import { bytes, diskId, type Nanoseconds } from '../../contract/units';
import type { Image } from '../images/inspect-image';
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
  /** Since when nobody has served its target; null while somebody does. */
  unservedSince: Nanoseconds | null;
  /** A loop device of a daemon that died may be left of it; false once that has been looked for. */
  mayHaveLoop: boolean;
  /** The engine's part; null once it is closed. */
  native: NativeDisk | null;
  /** The dm-user target that is, or may be, the kernel's part of it; null on other routes. */
  target: SavedTarget | null;
  /** Null until attached, and for a disk of a daemon that died. */
  route: AttachedRoute | null;
}

/** The entry of an image that is about to become the disk of this number. */
export function newEntry(image: Image, number: number, paths: RuntimePaths): DiskEntry {
  const id = diskId(`d${number}`);
  return {
    identity: image.identity,
    label: `bioscope:${id}:${randomBytes(6).toString('hex')}`,
    mountDirectory: join(paths.mounts, id),
    target: null,
    isLeaving: false,
    unservedSince: null,
    mayHaveLoop: false,
    native: null,
    route: null,
    disk: {
      id,
      number,
      name: image.name,
      imagePath: image.path,
      imageKind: image.kind,
      size: bytes(0),
      tail: bytes(0),
      readOnly: image.readOnly,
      route: 'fuse-loop',
      state: 'attaching',
      failure: null,
      device: null,
      partitions: [],
      holders: [],
      fuseFile: null,
      tracePath: join(paths.traces, `${id}.trace`),
      attachedAt: Date.now(),
      notes: [],
    },
  };
}
