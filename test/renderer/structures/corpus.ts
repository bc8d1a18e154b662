/** Beginnings of disks of every format, as the real tools make them: what the fuzzer changes. */
import { Device, golden, Images, overwrite, run } from './images';

const MIB = 1 << 20;

type Part = readonly [offset: number, length: number];

interface Maker {
  readonly name: string;
  readonly size: number;
  /** Where the bytes worth having lie. A survey sees only what is in a part that begins at 0. */
  readonly parts: readonly Part[] | ((device: Device) => readonly Part[]);
  readonly commands: (path: string) => readonly (readonly [string, readonly string[], string?])[];
  /** Where `golden` bytes go, and which. */
  readonly planted?: (device: Device) => { readonly offset: number; readonly golden: string };
}

const cost = ['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000', '--key-file', '-'];

/** Files with names so long that few fit a block. */
const longNames =
  'mkdir "$1"; i=100; while [ $i -lt 164 ]; do : > "$1/$(printf %0200d $i)"; i=$((i+1)); done';
/** A root directory of XFS with so many files that it has a block of its own. */
const prototype = [
  ...['/', '0 0', 'd--755 0 0'],
  ...Array.from({ length: 40 }, (_, index) => `file-number-${index} ---644 0 0 /dev/null`),
  ...['$', ''],
].join('\n');

const xfsBlock = (device: Device, block: number): number => {
  const view = new DataView(device.bytes(0, 512).buffer);
  const shift = 2 ** view.getUint8(124);
  return (Math.floor(block / shift) * view.getUint32(84) + (block % shift)) * 4096;
};
const logOfXfs = (device: Device): number =>
  xfsBlock(device, Number(new DataView(device.bytes(0, 512).buffer).getBigUint64(48)));
/** The block of the first extent of inode 128, whose sector is the 128th. */
const rootDirectoryOfXfs = (device: Device): number => {
  const extent = new DataView(device.bytes(65536 + 176, 16).buffer);
  return xfsBlock(device, Number(extent.getBigUint64(8) >> 21n));
};

const makers: readonly Maker[] = [
  {
    name: 'ext4',
    size: 4 * MIB,
    parts: [
      [0, 16384],
      [0, 131072],
    ],
    commands: (path) => [
      ['sh', ['-c', longNames, 'sh', `${path}.files`]],
      [
        'mke2fs',
        [
          '-q',
          '-t',
          'ext4',
          '-N',
          '128',
          '-J',
          'size=1',
          '-b',
          '1024',
          '-d',
          `${path}.files`,
          path,
        ],
      ],
      // Makes the directory a hash tree; 1: it has changed the file system.
      ['sh', ['-c', 'e2fsck -fyD "$1" || test $? -eq 1', 'sh', path]],
    ],
  },
  {
    name: 'gpt',
    size: 2 * MIB,
    parts: [[0, 34 * 512]],
    commands: (path) => [['sfdisk', ['-q', path], 'label: gpt\nsize=100\nsize=100\n']],
  },
  {
    name: 'mbr',
    size: 8 * MIB,
    parts: [[0, 4096]],
    commands: (path) => [['sfdisk', ['-q', path], 'label: dos\n2048,2048,83\n,,5\n,1000,82\n']],
  },
  ...[12, 16, 32].map((width) => ({
    name: `fat${width}`,
    size: (width === 32 ? 64 : 16) * MIB,
    parts: [[0, 49152] as const],
    commands: (path: string) =>
      [
        ['mkfs.fat', ['-F', String(width), ...(width === 12 ? ['-s', '16'] : []), path]],
        ['mmd', ['-i', path, '::inner']],
        ['mcopy', ['-i', path, '-', '::a name in two parts.txt'], 'hello'],
        ['mcopy', ['-i', path, '-', '::inner/another name.txt'], 'hello'],
      ] as const,
  })),
  {
    name: 'exfat',
    size: 4 * MIB,
    parts: [[0, 32768]],
    commands: (path) => [['mkfs.exfat', ['-b', '4K', path]]],
    planted: (device) => {
      const boot = new DataView(device.bytes(0, 512).buffer);
      const cluster = boot.getUint32(96, true) - 2;
      const heap = boot.getUint32(88, true) * 512;
      return { offset: heap + cluster * 512 * 2 ** boot.getUint8(109), golden: 'exfat-directory' };
    },
  },
  {
    name: 'ntfs',
    size: 4 * MIB,
    parts: (device) => [
      [0, 512],
      [16384, 16384],
      [Buffer.from(device.bytes(0, device.size)).indexOf('INDX('), 4096],
    ],
    commands: (path) => [['mkntfs', ['-F', '-q', '-Q', path]]],
  },
  {
    name: 'xfs',
    size: 300 * MIB,
    parts: (device) => [
      [0, 4096],
      [0, 65536 + 512],
      [rootDirectoryOfXfs(device), 4096],
      [logOfXfs(device), 1024],
    ],
    commands: (path) => [
      ['sh', ['-c', 'cat > "$1"', 'sh', `${path}.prototype`], prototype],
      ['mkfs.xfs', ['-q', '-m', 'rmapbt=1', '-p', `${path}.prototype`, path]],
    ],
  },
  ...['luks1', 'luks2'].map((type) => ({
    name: type,
    size: 20 * MIB,
    parts: [[0, 32768] as const],
    commands: (path: string) =>
      [['cryptsetup', ['luksFormat', '-q', '--type', type, ...cost, path], 'words']] as const,
  })),
  {
    name: 'swap',
    size: MIB,
    parts: [[0, 4096]],
    commands: (path) => [['mkswap', [path]]],
  },
];

export interface Sample {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly device: number;
  readonly size: number;
}

/** The programs that the corpus is made with. */
export const corpusPrograms = [
  ...new Set(makers.flatMap(({ commands }) => commands('').map(([program]) => program))),
];

export function makeCorpus(): readonly Sample[] {
  const images = new Images();
  const samples: Sample[] = [];
  try {
    for (const { name, size, parts, commands, planted } of makers) {
      const path = images.make(name, size);
      for (const [program, argv, input] of commands(path)) run(program, argv, input ?? '');
      const device = new Device(path);
      const plant = planted?.(device);
      if (plant) overwrite(path, plant.offset, golden(plant.golden, 4096));
      for (const [offset, length] of typeof parts === 'function' ? parts(device) : parts) {
        samples.push({ name, bytes: device.bytes(offset, length), device: offset, size });
      }
      device.close();
    }
  } finally {
    images.remove();
  }
  return samples;
}
