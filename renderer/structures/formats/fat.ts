/** FAT12, FAT16 and FAT32: boot sector, FSInfo, the FAT; names as in Microsoft's fatgen103. */
import { ByteView } from '../byte-view';
import { fieldsIn, hexNumber, raw, readFields, text, type Layout } from '../fields';
import type { Place, Region, Surveyor } from '../recogniser';
import type { Structure } from '../structure';
import { allocationTable } from './allocation-table';
import { clusterAt } from './directory-entries';
import { directoryByShape, rootDirectory } from './fat-directory';

const SECTOR = 512;
const SIGNATURE = 0xaa55;
const FSINFO_LEAD = 0x41615252;
const FSINFO_STRUCTURE = 0x61417272;

const { u8, x8, u16, x16, u32, x32 } = fieldsIn('little');

const common: Layout = [
  raw(0, 3, 'BS_jmpBoot', 'jump to the boot code'),
  text(3, 8, 'BS_OEMName'),
  u16(11, 'BPB_BytsPerSec', 'bytes in a sector'),
  u8(13, 'BPB_SecPerClus', 'sectors in a cluster'),
  u16(14, 'BPB_RsvdSecCnt', 'sectors before the first FAT'),
  u8(16, 'BPB_NumFATs'),
  u16(17, 'BPB_RootEntCnt', 'entries of the root directory; 0 in FAT32'),
  u16(19, 'BPB_TotSec16'),
  x8(21, 'BPB_Media', (value) => (value === 0xf8 ? 'fixed disk' : '')),
  u16(22, 'BPB_FATSz16', 'sectors of a FAT'),
  u16(24, 'BPB_SecPerTrk'),
  u16(26, 'BPB_NumHeads'),
  u32(28, 'BPB_HiddSec', 'sectors before the volume'),
  u32(32, 'BPB_TotSec32'),
];
const extended = (at: number): Layout => [
  x8(at, 'BS_DrvNum'),
  x8(at + 2, 'BS_BootSig'),
  x32(at + 3, 'BS_VolID', 'serial number'),
  text(at + 7, 11, 'BS_VolLab', 'label'),
  text(at + 18, 8, 'BS_FilSysType'),
  x16(510, 'Signature_word'),
];
const onlyFat32: Layout = [
  u32(36, 'BPB_FATSz32', 'sectors of a FAT'),
  x16(40, 'BPB_ExtFlags'),
  x16(42, 'BPB_FSVer'),
  u32(44, 'BPB_RootClus', 'first cluster of the root directory'),
  u16(48, 'BPB_FSInfo', 'sector'),
  u16(50, 'BPB_BkBootSec', 'sector'),
];

const fsInfoLayout: Layout = [
  x32(0, 'FSI_LeadSig'),
  x32(484, 'FSI_StrucSig'),
  u32(488, 'FSI_Free_Count', (value) => (value === 0xffffffff ? 'not known' : 'free clusters')),
  u32(492, 'FSI_Nxt_Free', (value) =>
    value === 0xffffffff ? 'not known' : 'where to look for a free cluster',
  ),
  x32(508, 'FSI_TrailSig'),
];

export interface FatGeometry {
  readonly width: 12 | 16 | 32;
  readonly sectorBytes: number;
  readonly clusterSectors: number;
  readonly reservedSectors: number;
  readonly fats: number;
  readonly fatSectors: number;
  readonly rootEntries: number;
  readonly clusters: number;
}

const isPowerOfTwo = (value: number): boolean => value > 0 && (value & (value - 1)) === 0;

/** Null if it is no boot sector of a FAT. */
export function fatGeometry(view: ByteView): FatGeometry | null {
  const sectorBytes = view.u16(11);
  const clusterSectors = view.u8(13);
  const reservedSectors = view.u16(14);
  const fats = view.u8(16);
  const rootEntries = view.u16(17);
  const fatSectors = view.u16(22) || view.u32(36);
  const sectors = view.u16(19) || view.u32(32);
  const jump = view.u8(0);
  const isPlausible =
    view.u16(510) === SIGNATURE &&
    (jump === 0xeb || jump === 0xe9) &&
    [512, 1024, 2048, 4096].includes(sectorBytes) &&
    isPowerOfTwo(clusterSectors) &&
    reservedSectors > 0 &&
    (fats === 1 || fats === 2) &&
    view.u8(21) >= 0xf0 &&
    fatSectors > 0;
  if (!isPlausible) return null;
  const rootSectors = Math.ceil((rootEntries * 32) / sectorBytes);
  const dataSectors = sectors - reservedSectors - fats * fatSectors - rootSectors;
  if (dataSectors <= 0) return null;
  const clusters = Math.floor(dataSectors / clusterSectors);
  // The number of clusters alone decides, says the specification; mkfs.fat -F 32 does not care.
  const width = view.u16(22) === 0 ? 32 : clusters < 4085 ? 12 : 16;
  return {
    width,
    sectorBytes,
    clusterSectors,
    reservedSectors,
    fats,
    fatSectors,
    rootEntries,
    clusters,
  };
}

function recogniseBoot({ view }: Place): Structure | null {
  const geometry = fatGeometry(view);
  if (!geometry) return null;
  const { width, clusters } = geometry;
  const record = view.part(0, SECTOR);
  const at = width === 32 ? 64 : 36;
  const hasSerial = (record.u8(at + 2) & 0xfe) === 0x28;
  const layout = [...common, ...(width === 32 ? onlyFat32 : []), ...extended(at)];
  return {
    name: `FAT${width} boot sector`,
    offset: record.start,
    length: record.length,
    value: hasSerial ? JSON.stringify(record.text(at + 7, 11).trimEnd()) : '',
    meaning: `${clusters} clusters of ${geometry.clusterSectors * geometry.sectorBytes} bytes`,
    confidence: 'magic',
    evidence: 'signature 0xaa55 and a parameter block that fits',
    children: () => readFields(record, layout),
  };
}

function recogniseFsInfo({ view }: Place): Structure | null {
  if (view.u32(0) !== FSINFO_LEAD || view.u32(484) !== FSINFO_STRUCTURE) return null;
  const record = view.part(0, SECTOR);
  return {
    name: 'FAT32 FSInfo',
    offset: record.start,
    length: record.length,
    value: '',
    meaning: `${record.u32(488)} free clusters`,
    confidence: 'magic',
    evidence: 'both signatures',
    children: () => readFields(record, fsInfoLayout),
  };
}

export const recogniseFat = (place: Place): Structure | null =>
  recogniseBoot(place) ?? recogniseFsInfo(place);

/** What entry `value` of a FAT of `width` bits says of its cluster. */
function entryMeaning(index: number, value: number, width: 12 | 16 | 32): string {
  const top = width === 32 ? 0x0fffffff : 2 ** width - 1;
  const masked = width === 32 ? value & 0x0fffffff : value;
  if (index === 0) return 'media type';
  if (index === 1) return 'end-of-chain mark and state of the volume';
  if (masked === 0) return 'free';
  if (masked >= top - 7) return 'last of its file';
  if (masked === top - 8) return 'bad';
  return `goes on in cluster ${masked}`;
}

/** One copy of the FAT, from device byte `start` on. */
function fatRegion(geometry: FatGeometry, start: number, number: number): Region {
  const { width, fatSectors, sectorBytes, clusters } = geometry;
  const length = Math.min(fatSectors * sectorBytes, Math.ceil(((clusters + 2) * width) / 8));
  return {
    start,
    length,
    read: ({ view, device }) => {
      const first = Math.ceil(((device - start) * 8) / width);
      // Where entry `index` of those here begins; a FAT12 entry may share its byte.
      const at = (index: number) => Math.floor(((first + index) * width) / 8) - (device - start);
      const bytes = width === 32 ? 4 : 2;
      let count = Math.floor(((view.length + device - start) * 8) / width) - first;
      while (count > 0 && !view.has(at(count - 1), bytes)) count--;
      if (count <= 0) return null;
      const read = (index: number): number => {
        if (width === 32) return view.u32(at(index));
        const pair = view.u16(at(index));
        if (width === 16) return pair;
        return (first + index) % 2 === 0 ? pair & 0xfff : pair >>> 4;
      };
      const span = (from: number, to: number) => ({
        offset: view.start + at(from),
        length: at(to - 1) + bytes - at(from),
      });
      const name = `FAT${width} table`;
      const value = fatSectors > 0 && number > 0 ? `copy ${number + 1}` : '';
      const shown = (index: number) => ({
        value: hexNumber(read(index), width / 4),
        meaning: entryMeaning(first + index, read(index), width),
      });
      return allocationTable(
        { name, value, first, count, span, read: shown },
        { offset: view.start, length: view.length },
      );
    },
  };
}

/** The root directory of FAT12 and FAT16, which lies at a place of its own: a cluster by itself. */
function rootRegion(geometry: FatGeometry, start: number): Region {
  const length = geometry.rootEntries * 32;
  const heap = { start, clusterBytes: length };
  return {
    start,
    length,
    read: (place) => {
      const cluster = clusterAt(place, heap);
      return cluster && rootDirectory(cluster.view);
    },
  };
}

/** The clusters, the first of which is number 2: directories are told by their form. */
function heapRegion(geometry: FatGeometry, start: number, rootCluster: number): Region {
  const { clusters, clusterSectors, sectorBytes } = geometry;
  const clusterBytes = clusterSectors * sectorBytes;
  return {
    start,
    length: clusters * clusterBytes,
    read: (place) => {
      const cluster = clusterAt(place, { start, clusterBytes });
      if (!cluster) return null;
      const isRoot = cluster.number === rootCluster;
      return isRoot ? rootDirectory(cluster.view) : directoryByShape(cluster.view, clusters);
    },
  };
}

export const surveyFat: Surveyor = async (volume, read) => {
  const bytes = await read(volume.start, SECTOR);
  const geometry = bytes && fatGeometry(new ByteView(bytes));
  if (!geometry) return [];
  const { width, sectorBytes, reservedSectors, fats, fatSectors, rootEntries } = geometry;
  const first = volume.start + reservedSectors * sectorBytes;
  const copies = Array.from({ length: fats }, (_, index) =>
    fatRegion(geometry, first + index * fatSectors * sectorBytes, index),
  );
  const behind = first + fats * fatSectors * sectorBytes;
  const rootBytes = Math.ceil((rootEntries * 32) / sectorBytes) * sectorBytes;
  const rootCluster = width === 32 ? new ByteView(bytes).u32(44) : 0;
  const heap = heapRegion(geometry, behind + rootBytes, rootCluster);
  return [...copies, ...(rootEntries === 0 ? [] : [rootRegion(geometry, behind)]), heap];
};
