/** The master boot record, and the chain of extended ones. */
import type { ByteView } from '../byte-view';
import { custom, fieldsIn, raw, readFields, type Layout } from '../fields';
import type { Place } from '../recogniser';
import type { Structure } from '../structure';

const SECTOR = 512;
const ENTRIES_AT = 446;
const ENTRY_BYTES = 16;
const SIGNATURE = 0xaa55;

export const partitionTypes: Readonly<Record<number, string>> = {
  0x00: 'unused',
  0x01: 'FAT12',
  0x04: 'FAT16, small',
  0x05: 'extended',
  0x06: 'FAT16',
  0x07: 'NTFS or exFAT',
  0x0b: 'FAT32',
  0x0c: 'FAT32, LBA',
  0x0e: 'FAT16, LBA',
  0x0f: 'extended, LBA',
  0x27: 'Windows recovery',
  0x39: 'Plan 9',
  0x42: 'Windows dynamic disk',
  0x82: 'Linux swap',
  0x83: 'Linux',
  0x85: 'Linux extended',
  0x8e: 'Linux LVM',
  0xa5: 'FreeBSD',
  0xa6: 'OpenBSD',
  0xa8: 'macOS UFS',
  0xa9: 'NetBSD',
  0xaf: 'HFS',
  0xbe: 'Solaris boot',
  0xda: 'no file system',
  0xee: 'GPT protective',
  0xef: 'EFI system',
  0xfb: 'VMware VMFS',
  0xfd: 'Linux RAID',
};
const extendedTypes = new Set([0x05, 0x0f, 0x85]);

const { u32, x8, x16, x32 } = fieldsIn('little');

function cylinders(view: ByteView, at: number): string {
  const cylinder = ((view.u8(at + 1) & 0xc0) << 2) | view.u8(at + 2);
  return `${cylinder}/${view.u8(at)}/${view.u8(at + 1) & 0x3f}`;
}

const entryLayout: Layout = [
  x8(0, 'status', (value) =>
    value === 0x80 ? 'active' : value === 0 ? '' : 'no value that is known',
  ),
  custom(1, 3, 'chs_first', (view, at) => ({
    value: cylinders(view, at),
    meaning: 'cylinder/head/sector',
  })),
  custom(4, 1, 'type', (view, at) => ({
    value: `0x${view.hex(at, 1)}`,
    meaning: partitionTypes[view.u8(at)] ?? 'unknown',
  })),
  custom(5, 3, 'chs_last', (view, at) => ({ value: cylinders(view, at) })),
  u32(8, 'lba_first', 'sector'),
  u32(12, 'sectors'),
];

function mbrLayout(isExtended: boolean): Layout {
  const entries: Layout = Array.from({ length: isExtended ? 2 : 4 }, (_, index) =>
    custom(ENTRIES_AT + index * ENTRY_BYTES, ENTRY_BYTES, `partition ${index + 1}`, (view, at) => {
      const entry = view.part(at, ENTRY_BYTES);
      const type = entry.u8(4);
      const first = entry.u32(8);
      return {
        value: partitionTypes[type] ?? `type 0x${entry.hex(4, 1)}`,
        meaning: type === 0 ? '' : `sectors ${first} to ${first + entry.u32(12) - 1}`,
        children: () => readFields(entry, entryLayout),
      };
    }),
  );
  return [
    raw(0, 440, 'boot code'),
    x32(440, 'disk signature'),
    x16(444, 'reserved', (value) => (value === 0x5a5a ? 'read-only' : '')),
    ...entries,
    x16(510, 'signature'),
  ];
}

export interface MbrPartition {
  readonly type: number;
  readonly isExtended: boolean;
  /** Sectors, counted from the record's own base. */
  readonly first: number;
  readonly count: number;
}

/** The partitions of a boot record; null if it is none, or a file system's boot sector. */
export function partitionsOf(view: ByteView): readonly MbrPartition[] | null {
  if (view.u16(510) !== SIGNATURE) return null;
  const partitions: MbrPartition[] = [];
  for (let index = 0; index < 4; index++) {
    const entry = view.part(ENTRIES_AT + index * ENTRY_BYTES, ENTRY_BYTES);
    const status = entry.u8(0);
    if (status !== 0 && status !== 0x80) return null;
    const type = entry.u8(4);
    if (type === 0) continue;
    const first = entry.u32(8);
    const count = entry.u32(12);
    if (count === 0) return null;
    partitions.push({ type, isExtended: extendedTypes.has(type), first, count });
  }
  return partitions.length > 0 ? partitions : null;
}

function structureOf(view: ByteView, isExtended: boolean): Structure | null {
  const partitions = partitionsOf(view);
  if (!partitions) return null;
  const isProtective = partitions.some(({ type }) => type === 0xee);
  const record = view.part(0, SECTOR);
  return {
    name: isExtended ? 'Extended boot record' : isProtective ? 'Protective MBR' : 'MBR',
    offset: record.start,
    length: record.length,
    value: `${partitions.length} ${partitions.length === 1 ? 'partition' : 'partitions'}`,
    meaning: isProtective ? 'keeps the disk for its GPT' : '',
    confidence: 'magic',
    evidence: 'signature 0xaa55 and a table that fits',
    children: () => readFields(record, mbrLayout(isExtended)),
  };
}

/** The record in the disk's first sector; those of extended partitions are told by their place. */
export function recogniseMbr({ view, device }: Place): Structure | null {
  return device === 0 ? structureOf(view, false) : null;
}

export const recogniseExtendedRecord = ({ view }: Place): Structure | null =>
  structureOf(view, true);
