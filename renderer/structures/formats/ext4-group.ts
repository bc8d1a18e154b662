/** Group descriptors and bitmaps of ext2, ext3 and ext4. */
import type { ByteView } from '../byte-view';
import { crc16Register, crc32cRegister, u32Bytes, without } from '../checksums';
import { checksum, fieldsIn, readFields, type Layout } from '../fields';
import type { Place, Region } from '../recogniser';
import { listNodes, type Structure } from '../structure';
import type { Geometry } from './ext4-superblock';

const CHECKSUM_AT = 0x1e;

const { u16, x16, u32, flags16 } = fieldsIn('little');

function expectedChecksum(view: ByteView, geometry: Geometry, group: number): number | null {
  const bytes = view.slice(0, geometry.descriptorSize);
  if (geometry.seed !== null) {
    const seed = crc32cRegister(geometry.seed, u32Bytes(group));
    return crc32cRegister(seed, without(bytes, CHECKSUM_AT, 2)) & 0xffff;
  }
  if (!geometry.hasGroupChecksums) return null;
  let register = crc16Register(0xffff, geometry.uuid);
  register = crc16Register(register, u32Bytes(group));
  register = crc16Register(register, bytes.subarray(0, CHECKSUM_AT));
  return crc16Register(register, bytes.subarray(CHECKSUM_AT + 2));
}

function descriptorLayout(geometry: Geometry, group: number): Layout {
  const low: Layout = [
    u32(0x00, 'bg_block_bitmap_lo', 'block'),
    u32(0x04, 'bg_inode_bitmap_lo', 'block'),
    u32(0x08, 'bg_inode_table_lo', 'first block'),
    u16(0x0c, 'bg_free_blocks_count_lo'),
    u16(0x0e, 'bg_free_inodes_count_lo'),
    u16(0x10, 'bg_used_dirs_count_lo', 'directories'),
    flags16(0x12, 'bg_flags', { 0: 'inode_uninit', 1: 'block_uninit', 2: 'itable_zeroed' }),
    u32(0x14, 'bg_exclude_bitmap_lo'),
    x16(0x18, 'bg_block_bitmap_csum_lo'),
    x16(0x1a, 'bg_inode_bitmap_csum_lo'),
    u16(0x1c, 'bg_itable_unused_lo', 'inodes never used at the end of the table'),
    checksum(CHECKSUM_AT, 2, 'bg_checksum', 'little', (view) =>
      expectedChecksum(view, geometry, group),
    ),
  ];
  if (geometry.descriptorSize < 64) return low;
  return [
    ...low,
    u32(0x20, 'bg_block_bitmap_hi'),
    u32(0x24, 'bg_inode_bitmap_hi'),
    u32(0x28, 'bg_inode_table_hi'),
    u16(0x2c, 'bg_free_blocks_count_hi'),
    u16(0x2e, 'bg_free_inodes_count_hi'),
    u16(0x30, 'bg_used_dirs_count_hi'),
    u16(0x32, 'bg_itable_unused_hi'),
    u32(0x34, 'bg_exclude_bitmap_hi'),
    x16(0x38, 'bg_block_bitmap_csum_hi'),
    x16(0x3a, 'bg_inode_bitmap_csum_hi'),
  ];
}

export interface GroupPlaces {
  readonly blockBitmap: number;
  readonly inodeBitmap: number;
  readonly inodeTable: number;
}

/** Where a group's own metadata lies, in blocks of the file system. */
export function placesOf(view: ByteView, geometry: Geometry): GroupPlaces {
  const high = (at: number) => (geometry.descriptorSize >= 64 ? view.u32(at) * 2 ** 32 : 0);
  return {
    blockBitmap: high(0x20) + view.u32(0x00),
    inodeBitmap: high(0x24) + view.u32(0x04),
    inodeTable: high(0x28) + view.u32(0x08),
  };
}

const CHECKED_AT_ONCE = 64;

/** The descriptor table, or a backup of it, from device byte `start` on. */
export function descriptorRegion(geometry: Geometry, start: number): Region {
  const size = geometry.descriptorSize;
  return {
    start,
    length: geometry.groups * size,
    read: ({ view, device }: Place): Structure | null => {
      const first = Math.ceil((device - start) / size);
      const table = view.part(first * size - (device - start));
      const count = Math.min(Math.floor(table.length / size), geometry.groups - first);
      if (count <= 0) return null;
      let wrong = 0;
      let checked = 0;
      for (let index = 0; index < Math.min(count, CHECKED_AT_ONCE); index++) {
        const part = table.part(index * size, size);
        const expected = expectedChecksum(part, geometry, first + index);
        if (expected === null) continue;
        checked++;
        if (expected !== part.u16(CHECKSUM_AT)) wrong++;
      }
      const span = (from: number, to: number) => ({
        offset: table.start + from * size,
        length: (to - from) * size,
      });
      return {
        name: 'ext4 group descriptors',
        offset: table.start,
        length: count * size,
        value: count === 1 ? `group ${first}` : `groups ${first} to ${first + count - 1}`,
        meaning: '',
        confidence: checked === 0 ? 'location' : wrong > 0 ? 'damaged' : 'checked',
        evidence:
          checked === 0
            ? 'where the superblock has them; they carry no checksums'
            : `where the superblock has them, ${checked - wrong} of ${checked} checksums right`,
        children: () =>
          listNodes(
            count,
            (index) => {
              const part = table.part(index * size, size);
              return {
                name: `group ${first + index}`,
                ...span(index, index + 1),
                value: '',
                meaning: `inode table at block ${placesOf(part, geometry).inodeTable}`,
                children: () => readFields(part, descriptorLayout(geometry, first + index)),
              };
            },
            span,
            (from, to) => `groups ${first + from} to ${first + to}`,
          ),
      };
    },
  };
}

function setBits(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) {
    for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  }
  return count;
}

/** A bitmap of one block; bit N of it is entry `first + N` of `what`. */
export function bitmapRegion(
  geometry: Geometry,
  start: number,
  name: string,
  group: number,
  count: number,
): Region {
  return {
    start,
    length: geometry.blockSize,
    read: ({ view, device }) => {
      if (device !== start) return null;
      const used = setBits(view.slice(0, Math.ceil(count / 8)));
      const isWhole = view.length === geometry.blockSize;
      return {
        name: `ext4 ${name} bitmap`,
        offset: view.start,
        length: view.length,
        value: `group ${group}`,
        meaning: isWhole ? `${used} of ${count} in use` : '',
        confidence: 'location',
        evidence: 'where the group descriptor has it',
      };
    },
  };
}
