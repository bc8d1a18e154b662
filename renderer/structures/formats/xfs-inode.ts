/** Inodes of XFS, version 3; names as in fs/xfs/libxfs/xfs_format.h. Big-endian. */
import type { ByteView } from '../byte-view';
import {
  custom,
  dated,
  fieldsIn,
  raw,
  readFields,
  text,
  unixTime,
  uuid,
  type Field,
  type Layout,
} from '../fields';
import type { StructureNode } from '../structure';
import { inodeLengths, none32, withField, type XfsBlock } from './xfs-blocks';
import { shortFormNodes } from './xfs-directory';
import { extentNodes } from './xfs-extent';

const FORKS_AT = 176;
const BIG_TIME = 1n << 3n;
const BIG_COUNTS = 1n << 4n;
/** Seconds before 1970 from which large times count. */
const BIG_TIME_BASE = 2 ** 31;
const NANOSECONDS = 1_000_000_000n;

const LOCAL = 1;
const EXTENTS = 2;
const TREE = 3;
const formats: Readonly<Record<number, string>> = {
  0: 'a device',
  [LOCAL]: 'here',
  [EXTENTS]: 'in extents',
  [TREE]: 'in a tree of extents',
  4: 'a UUID',
};
const DIRECTORY = 0x4;
const SYMBOLIC_LINK = 0xa;
const fileTypes: Readonly<Record<number, string>> = {
  0x1: 'FIFO',
  0x2: 'character device',
  [DIRECTORY]: 'directory',
  0x6: 'block device',
  0x8: 'regular file',
  [SYMBOLIC_LINK]: 'symbolic link',
  0xc: 'socket',
};

const { u8, u16, u32, u64, enum8, flags16, x16, x32 } = fieldsIn('big');

const fileType = (view: ByteView): number => view.u16(2, 'big') >> 12;
const flags2 = (view: ByteView): bigint => view.u64(120, 'big');

/** A time of 64 bits: nanoseconds since 1901, or seconds since 1970 and nanoseconds. */
const time = (at: number, name: string): Field =>
  custom(at, 8, name, (view, place) => {
    const value = view.u64(place, 'big');
    const isBig = (flags2(view) & BIG_TIME) !== 0n;
    const seconds = isBig ? Number(value / NANOSECONDS) - BIG_TIME_BASE : Number(value >> 32n) | 0;
    return dated(
      unixTime(seconds),
      isBig ? `${value} ns` : `${seconds} s ${value & 0xffff_ffffn} ns`,
    );
  });

const flagNames = {
  0: 'realtime',
  1: 'prealloc',
  2: 'newrtbm',
  3: 'immutable',
  4: 'append',
  5: 'sync',
  6: 'noatime',
  7: 'nodump',
  8: 'rtinherit',
  9: 'projinherit',
  10: 'nosymlinks',
  11: 'extsize',
  12: 'extszinherit',
  13: 'nodefrag',
  14: 'filestream',
};

const layout: Layout = [
  x16(0, 'di_magic', '"IN"'),
  custom(2, 2, 'di_mode', (view, at) => ({
    value: `0o${view.u16(at, 'big').toString(8)}`,
    meaning: fileTypes[fileType(view)] ?? '',
  })),
  u8(4, 'di_version'),
  enum8(5, 'di_format', formats),
  u32(8, 'di_uid'),
  u32(12, 'di_gid'),
  u32(16, 'di_nlink'),
  u16(20, 'di_projid_lo'),
  u16(22, 'di_projid_hi'),
  u64(24, 'di_big_nextents', 'extents, with large counts'),
  time(32, 'di_atime'),
  time(40, 'di_mtime'),
  time(48, 'di_ctime'),
  u64(56, 'di_size', 'bytes'),
  u64(64, 'di_nblocks'),
  u32(72, 'di_extsize'),
  u32(76, 'di_nextents', 'extents; of attributes, with large counts'),
  u16(80, 'di_anextents', 'extents of attributes'),
  u8(82, 'di_forkoff', (value) => (value === 0 ? 'no attributes' : 'where they are, in 8 bytes')),
  enum8(83, 'di_aformat', formats),
  x32(84, 'di_dmevmask'),
  x16(88, 'di_dmstate'),
  flags16(90, 'di_flags', flagNames),
  u32(92, 'di_gen'),
  none32(96, 'di_next_unlinked', 'inode of the group'),
  u64(104, 'di_changecount'),
  u64(112, 'di_lsn', 'log sequence number'),
  custom(120, 8, 'di_flags2', (view) => ({
    value: `0x${flags2(view).toString(16)}`,
    meaning: ['dax', 'reflink', 'cowextsize', 'bigtime', 'nrext64', 'metadata']
      .filter((_, bit) => ((flags2(view) >> BigInt(bit)) & 1n) === 1n)
      .join(' '),
  })),
  u32(128, 'di_cowextsize'),
  time(144, 'di_crtime'),
  u64(152, 'di_ino', 'its own number'),
  uuid(160, 'di_uuid'),
];

const extentCount = (view: ByteView): number =>
  (flags2(view) & BIG_COUNTS) !== 0n ? view.wide(24, 'big') : view.u32(76, 'big');

/** What the data fork, `fork`, says. */
function forkContent(view: ByteView, fork: ByteView): readonly StructureNode[] {
  const format = view.u8(5);
  const kind = fileType(view);
  if (format === EXTENTS) return extentNodes(fork, extentCount(view));
  if (format === TREE) return readFields(fork, [u16(0, 'bb_level'), u16(2, 'bb_numrecs')]);
  if (format !== LOCAL) return [];
  if (kind === DIRECTORY) return shortFormNodes(fork);
  const size = Math.min(fork.length, view.wide(56, 'big'));
  return readFields(fork, [
    kind === SYMBOLIC_LINK ? text(0, size, 'target') : raw(0, size, 'content'),
  ]);
}

function forks(view: ByteView): readonly StructureNode[] {
  const away = view.u8(82) * 8;
  const room = Math.max(0, view.length - FORKS_AT);
  const split = away > 0 && away < room ? away : room;
  const data = view.part(FORKS_AT, split);
  const attributes = view.part(FORKS_AT + split);
  return [
    {
      name: 'data fork',
      offset: data.start,
      length: data.length,
      value: '',
      meaning: formats[view.u8(5)] ?? '',
      children: () => forkContent(view, data),
    },
    ...(attributes.length === 0
      ? []
      : readFields(attributes, [raw(0, attributes.length, 'attribute fork')])),
  ];
}

export const inodeBlock: XfsBlock = {
  name: 'XFS inode',
  magic: '"IN"',
  lengths: inodeLengths,
  checksumAt: 100,
  // Two letters are little: the rest must be as every kernel writes it.
  isLikely: (view) =>
    view.u8(4) === 3 &&
    view.u8(5) <= 5 &&
    view.u8(83) <= 3 &&
    view.isZero(132, 12) &&
    !view.isZero(152, 8) &&
    !view.isZero(160, 16),
  value: (view) => String(view.u64(152, 'big')),
  meaning: (view) => {
    if (view.u16(2, 'big') === 0) return 'free';
    const size = view.u64(56, 'big');
    return `${fileTypes[fileType(view)] ?? 'no known type'}, ${size} bytes`;
  },
  children: (view, crc) => [...readFields(view, withField(layout, crc)), ...forks(view)],
};
