/** exFAT: boot region and FAT; names as in Microsoft's specification. */
import { ByteView } from '../byte-view';
import { fieldsIn, hexNumber, raw, readFields, text, type Layout } from '../fields';
import type { Place, Region, Surveyor } from '../recogniser';
import type { Structure } from '../structure';
import { allocationTable } from './allocation-table';
import { clusterAt } from './directory-entries';
import { recogniseExFatDirectory } from './exfat-directory';

const SECTOR = 512;
const CHECKED_SECTORS = 11;

const { u8, x8, x16, u32, x32, u64, flags16 } = fieldsIn('little');

const bootLayout: Layout = [
  raw(0, 3, 'JumpBoot'),
  text(3, 8, 'FileSystemName'),
  u64(64, 'PartitionOffset', 'sectors before the volume'),
  u64(72, 'VolumeLength', 'sectors'),
  u32(80, 'FatOffset', 'sector'),
  u32(84, 'FatLength', 'sectors'),
  u32(88, 'ClusterHeapOffset', 'sector'),
  u32(92, 'ClusterCount'),
  u32(96, 'FirstClusterOfRootDirectory'),
  x32(100, 'VolumeSerialNumber'),
  x16(104, 'FileSystemRevision', (value) => `${value >> 8}.${value & 0xff}`),
  flags16(106, 'VolumeFlags', {
    0: 'second FAT active',
    1: 'dirty',
    2: 'media failure',
    3: 'clear to zero',
  }),
  u8(108, 'BytesPerSectorShift', (value) => `${2 ** value} bytes`),
  u8(109, 'SectorsPerClusterShift', (value) => `${2 ** value} sectors`),
  u8(110, 'NumberOfFats'),
  x8(111, 'DriveSelect'),
  u8(112, 'PercentInUse', (value) => (value === 0xff ? 'not known' : '%')),
  x16(510, 'BootSignature'),
];

function isBootSector(view: ByteView): boolean {
  const sectorShift = view.u8(108);
  return (
    view.isAscii(3, 'EXFAT   ') &&
    view.u16(510) === 0xaa55 &&
    sectorShift >= 9 &&
    sectorShift <= 12 &&
    view.u8(109) <= 25 - sectorShift
  );
}

/** The checksum of the boot region, which fills its twelfth sector. */
function regionChecksum(bytes: Uint8Array): number {
  let sum = 0;
  bytes.forEach((byte, index) => {
    if (index === 106 || index === 107 || index === 112) return;
    sum = (((sum << 31) | (sum >>> 1)) + byte) >>> 0;
  });
  return sum;
}

export function recogniseExFat({ view }: Place): Structure | null {
  if (!isBootSector(view)) return null;
  const sectorBytes = 2 ** view.u8(108);
  const record = view.part(0, SECTOR);
  const checked = CHECKED_SECTORS * sectorBytes;
  const canCheck = view.has(0, checked + 4);
  const expected = canCheck ? regionChecksum(view.slice(0, checked)) : 0;
  const isRight = expected === view.u32(checked);
  const clusterBytes = sectorBytes * 2 ** view.u8(109);
  return {
    name: 'exFAT boot sector',
    offset: record.start,
    length: record.length,
    value: `serial ${hexNumber(record.u32(100), 8)}`,
    meaning: `${record.u32(92)} clusters of ${clusterBytes} bytes`,
    confidence: canCheck ? (isRight ? 'checked' : 'damaged') : 'magic',
    evidence: canCheck
      ? `"EXFAT", checksum of the boot region ${isRight ? 'right' : 'wrong'}`
      : '"EXFAT" and signature 0xaa55; its checksum lies in another request',
    children: () => readFields(record, bootLayout),
  };
}

function meaningOf(index: number, value: number): string {
  if (index === 0) return 'media type';
  if (value === 0xffffffff) return 'last of its file';
  if (value === 0xfffffff7) return 'bad';
  return value === 0 ? 'not chained' : `goes on in cluster ${value}`;
}

/** The clusters, the first of which is number 2: directories are told by the checksums of their files. */
function heapRegion(boot: ByteView, volumeStart: number): Region {
  const sectorBytes = 2 ** boot.u8(108);
  const clusterBytes = sectorBytes * 2 ** boot.u8(109);
  const start = volumeStart + boot.u32(88) * sectorBytes;
  const root = boot.u32(96);
  return {
    start,
    length: boot.u32(92) * clusterBytes,
    read: (place) => {
      const cluster = clusterAt(place, { start, clusterBytes });
      if (!cluster) return null;
      const isRoot = cluster.number === root && cluster.within === 0;
      return recogniseExFatDirectory(cluster.view, isRoot);
    },
  };
}

export const surveyExFat: Surveyor = async (volume, read) => {
  const bytes = await read(volume.start, SECTOR);
  const boot = bytes && new ByteView(bytes);
  if (!boot || !isBootSector(boot)) return [];
  const sectorBytes = 2 ** boot.u8(108);
  const start = volume.start + boot.u32(80) * sectorBytes;
  const length = Math.min(boot.u32(84) * sectorBytes, (boot.u32(92) + 2) * 4);
  return [
    {
      start,
      length,
      read: ({ view, device }) => {
        const first = Math.ceil((device - start) / 4);
        const count = Math.floor(view.length / 4);
        if (count === 0) return null;
        const span = (from: number, to: number) => ({
          offset: view.start + from * 4,
          length: (to - from) * 4,
        });
        const read = (index: number) => {
          const value = view.u32(index * 4);
          return { value: hexNumber(value, 8), meaning: meaningOf(first + index, value) };
        };
        return allocationTable({ name: 'exFAT table', value: '', first, count, span, read });
      },
    },
    heapRegion(boot, volume.start),
  ];
};
