/** What each row of the contract does. A row without a handler does not compile. */
import { release } from 'node:os';
import { version } from '../client/version';
import type { NativeAddon } from '../addon/addon';
import type { RuntimePaths } from '../client/runtime-directory';
import { DAEMON_PROTOCOL, type DaemonInfo } from '../contract/daemon-api';
import { BioscopeError } from '../contract/errors';
import { SECTOR_BYTES, bytes, sectorToBytes } from '../contract/units';
import type { Privileges } from '../privileged/privileges';
import type { CpuMeter } from './cpu-meter';
import type { DiskEntry } from './disks/disk-entry';
import type { DiskTable } from './disks/disk-table';
import { errnoOf } from './images/image-errors';
import { machineRoutes, probeMachine } from './machine/probe-machine';
import type { Recordings } from './recordings/recordings';
import type { Handlers } from './server/connection';

export interface MethodOptions {
  readonly disks: DiskTable;
  readonly recordings: Recordings;
  readonly privileges: Privileges;
  readonly paths: RuntimePaths;
  readonly cpu: CpuMeter;
  /** Somebody has just begun to watch. */
  readonly onWatch: () => void;
  readonly addon: NativeAddon;
  /** Of a dm-user target. */
  readonly channels: number;
  /**
   * Ends the daemon, after the answer to this call is on its way. With `handedOver`
   * it gives the lock up before that.
   */
  readonly shutDown: (how: { readonly handedOver: boolean }) => void;
  /** The disks are about to be handed over: the next daemon will listen in our place. */
  readonly leave: () => void;
}

export function methods(options: MethodOptions): Handlers {
  const { disks, recordings } = options;
  return {
    hello: () => daemonInfo(options),

    watch: (_params, connection) => {
      connection.watching = true;
      options.onWatch();
      return { disks: [...disks.list()] };
    },

    'disks.list': async () => {
      await disks.refresh();
      return { disks: [...disks.list()] };
    },

    'disks.attach': ({ path, readOnly, route }) => disks.attach(path, readOnly, route),

    'disks.detach': async ({ disk, deferred }) => {
      await disks.detach(disk, deferred);
      return {};
    },

    'disks.resize': ({ disk }) => disks.targets.resize(disk),

    'disks.abort': async ({ disk }) => {
      await disks.targets.abort(disk);
      return {};
    },

    'disks.adopt': ({ target, path, readOnly }) => disks.targets.adopt(target, path, readOnly),

    'disks.dismiss': async ({ disk }) => {
      await disks.dismiss(disk);
      return {};
    },

    'payload.read': ({ disk, sequence, offset, length }) => {
      const payload = disks.find(disk).native?.readPayload(sequence, offset, length) ?? null;
      if (payload === null) return { kept: false };
      return { kept: true, total: bytes(payload.total), base64: encode(payload.bytes) };
    },

    'image.read': async ({ disk, sector, length }) => {
      const entry = disks.find(disk);
      const { native } = entry;
      if (native === null) throw closedImage(entry);
      const end = sectorToBytes(sector) + BigInt(length);
      if (end > entry.disk.size) {
        throw new BioscopeError(
          'PAYLOAD_RANGE',
          `${length} bytes from sector ${sector} reach past the end of ${entry.disk.name}, which has ${entry.disk.size / BigInt(SECTOR_BYTES)} sectors.`,
        );
      }
      try {
        return { base64: encode(await native.readImage(sector, length)) };
      } catch (thrown) {
        throw new BioscopeError(
          'DISK_FAILED',
          `The image of ${entry.disk.name} could not be read at sector ${sector} (${errnoOf(thrown) ?? String(thrown)}).`,
          { errno: errnoOf(thrown), cause: thrown },
        );
      }
    },

    'machine.probe': () =>
      probeMachine(options.privileges, options.addon, {
        channels: options.channels,
        known: disks.targets.tags(),
      }),

    handOver: async () => {
      disks.setClosing(true);
      try {
        await disks.targets.handOver(options.leave);
      } catch (thrown) {
        disks.setClosing(false);
        throw thrown;
      }
      options.shutDown({ handedOver: true });
      return {};
    },

    'recordings.start': async (wish, connection) => {
      const { disk } = disks.find(wish.disk);
      const recording = await recordings.start(disk, wish);
      if (wish.untilDisconnect) {
        connection.onClose(() => void recordings.stop(recording.id).catch(() => undefined));
      }
      return recording;
    },

    'recordings.stop': ({ recording }) => recordings.stop(recording),

    'recordings.list': () => ({ recordings: [...recordings.list()] }),

    stop: async ({ detachAll }) => {
      if (!detachAll && disks.liveCount > 0) {
        const names = disks
          .list()
          .filter(({ state }) => state !== 'failed')
          .map(({ id, name }) => `${name} (${id})`);
        throw new BioscopeError(
          'DISK_BUSY',
          `The daemon still serves ${names.join(', ')}. Detach first, or stop it with all its disks.`,
          { errno: 'EBUSY' },
        );
      }
      disks.setClosing(true);
      const errors = await disks.detachAll({ allOrNone: true });
      const [first] = errors;
      if (first || disks.liveCount > 0) {
        disks.setClosing(false);
        throw new BioscopeError(
          'DISK_BUSY',
          first ? errors.map(({ message }) => message).join(' ') : 'A disk is being attached.',
          { errno: 'EBUSY', holders: errors.flatMap(({ holders }) => [...holders]) },
        );
      }
      options.shutDown({ handedOver: false });
      return {};
    },
  };
}

function encode(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
}

function closedImage({ disk }: DiskEntry): BioscopeError {
  return new BioscopeError(
    'DISK_FAILED',
    `${disk.name} (${disk.id}) is ${disk.state}: its image is not open. Attach it again to read it.`,
  );
}

function daemonInfo({ privileges, paths, cpu }: MethodOptions): DaemonInfo {
  return {
    protocol: DAEMON_PROTOCOL,
    version,
    pid: process.pid,
    uid: process.getuid?.() ?? 0,
    kernel: release(),
    runtimeDirectory: paths.directory,
    cpu: cpu.sample(),
    routes: machineRoutes(privileges).map(({ name, available, explanation }) => ({
      name,
      available,
      explanation,
    })),
  };
}
