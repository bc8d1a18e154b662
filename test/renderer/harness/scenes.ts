/** States of the outside worth looking at. */
import type { Disk } from '../../../app/contract/disk';
import type { ErrorCode, ErrorValue } from '../../../app/contract/errors';
import type { Machine } from '../../../app/contract/machine';
import { bytes, diskId } from '../../../app/contract/units';
import type { DaemonState } from '../../../app/contract/window-api';

/** A machine on which one route works and the other does not. */
export const machine: Machine = {
  kernel: '6.12.1',
  architecture: 'x64',
  routes: [
    {
      name: 'dm-user',
      available: false,
      preferred: false,
      explanation: 'The dm-user module is not installed for this kernel.',
    },
    {
      name: 'fuse-loop',
      available: true,
      preferred: true,
      explanation: 'Images become loop devices over a FUSE file that the engine serves.',
    },
  ],
  checks: [
    {
      id: 'dm-user-module',
      title: 'The dm-user module',
      finding: 'missing',
      detail: 'It is not installed for 6.12.1.',
      remedy: [
        'sudo apt-get install --yes dkms linux-headers-6.12.1',
        'sudo make -C /opt/bioscope/share/kmod dkms-install',
        'sudo modprobe dm-user',
      ],
      routes: ['dm-user'],
    },
    {
      id: 'fuse',
      title: 'FUSE',
      finding: 'ok',
      detail: '/dev/fuse can be opened.',
      remedy: [],
      routes: ['fuse-loop'],
    },
  ],
};

export interface Scene {
  readonly daemon: DaemonState;
  readonly disks: readonly Disk[];
  /** Requests made at once, and then each second, on the first disk. */
  readonly requests: number;
  readonly perSecond: number;
  readonly lost: bigint;
}

export function errorValue(
  code: ErrorCode,
  message: string,
  more: Partial<ErrorValue> = {},
): ErrorValue {
  return { code, errno: null, message, injected: false, holders: [], ...more };
}

const running: DaemonState = {
  phase: 'running',
  info: {
    protocol: 1,
    version: '0.1.0',
    pid: 4121,
    uid: 0,
    kernel: '6.12.1',
    runtimeDirectory: '/run/user/1000/bioscope',
    cpu: 0.03,
    routes: [
      {
        name: 'fuse-loop',
        available: true,
        explanation: 'A FUSE file under a loop device; works on this kernel as root.',
      },
      {
        name: 'dm-user',
        available: false,
        explanation: 'Needs the kernel module dm-user, which is not loaded.',
      },
    ],
  },
};

const lost: DaemonState = {
  phase: 'lost',
  error: errorValue(
    'DAEMON_UNREACHABLE',
    'Process 4121 was killed by SIGKILL. Its loop devices are cleared when it starts again.',
  ),
};

export function madeDisk(more: Partial<Disk> & { id: Disk['id']; number: number }): Disk {
  return {
    name: 'rootfs-arm64.img',
    imagePath: '/home/anna/images/rootfs-arm64.img',
    imageKind: 'file',
    size: bytes(4_294_967_296n),
    tail: bytes(0),
    readOnly: false,
    route: 'fuse-loop',
    state: 'attached',
    failure: null,
    device: `/dev/loop${more.number}`,
    partitions: [],
    holders: [],
    fuseFile: null,
    tracePath: '/run/user/1000/bioscope/trace-1',
    attachedAt: 1_795_000_000_000,
    notes: [],
    ...more,
  };
}

const first = madeDisk({
  id: diskId('disk-0'),
  number: 0,
  partitions: ['/dev/loop0p1', '/dev/loop0p2'],
  holders: [{ kind: 'mount', device: '/dev/loop0p1', name: '/mnt/rootfs', pid: null }],
});
const second = madeDisk({
  id: diskId('disk-1'),
  number: 1,
  name: 'debian-12.iso',
  imagePath: '/home/anna/debian-12.iso',
  size: bytes(689_963_008),
  readOnly: true,
});
const third = madeDisk({
  id: diskId('disk-2'),
  number: 2,
  name: 'a-name-that-is-really-much-too-long-for-the-list-of-disks.raw',
  size: bytes(1_048_576),
  tail: bytes(100),
  device: null,
  fuseFile: '/run/user/1000/bioscope/mounts/disk-2/disk.raw',
  notes: [
    'The last 100 bytes of the image fill no sector; they are not part of the disk and never touched.',
    'No block device: that needs root. Programs can use the file above: mkfs, fsck, qemu and dd work with it.',
  ],
});
const dead = errorValue(
  'DISK_FAILED',
  'The daemon that served this disk ended (SIGKILL); its device answers every request with an error.',
  { errno: 'EIO' },
);

const scenes = {
  busy: {
    daemon: running,
    disks: [first, second, third],
    requests: 20_000,
    perSecond: 400,
    lost: 0n,
  },
  storm: { daemon: running, disks: [first], requests: 0, perSecond: 200_000, lost: 1234n },
  full: { daemon: running, disks: [first], requests: 1_200_000, perSecond: 0, lost: 0n },
  quiet: { daemon: running, disks: [first, second], requests: 500, perSecond: 0, lost: 0n },
  waiting: {
    daemon: running,
    disks: [madeDisk({ id: diskId('disk-0'), number: 0 })],
    requests: 0,
    perSecond: 0,
    lost: 0n,
  },
  targets: {
    daemon: running,
    disks: [
      madeDisk({
        id: diskId('disk-0'),
        number: 0,
        route: 'dm-user',
        device: '/dev/mapper/bioscope-1000-d0-3f2a',
        holders: [
          {
            kind: 'mount',
            device: '/dev/mapper/bioscope-1000-d0-3f2a',
            name: '/mnt/rootfs',
            pid: null,
          },
        ],
      }),
      madeDisk({
        id: diskId('disk-1'),
        number: 1,
        name: 'lost.img',
        route: 'dm-user',
        state: 'failed',
        hanging: true,
        device: '/dev/mapper/bioscope-1000-d1-77c0',
        failure: errorValue(
          'DISK_FAILED',
          '/home/anna/lost.img does not exist. Until then every request to /dev/mapper/bioscope-1000-d1-77c0 waits.',
        ),
      }),
    ],
    requests: 500,
    perSecond: 0,
    lost: 0n,
  },
  hanging: {
    daemon: lost,
    disks: [
      madeDisk({
        id: diskId('disk-0'),
        number: 0,
        name: 'lost.img',
        route: 'dm-user',
        state: 'failed',
        hanging: true,
        device: '/dev/mapper/bioscope-1000-d0-3f2a',
        failure: dead,
      }),
    ],
    requests: 500,
    perSecond: 0,
    lost: 0n,
  },
  empty: { daemon: running, disks: [], requests: 0, perSecond: 0, lost: 0n },
  starting: { daemon: { phase: 'starting' }, disks: [], requests: 0, perSecond: 0, lost: 0n },
  failed: {
    daemon: lost,
    disks: [first, second].map((disk) => ({
      ...disk,
      state: 'failed',
      failure: dead,
      holders: [],
    })),
    requests: 5_000,
    perSecond: 0,
    lost: 17n,
  },
} as const satisfies Readonly<Record<string, Scene>>;

export function sceneNamed(name: string): Scene {
  if (!(name in scenes)) throw new Error(`no scene is called ${name}`);
  return scenes[name as keyof typeof scenes];
}
