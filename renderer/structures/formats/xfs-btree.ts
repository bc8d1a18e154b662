/** Blocks of the trees of XFS; names as in fs/xfs/libxfs/xfs_format.h. Big-endian. */
import type { ByteView } from '../byte-view';
import { fieldsIn, readFields, uuid, type Layout } from '../fields';
import { listNodes, type StructureNode } from '../structure';
import { blockLengths, none32, none64, withField, type XfsBlock } from './xfs-blocks';
import { EXTENT_BYTES, extentAt, extentLayout, extentText } from './xfs-extent';

/** Deeper trees than any disk can fill. */
const MOST_LEVELS = 12;
const SHORT_BYTES = 56;
const LONG_BYTES = 72;

const { u8, u16, u32, u64, x16, x32, x64 } = fieldsIn('big');

const common: Layout = [
  x32(0, 'bb_magic', (_, view) => JSON.stringify(view.text(0, 4))),
  u16(4, 'bb_level', (value) => (value === 0 ? 'a leaf: it has the records' : 'above the leaves')),
  u16(6, 'bb_numrecs', 'records, or blocks below'),
];
/** Of trees within a group, whose blocks have numbers of 32 bits. */
const shortLayout: Layout = [
  ...common,
  none32(8, 'bb_leftsib', 'block before it'),
  none32(12, 'bb_rightsib', 'block behind it'),
  u64(16, 'bb_blkno', 'sector of the volume where it belongs'),
  u64(24, 'bb_lsn', 'log sequence number'),
  uuid(32, 'bb_uuid'),
  u32(48, 'bb_owner', 'group'),
];
const longLayout: Layout = [
  ...common,
  none64(8, 'bb_leftsib', 'block before it'),
  none64(16, 'bb_rightsib', 'block behind it'),
  u64(24, 'bb_blkno', 'sector of the volume where it belongs'),
  u64(32, 'bb_lsn', 'log sequence number'),
  uuid(40, 'bb_uuid'),
  u64(56, 'bb_owner', 'inode'),
];

interface Records {
  readonly bytes: number;
  readonly layout: Layout;
  readonly value: (record: ByteView) => string;
}

const freeSpace: Records = {
  bytes: 8,
  layout: [u32(0, 'ar_startblock'), u32(4, 'ar_blockcount')],
  value: (record) => `block ${record.u32(0, 'big')} +${record.u32(4, 'big')}`,
};
const inodes: Records = {
  bytes: 16,
  layout: [
    u32(0, 'ir_startino'),
    x16(4, 'ir_holemask', 'a bit for each 4 inodes that are not there; with sparse inodes'),
    u8(6, 'ir_count', 'inodes; with sparse inodes'),
    u8(7, 'ir_freecount', 'of them free'),
    x64(8, 'ir_free', 'a bit for each that is free'),
  ],
  value: (record) => `inodes from ${record.u32(0, 'big')}`,
};
/** What is no inode's. */
const owner: Readonly<Record<string, string>> = {
  '-1': 'nobody',
  '-2': 'not known',
  '-3': 'headers of the group',
  '-4': 'the log',
  '-5': 'trees of free space and owners',
  '-6': 'trees of inodes',
  '-7': 'inodes',
  '-8': 'tree of shared extents',
  '-9': 'copies on write that are not finished',
};
const owners: Records = {
  bytes: 24,
  layout: [
    u32(0, 'rm_startblock'),
    u32(4, 'rm_blockcount'),
    u64(8, 'rm_owner', (value) => owner[String(BigInt.asIntN(64, value))] ?? 'inode'),
    x64(16, 'rm_offset', 'place in the file, and flags'),
  ],
  value: (record) => `block ${record.u32(0, 'big')} +${record.u32(4, 'big')}`,
};
const shared: Records = {
  bytes: 12,
  layout: [u32(0, 'rc_startblock'), u32(4, 'rc_blockcount'), u32(8, 'rc_refcount', 'files')],
  value: (record) => `block ${record.u32(0, 'big')} +${record.u32(4, 'big')}`,
};
const extents: Records = {
  bytes: EXTENT_BYTES,
  layout: extentLayout,
  value: (record) => extentText(extentAt(record, 0)),
};

function tree(magic: string, about: string, records: Records): XfsBlock {
  const isLong = records === extents;
  const headerBytes = isLong ? LONG_BYTES : SHORT_BYTES;
  const layout = isLong ? longLayout : shortLayout;
  return {
    name: `XFS tree of ${about}`,
    magic: JSON.stringify(magic),
    lengths: blockLengths,
    checksumAt: isLong ? 64 : 52,
    isLikely: (view) =>
      view.u16(4, 'big') <= MOST_LEVELS &&
      headerBytes + view.u16(6, 'big') * records.bytes <= blockLengths.most &&
      !view.isZero(isLong ? 40 : 32, 16),
    value: (view) => {
      const [level, count] = [view.u16(4, 'big'), view.u16(6, 'big')];
      return level === 0 ? `${count} ${count === 1 ? 'record' : 'records'}` : `level ${level}`;
    },
    meaning: (view) => (isLong ? `inode ${view.u64(56, 'big')}` : `group ${view.u32(48, 'big')}`),
    children: (view, crc) => [
      ...readFields(view, withField(layout, crc)),
      ...(view.u16(4, 'big') === 0 ? recordNodes(view, headerBytes, records) : []),
    ],
  };
}

function recordNodes(
  view: ByteView,
  at: number,
  { bytes, layout, value }: Records,
): readonly StructureNode[] {
  const room = Math.floor((view.length - at) / bytes);
  const span = (from: number, to: number) => ({
    offset: view.start + at + from * bytes,
    length: (to - from) * bytes,
  });
  return listNodes(
    Math.max(0, Math.min(room, view.u16(6, 'big'))),
    (index) => {
      const record = view.part(at + index * bytes, bytes);
      const children = () => readFields(record, layout);
      return {
        name: `record ${index + 1}`,
        ...span(index, index + 1),
        value: value(record),
        meaning: '',
        children,
      };
    },
    span,
    (from, to) => `records ${from + 1} to ${to + 1}`,
  );
}

/** By magic. */
export const treeBlocks: Readonly<Record<string, XfsBlock>> = {
  AB3B: tree('AB3B', 'free space, by block', freeSpace),
  AB3C: tree('AB3C', 'free space, by length', freeSpace),
  IAB3: tree('IAB3', 'inodes', inodes),
  FIB3: tree('FIB3', 'free inodes', inodes),
  RMB3: tree('RMB3', 'owners', owners),
  R3FC: tree('R3FC', 'shared extents', shared),
  BMA3: tree('BMA3', 'a file’s extents', extents),
};
