/**
 * fuse-loop with privileges: a FUSE file of the engine under a loop device.
 *
 * The mount is taken out of the tree as soon as the loop device is over the
 * file: the loop keeps the FUSE file system alive, and nobody else can reach
 * it. So if this daemon is killed, the loop device is all that is left, and its
 * label says whose it was. The daemon itself keeps no fd of the loop device: a
 * dying process that closes one would wait for its own dead FUSE file.
 */
import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Privileges } from '../../privileged/privileges';
import { scanHolders } from '../holders/scan-holders';
import type { Log } from '../log';
import { allOrNothing, type Rollback } from '../rollback';
import { partitionsOf } from '../system/block-devices';
import type { AttachedRoute, Route, RouteRequest } from './route';

export function loopRoute(privileges: Privileges, log: Log): Route {
  return {
    name: 'fuse-loop',
    attach: (request) =>
      allOrNothing(log, (rollback) => attachSteps(request, privileges, rollback, log)),
  };
}

async function attachSteps(
  request: RouteRequest,
  privileges: Privileges,
  rollback: Rollback,
  log: Log,
): Promise<AttachedRoute> {
  const { native, mountDirectory, fileName, readOnly, label } = request;
  const owner = { ownerUid: process.getuid?.() ?? 0, ownerGid: process.getgid?.() ?? 0 };

  await mkdir(mountDirectory, { mode: 0o700 });
  rollback.add('make the mount directory', () => rmdir(mountDirectory));

  const fuse = await privileges.mountFuse({ directory: mountDirectory, ...owner });
  rollback.add('mount the FUSE file', () => privileges.unmountLazily(mountDirectory));

  await native.startFuse({ fuse, fileName, ...owner });

  const device = await privileges.attachLoop({
    path: join(mountDirectory, fileName),
    readOnly,
    label,
  });
  rollback.add('put the loop device over it', () => privileges.detachLoop({ device, force: true }));

  await privileges.unmountLazily(mountDirectory);
  await rmdir(mountDirectory).catch((thrown: unknown) => {
    // Nothing depends on it; the next start removes empty mount directories.
    log(`cannot remove ${mountDirectory}: ${String(thrown)}`);
  });

  return {
    device,
    fuseFile: null,
    notes: [],
    target: null,
    partitions: () => partitionsOf(device),
    holders: () => scanHolders(device, { ignoredPid: process.pid }),
    detach: () => privileges.detachLoop({ device, force: false }),
    abandon: async () => {
      try {
        const status = await privileges.loopStatus(device);
        if (status?.label === label) await privileges.detachLoop({ device, force: true });
      } catch (thrown) {
        log(`cannot clear ${device}: ${String(thrown)}`);
      }
    },
  };
}
