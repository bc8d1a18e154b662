/** Inodes and extent trees of ext2, ext3 and ext4. */
import type { ByteView } from '../byte-view';
import { crc32cRegister, u32Bytes, without } from '../checksums';
import { custom, fieldsIn, hexNumber, raw, readFields, type Layout } from '../fields';
import type { Place, Region } from '../recogniser';
import { listNodes, type Structure, type StructureNode } from '../structure';
import type { Geometry } from './ext4-superblock';

const OLD_INODE_BYTES = 128;
const CHECKSUM_LOW_AT = 0x7c;
const CHECKSUM_HIGH_AT = 0x82;
const EXTENT_MAGIC = 0xf30a;
const USES_EXTENTS = 0x80000;
const HAS_INLINE_DATA = 0x10000000;

const fileTypes: Readonly<Record<number, string>> = {
  0x1: 'FIFO',
  0x2: 'character device',
  0x4: 'directory',
  0x6: 'block device',
  0x8: 'regular file',
  0xa: 'symbolic link',
  0xc: 'socket',
};

const inodeFlags = {
  0: 'secrm',
  1: 'unrm',
  2: 'compr',
  3: 'sync',
  4: 'immutable',
  5: 'append',
  6: 'nodump',
  7: 'noatime',
  11: 'encrypt',
  12: 'index',
  14: 'journal_data',
  15: 'notail',
  16: 'dirsync',
  17: 'topdir',
  18: 'huge_file',
  19: 'extents',
  20: 'verity',
  21: 'ea_inode',
  25: 'dax',
  28: 'inline_data',
  29: 'projinherit',
  30: 'casefold',
};

const reservedInodes: Readonly<Record<number, string>> = {
  1: 'bad blocks',
  2: 'root directory',
  3: 'user quota',
  4: 'group quota',
  5: 'boot loader',
  6: 'undelete',
  7: 'resize',
  8: 'journal',
  9: 'exclude',
  10: 'replica',
};

const { u16, u32, x32, flags32, time32 } = fieldsIn('little');

const extentLayout: Layout = [
  u32(0, 'ee_block', 'first block in the file'),
  u16(4, 'ee_len', (value) =>
    value > 32768 ? `${value - 32768} blocks, not yet written` : 'blocks',
  ),
  u16(6, 'ee_start_hi'),
  u32(8, 'ee_start_lo', 'first block on the volume'),
];
const indexLayout: Layout = [
  u32(0, 'ei_block', 'first block in the file'),
  u32(4, 'ei_leaf_lo', 'block of the next level'),
  u16(8, 'ei_leaf_hi'),
];

/** An extent tree's node: its header and entries. Empty if it is none. */
export function extentNodes(view: ByteView): readonly StructureNode[] {
  if (view.u16(0) !== EXTENT_MAGIC) return [];
  const fitting = Math.max(0, Math.floor((view.length - 12) / 12));
  const entries = Math.min(view.u16(2), fitting);
  const isLeaf = view.u16(6) === 0;
  const layout: Layout = [
    u16(0, 'eh_magic', () => hexNumber(EXTENT_MAGIC)),
    u16(2, 'eh_entries'),
    u16(4, 'eh_max'),
    u16(6, 'eh_depth', (value) => (value === 0 ? 'extents' : 'indexes of a deeper level')),
    u32(8, 'eh_generation'),
  ];
  const span = (first: number, end: number) => ({
    offset: view.start + 12 + first * 12,
    length: (end - first) * 12,
  });
  return [
    ...readFields(view.part(0, 12), layout),
    ...listNodes(
      entries,
      (index) => {
        const entry = view.part(12 + index * 12, 12);
        const start = entry.u16(isLeaf ? 6 : 8) * 2 ** 32 + entry.u32(isLeaf ? 8 : 4);
        return {
          name: isLeaf ? `extent ${index}` : `index ${index}`,
          ...span(index, index + 1),
          value: '',
          meaning: `block ${entry.u32(0)} of the file at ${start}`,
          children: () => readFields(entry, isLeaf ? extentLayout : indexLayout),
        };
      },
      span,
      (first, last) => `entries ${first} to ${last}`,
    ),
  ];
}

/** The places [block, count] of a file whose i_block holds extents, if the tree has one level. */
export function extentsOf(iBlock: ByteView): readonly { block: number; count: number }[] {
  if (iBlock.u16(0) !== EXTENT_MAGIC || iBlock.u16(6) !== 0) return [];
  const entries = Math.min(iBlock.u16(2), 4);
  return Array.from({ length: entries }, (_, index) => {
    const at = 12 + index * 12;
    const count = iBlock.u16(at + 4);
    return {
      block: iBlock.u16(at + 6) * 2 ** 32 + iBlock.u32(at + 8),
      count: count > 32768 ? count - 32768 : count,
    };
  });
}

function modeText(mode: number): string {
  const type = fileTypes[mode >> 12];
  return `${type ?? 'no type'}, ${(mode & 0o7777).toString(8).padStart(4, '0')}`;
}

function hasHighChecksum(view: ByteView): boolean {
  return view.length > OLD_INODE_BYTES && view.u16(0x80) >= 4;
}

/** Of the inode's 32 checksum bits as many as it has room for; null without metadata_csum. */
function expectedChecksum(view: ByteView, geometry: Geometry, inode: number): number | null {
  if (geometry.seed === null) return null;
  const isWide = hasHighChecksum(view);
  let bytes = without(view.slice(), CHECKSUM_LOW_AT, 2);
  if (isWide) bytes = without(bytes, CHECKSUM_HIGH_AT, 2);
  let register = crc32cRegister(geometry.seed, u32Bytes(inode));
  register = crc32cRegister(register, view.slice(0x64, 4));
  register = crc32cRegister(register, bytes);
  return isWide ? register : register & 0xffff;
}

function storedChecksum(view: ByteView): number {
  const high = hasHighChecksum(view) ? view.u16(CHECKSUM_HIGH_AT) * 0x10000 : 0;
  return high + view.u16(CHECKSUM_LOW_AT);
}

function checksumField(geometry: Geometry, inode: number): Layout[number] {
  return custom(CHECKSUM_LOW_AT, 2, 'l_i_checksum_lo', (view, at) => {
    const expected = expectedChecksum(view, geometry, inode);
    const value = hexNumber(view.u16(at), 4);
    if (expected === null) return { value, meaning: 'no checksums here' };
    if (expected === storedChecksum(view)) return { value, meaning: 'right' };
    const low = hexNumber(expected & 0xffff, 4);
    return { value, meaning: `should be ${low}`, isWrong: true };
  });
}

function inodeLayout(geometry: Geometry, inode: number, view: ByteView): Layout {
  const old: Layout = [
    custom(0x00, 2, 'i_mode', (record, at) => ({
      value: hexNumber(record.u16(at), 4),
      meaning: modeText(record.u16(at)),
    })),
    u16(0x02, 'i_uid', 'low half'),
    u32(0x04, 'i_size_lo', (value, record) => {
      const size = record.u32(0x6c) * 2 ** 32 + value;
      return `${size} bytes`;
    }),
    time32(0x08, 'i_atime', 'accessed'),
    time32(0x0c, 'i_ctime', 'changed'),
    time32(0x10, 'i_mtime', 'modified'),
    time32(0x14, 'i_dtime', 'deleted'),
    u16(0x18, 'i_gid', 'low half'),
    u16(0x1a, 'i_links_count'),
    u32(0x1c, 'i_blocks_lo', 'sectors, or blocks with huge_file'),
    flags32(0x20, 'i_flags', inodeFlags),
    x32(0x24, 'l_i_version'),
    custom(0x28, 60, 'i_block', (record, at) => {
      const part = record.part(at, 60);
      const flags = record.u32(0x20);
      if ((flags & USES_EXTENTS) !== 0) {
        return { value: '', meaning: 'extents', children: () => extentNodes(part) };
      }
      if ((flags & HAS_INLINE_DATA) !== 0) return { value: part.hex(0, 16), meaning: 'data' };
      const mode = record.u16(0) >> 12;
      if (mode === 0xa && record.u32(0x04) < 60) {
        return { value: JSON.stringify(part.text(0, 60)), meaning: 'where the link points' };
      }
      return { value: '', meaning: 'block map', children: () => readFields(part, blockMapLayout) };
    }),
    u32(0x64, 'i_generation'),
    u32(0x68, 'i_file_acl_lo', 'block of extended attributes'),
    u32(0x6c, 'i_size_high'),
    u16(0x74, 'l_i_blocks_high'),
    u16(0x76, 'l_i_file_acl_high'),
    u16(0x78, 'l_i_uid_high'),
    u16(0x7a, 'l_i_gid_high'),
    checksumField(geometry, inode),
  ];
  if (view.length <= OLD_INODE_BYTES) return old;
  const extra = OLD_INODE_BYTES + view.u16(0x80);
  const wide: Layout = [
    u16(0x80, 'i_extra_isize', 'bytes used after the first 128'),
    u16(0x82, 'i_checksum_hi'),
    u32(0x84, 'i_ctime_extra', 'nanoseconds and epoch'),
    u32(0x88, 'i_mtime_extra'),
    u32(0x8c, 'i_atime_extra'),
    time32(0x90, 'i_crtime', 'created'),
    u32(0x94, 'i_crtime_extra'),
    u32(0x98, 'i_version_hi'),
    u32(0x9c, 'i_projid'),
  ];
  const rest: Layout =
    extra < view.length ? [raw(extra, view.length - extra, 'i_extra', 'attributes within')] : [];
  return [...old, ...wide.filter(({ at, size }) => at === 0x80 || at + size <= extra), ...rest];
}

const blockMapLayout: Layout = Array.from({ length: 15 }, (_, index) => {
  const name = ['indirect', 'double indirect', 'triple indirect'][index - 12];
  return u32(index * 4, `i_block[${index}]`, name ?? '');
});

/** "inode 12": its one line. */
function inodeNode(view: ByteView, geometry: Geometry, inode: number): StructureNode {
  const place = { offset: view.start, length: view.length };
  const known = reservedInodes[inode];
  const name = `inode ${inode}`;
  if (view.isZero()) return { name, ...place, value: 'unused', meaning: known ?? '' };
  const size = view.u32(0x6c) * 2 ** 32 + view.u32(0x04);
  const expected = expectedChecksum(view, geometry, inode);
  return {
    name,
    ...place,
    value: view.u16(0) === 0 ? 'no mode' : modeText(view.u16(0)),
    meaning: [known, `${size} bytes`, view.u32(0x14) === 0 ? '' : 'deleted']
      .filter((part) => part !== undefined && part !== '')
      .join(', '),
    isWrong: expected !== null && expected !== storedChecksum(view),
    children: () => readFields(view, inodeLayout(geometry, inode, view)),
  };
}

const CHECKED_AT_ONCE = 64;

/** The inode table of `group`, from device byte `start` on. */
export function inodeTableRegion(geometry: Geometry, group: number, start: number): Region {
  const size = geometry.inodeSize;
  return {
    start,
    length: geometry.inodesPerGroup * size,
    read: ({ view, device }: Place): Structure | null => {
      const first = Math.ceil((device - start) / size);
      const table = view.part(first * size - (device - start));
      const count = Math.floor(table.length / size);
      if (count === 0) return null;
      const firstInode = group * geometry.inodesPerGroup + first + 1;
      const verdict = judge(table, geometry, firstInode, count);
      if (verdict === null) return null;
      const span = (from: number, to: number) => ({
        offset: table.start + from * size,
        length: (to - from) * size,
      });
      return {
        name: 'ext4 inodes',
        offset: table.start,
        length: count * size,
        value: `${firstInode} to ${firstInode + count - 1}`,
        meaning: `inode table of group ${group}`,
        ...verdict,
        children: () =>
          listNodes(
            count,
            (index) => inodeNode(table.part(index * size, size), geometry, firstInode + index),
            span,
            (from, to) => `inodes ${firstInode + from} to ${firstInode + to}`,
          ),
      };
    },
  };
}

/** Looks at the first inodes; null if most of them can be none. */
function judge(
  table: ByteView,
  geometry: Geometry,
  firstInode: number,
  count: number,
): Pick<Structure, 'confidence' | 'evidence'> | null {
  let used = 0;
  let possible = 0;
  let right = 0;
  for (let index = 0; index < Math.min(count, CHECKED_AT_ONCE); index++) {
    const view = table.part(index * geometry.inodeSize, geometry.inodeSize);
    if (view.isZero()) continue;
    used++;
    const mode = view.u16(0);
    if (mode === 0 || fileTypes[mode >> 12] !== undefined) possible++;
    const expected = expectedChecksum(view, geometry, firstInode + index);
    if (expected !== null && expected === storedChecksum(view)) right++;
  }
  if (used > 0 && possible * 2 < used) return null;
  const where = 'where the group descriptor has them';
  if (used === 0) return { confidence: 'location', evidence: `${where}; none is in use` };
  if (geometry.seed === null) return { confidence: 'location', evidence: where };
  return {
    confidence: right === used ? 'checked' : 'damaged',
    evidence: `${where}, ${right} of ${used} checksums right`,
  };
}
