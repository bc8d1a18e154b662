/**
 * fuse-loop without privileges: the FUSE file itself, mounted with fusermount3
 * for this user alone. Programs that work on image files can use it; there is
 * no block device.
 */
import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { scanFileHolders } from '../holders/scan-holders';
import type { Log } from '../log';
import { allOrNothing, type Rollback } from '../rollback';
import { unmountUserFuse } from './fusermount';
import type { AttachedRoute, Route, RouteRequest } from './route';

const note =
  'This is a file, not a block device. Programs that work on image files can use it ' +
  '(mke2fs, e2fsck, debugfs, fdisk, dd, fio, qemu), and what they do is traced. It cannot be mounted without root.';

/** `wayOut`: a sentence or two on what there is no block device for want of, and how to get it. */
export function fileRoute(log: Log, wayOut: string): Route {
  return {
    name: 'fuse-loop',
    attach: (request) =>
      allOrNothing(log, (rollback) => attachSteps(request, wayOut, rollback, log)),
  };
}

async function attachSteps(
  request: RouteRequest,
  wayOut: string,
  rollback: Rollback,
  log: Log,
): Promise<AttachedRoute> {
  const { native, mountDirectory, fileName } = request;
  const fuseFile = join(mountDirectory, fileName);

  await mkdir(mountDirectory, { mode: 0o700 });
  rollback.add('make the mount directory', () => rmdir(mountDirectory));

  await native.startFuse({
    fuse: mountDirectory,
    fileName,
    ownerUid: process.getuid?.() ?? 0,
    ownerGid: process.getgid?.() ?? 0,
  });

  const removeDirectory = () =>
    rmdir(mountDirectory).catch((thrown: unknown) => {
      log(`cannot remove ${mountDirectory}: ${String(thrown)}`);
    });

  return {
    device: null,
    fuseFile,
    notes: [`${note} ${wayOut}`],
    target: null,
    partitions: () => [],
    holders: () => scanFileHolders(fuseFile, { ignoredPid: process.pid }),
    detach: async () => {
      await native.flush();
      await unmountUserFuse(mountDirectory, { lazily: false });
      await removeDirectory();
    },
    abandon: async () => {
      try {
        await unmountUserFuse(mountDirectory, { lazily: true });
      } catch (thrown) {
        log(`cannot unmount ${mountDirectory}: ${String(thrown)}`);
      }
      await removeDirectory();
    },
  };
}
