/** The headers of an allocation group of XFS; names as in fs/xfs/libxfs/xfs_format.h. Big-endian. */
import type { ByteView } from '../byte-view';
import { fieldsIn, readFields, uuid, type Layout } from '../fields';
import { listNodes, type StructureNode } from '../structure';
import { none32, sectorLengths, withField, type XfsBlock } from './xfs-blocks';

const NONE = 0xffffffff;
const UNLINKED_AT = 40;
const UNLINKED = 64;
const FREE_LIST_AT = 36;

const { u32, u64, x32 } = fieldsIn('big');

const group = (view: ByteView): string => `group ${view.u32(8, 'big')}`;
const isVersion1 = (view: ByteView): boolean => view.u32(4, 'big') === 1;

const agfLayout: Layout = [
  x32(0, 'agf_magicnum', '"XAGF"'),
  u32(4, 'agf_versionnum'),
  u32(8, 'agf_seqno', 'number of the group'),
  u32(12, 'agf_length', 'blocks'),
  u32(16, 'agf_bno_root', 'block of the tree of free space, by block'),
  u32(20, 'agf_cnt_root', 'block of the tree of free space, by length'),
  u32(24, 'agf_rmap_root', 'block of the tree of owners'),
  u32(28, 'agf_bno_level', 'levels'),
  u32(32, 'agf_cnt_level', 'levels'),
  u32(36, 'agf_rmap_level', 'levels'),
  u32(40, 'agf_flfirst', 'first place in use of the free list'),
  u32(44, 'agf_fllast', 'last one'),
  u32(48, 'agf_flcount', 'blocks in the free list'),
  u32(52, 'agf_freeblks', 'free blocks'),
  u32(56, 'agf_longest', 'blocks of the longest free extent'),
  u32(60, 'agf_btreeblks', 'blocks of the trees of free space'),
  uuid(64, 'agf_uuid'),
  u32(80, 'agf_rmap_blocks'),
  u32(84, 'agf_refcount_blocks'),
  u32(88, 'agf_refcount_root', 'block of the tree of shared extents'),
  u32(92, 'agf_refcount_level', 'levels'),
  u64(208, 'agf_lsn', 'log sequence number'),
];

const agiLayout: Layout = [
  x32(0, 'agi_magicnum', '"XAGI"'),
  u32(4, 'agi_versionnum'),
  u32(8, 'agi_seqno', 'number of the group'),
  u32(12, 'agi_length', 'blocks'),
  u32(16, 'agi_count', 'inodes allocated'),
  u32(20, 'agi_root', 'block of the tree of inodes'),
  u32(24, 'agi_level', 'levels'),
  u32(28, 'agi_freecount', 'inodes free'),
  none32(32, 'agi_newino', 'inodes allocated last'),
  none32(36, 'agi_dirino'),
  uuid(296, 'agi_uuid'),
  u64(320, 'agi_lsn', 'log sequence number'),
  u32(328, 'agi_free_root', 'block of the tree of free inodes'),
  u32(332, 'agi_free_level', 'levels'),
  u32(336, 'agi_iblocks', 'blocks of the tree of inodes'),
  u32(340, 'agi_fblocks', 'blocks of the tree of free inodes'),
];

const agflLayout: Layout = [
  x32(0, 'agfl_magicnum', '"XAFL"'),
  u32(4, 'agfl_seqno', 'number of the group'),
  uuid(8, 'agfl_uuid'),
  u64(24, 'agfl_lsn', 'log sequence number'),
];

/** Up to `most` numbers of 32 bits from `at` on, ~0 for none; nothing where the bytes end before. */
function numbers(
  view: ByteView,
  at: number,
  most: number,
  name: string,
  none: string,
): readonly StructureNode[] {
  const count = Math.min(most, Math.floor((view.length - at) / 4));
  if (count <= 0) return [];
  const span = (from: number, to: number) => ({
    offset: view.start + at + from * 4,
    length: (to - from) * 4,
  });
  const read = (index: number) => view.u32(at + index * 4, 'big');
  let used = 0;
  for (let index = 0; index < count; index++) if (read(index) !== NONE) used++;
  const children = () =>
    listNodes(
      count,
      (index) => ({
        name: `${name}[${index}]`,
        ...span(index, index + 1),
        value: read(index) === NONE ? '' : String(read(index)),
        meaning: read(index) === NONE ? none : '',
      }),
      span,
      (from, to) => `${name}[${from}] to [${to}]`,
    );
  return [{ name, ...span(0, count), value: `${used} of ${count}`, meaning: '', children }];
}

/** By magic. */
export const groupBlocks: Readonly<Record<string, XfsBlock>> = {
  XAGF: {
    name: 'XFS free space of a group (AGF)',
    magic: '"XAGF"',
    lengths: sectorLengths,
    checksumAt: 216,
    isLikely: isVersion1,
    value: group,
    meaning: (view) => `${view.u32(52, 'big')} of ${view.u32(12, 'big')} blocks are free`,
    children: (view, crc) => readFields(view, withField(agfLayout, crc)),
  },
  XAGI: {
    name: 'XFS inodes of a group (AGI)',
    magic: '"XAGI"',
    lengths: sectorLengths,
    checksumAt: 312,
    isLikely: isVersion1,
    value: group,
    meaning: (view) => `${view.u32(28, 'big')} of ${view.u32(16, 'big')} inodes are free`,
    children: (view, crc) => {
      const fields = readFields(view, withField(agiLayout, crc));
      const unlinked = numbers(view, UNLINKED_AT, UNLINKED, 'agi_unlinked', 'no inode');
      return [...fields, ...unlinked].sort((left, right) => left.offset - right.offset);
    },
  },
  XAFL: {
    name: 'XFS free list of a group (AGFL)',
    magic: '"XAFL"',
    lengths: sectorLengths,
    checksumAt: 32,
    isLikely: (view) => !view.isZero(8, 16),
    value: (view) => `group ${view.u32(4, 'big')}`,
    meaning: () => 'blocks kept for the trees of free space',
    children: (view, crc) => [
      ...readFields(view, withField(agflLayout, crc)),
      ...numbers(view, FREE_LIST_AT, view.length, 'agfl_bno', 'no block'),
    ],
  },
};
