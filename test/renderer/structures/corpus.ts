/** Beginnings of disks of every format, as the real tools make them: what the fuzzer changes. */
import { Device, Images, run } from './images';

const MIB = 1 << 20;

interface Maker {
  readonly name: string;
  readonly size: number;
  /** Where the bytes worth having lie. */
  readonly parts: readonly (readonly [offset: number, length: number])[];
  readonly commands: (path: string) => readonly (readonly [string, readonly string[], string?])[];
}

const cost = ['--pbkdf', 'pbkdf2', '--pbkdf-force-iterations', '1000', '--key-file', '-'];

const makers: readonly Maker[] = [
  {
    name: 'ext4',
    size: 4 * MIB,
    parts: [
      [0, 16384],
      [0, 131072],
    ],
    commands: (path) => [
      ['mke2fs', ['-q', '-t', 'ext4', '-N', '64', '-J', 'size=1', '-b', '1024', path]],
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
    parts: [[0, 32768] as const],
    commands: (path: string) =>
      [['mkfs.fat', ['-F', String(width), ...(width === 12 ? ['-s', '16'] : []), path]]] as const,
  })),
  {
    name: 'exfat',
    size: 4 * MIB,
    parts: [[0, 16384]],
    commands: (path) => [['mkfs.exfat', [path]]],
  },
  {
    name: 'ntfs',
    size: 4 * MIB,
    parts: [
      [0, 512],
      [16384, 16384],
    ],
    commands: (path) => [['mkntfs', ['-F', '-q', '-Q', path]]],
  },
  {
    name: 'xfs',
    size: 300 * MIB,
    parts: [[0, 4096]],
    commands: (path) => [['mkfs.xfs', ['-q', path]]],
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
    for (const { name, size, parts, commands } of makers) {
      const path = images.make(name, size);
      for (const [program, argv, input] of commands(path)) run(program, argv, input ?? '');
      const device = new Device(path);
      for (const [offset, length] of parts) {
        samples.push({ name, bytes: device.bytes(offset, length), device: offset, size });
      }
      device.close();
    }
  } finally {
    images.remove();
  }
  return samples;
}
