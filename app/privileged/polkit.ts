/**
 * Privileges of an ordinary user: the verbs, asked of a helper that pkexec
 * starts. A helper for each group of verbs; polkit's policy lets one answer do
 * for those that belong together.
 *
 * A FUSE mount is no directory's here: the helper keeps it to itself, and the
 * directory is only the name by which the caller means it.
 */
import { basename, dirname } from 'node:path';
import type { LoopStatus } from '../addon/addon';
import type { HelperSockets } from '../addon/helper-socket';
import {
  BIOSCOPE_HELPER_FORCE,
  BIOSCOPE_HELPER_FUSE_MOUNT,
  BIOSCOPE_HELPER_FUSE_UNMOUNT,
  BIOSCOPE_HELPER_LOOP_ATTACH,
  BIOSCOPE_HELPER_LOOP_DETACH,
  BIOSCOPE_HELPER_LOOP_STATUS,
  BIOSCOPE_HELPER_READ_ONLY,
  BIOSCOPE_HELPER_REPLY_DIRECT_IO,
  BIOSCOPE_HELPER_REPLY_READ_ONLY,
} from '../contract/wire.gen';
import { authorisationError } from './authorisation';
import { HelperClient } from './helper-client';
import { helperTargets } from './helper-targets';
import type { Privileges, PrivilegedVerbs } from './privileges';

/** The helper's groups of verbs, and what allowing each is for. */
const purposes = {
  module: 'to load the module dm-user',
  'dm-user': 'to make device-mapper targets',
  adopt: 'to serve a device-mapper target that somebody else made',
  'fuse-loop': 'to make loop devices',
} as const;

type Group = keyof typeof purposes;

/** Both are absolute paths (installation.ts). */
export function polkitPrivileges(
  sockets: HelperSockets,
  pkexec: string,
  helper: string,
): Privileges {
  const client = (group: Group) =>
    new HelperClient(sockets, () => ({
      program: pkexec,
      // Its own agent would need a terminal, which a daemon has not.
      parameters: ['--disable-internal-agent', helper, group],
      explain: (end) => authorisationError(end, purposes[group]),
    }));
  return {
    available: true,
    mayAsk: true,
    explanation:
      'Images become loop devices over a FUSE file that the engine serves; a password is asked for once.',
    wayOut:
      'For a block device detach it, attach it again, and answer the question for the password.',
    targets: helperTargets({
      module: client('module'),
      targets: client('dm-user'),
      adopt: client('adopt'),
    }),
    ...loopVerbs(client('fuse-loop')),
  };
}

function loopVerbs(helper: HelperClient): PrivilegedVerbs {
  /** Directory → the helper's handle. */
  const mounts = new Map<string, number>();
  const handleOf = (directory: string): number => {
    const handle = mounts.get(directory);
    if (handle === undefined) {
      throw Object.assign(new Error(`EINVAL: not mounted: ${directory}`), {
        code: 'EINVAL',
        syscall: 'umount2',
        path: directory,
      });
    }
    return handle;
  };
  return {
    async mountFuse({ directory }) {
      const reply = await helper.request({ verb: BIOSCOPE_HELPER_FUSE_MOUNT });
      const [connection] = reply.descriptors;
      if (connection === undefined) throw new Error('The helper sent no FUSE connection.');
      mounts.set(directory, reply.handle);
      return connection;
    },
    async unmountLazily(directory) {
      const handle = handleOf(directory);
      mounts.delete(directory);
      await helper.request({ verb: BIOSCOPE_HELPER_FUSE_UNMOUNT, handle });
    },
    async attachLoop({ path, readOnly, label }) {
      const reply = await helper.request({
        verb: BIOSCOPE_HELPER_LOOP_ATTACH,
        handle: handleOf(dirname(path)),
        name: basename(path),
        label,
        flags: readOnly ? BIOSCOPE_HELPER_READ_ONLY : 0,
      });
      return reply.name;
    },
    async loopStatus(device): Promise<LoopStatus | null> {
      try {
        const reply = await helper.request({ verb: BIOSCOPE_HELPER_LOOP_STATUS, name: device });
        return {
          backingDevice: reply.backingDevice,
          backingInode: reply.backingInode,
          label: reply.label,
          readOnly: (reply.flags & BIOSCOPE_HELPER_REPLY_READ_ONLY) !== 0,
          directIo: (reply.flags & BIOSCOPE_HELPER_REPLY_DIRECT_IO) !== 0,
        };
      } catch (thrown) {
        if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENXIO') return null;
        throw thrown;
      }
    },
    async detachLoop({ device, force }) {
      const flags = force ? BIOSCOPE_HELPER_FORCE : 0;
      await helper.request({ verb: BIOSCOPE_HELPER_LOOP_DETACH, name: device, flags });
    },
  };
}
