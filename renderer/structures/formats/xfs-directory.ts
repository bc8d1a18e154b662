/** Directories of XFS, version 5; names as in fs/xfs/libxfs/xfs_da_format.h. Big-endian. */
import { ByteView } from '../byte-view';
import { fieldsIn, readFields, text, uuid, type Field, type Layout } from '../fields';
import { listNodes, type StructureNode } from '../structure';
import { fileTypes as commonFileTypes } from './file-types';
import { blockLengths, withField, type XfsBlock } from './xfs-blocks';

const HEADER_BYTES = 64;
const UNUSED = 0xffff;
const SMALLEST_ENTRY = 16;
const LEAF_ENTRY_BYTES = 8;
const TAIL_BYTES = 8;
/** Entries of a block that are shown: more than 64 KiB of the smallest. */
const MOST_ENTRIES = 4096;

const { u8, u16, u32, u64, x16, x32, enum8 } = fieldsIn('big');

const fileTypes: Readonly<Record<number, string>> = { ...commonFileTypes, 8: 'whiteout' };

const blockHeader: Layout = [
  x32(0, 'magic', (_, view) => JSON.stringify(view.text(0, 4))),
  u64(8, 'blkno', 'sector of the volume where it belongs'),
  u64(16, 'lsn', 'log sequence number'),
  uuid(24, 'uuid'),
  u64(40, 'owner', 'inode of the directory'),
];
const dataHeader: Layout = [
  ...blockHeader,
  ...[0, 1, 2].flatMap((index) => [
    u16(48 + 4 * index, `best_free[${index}].offset`),
    u16(50 + 4 * index, `best_free[${index}].length`),
  ]),
];
const freeHeader: Layout = [
  ...blockHeader,
  u32(48, 'firstdb', 'first data block that it tells of'),
  u32(52, 'nvalid', 'data blocks that it tells of'),
  u32(56, 'nused', 'of them in use'),
];
const leafHeader: Layout = [
  none0(0, 'forw'),
  none0(4, 'back'),
  x16(8, 'magic'),
  u64(16, 'blkno', 'sector of the volume where it belongs'),
  u64(24, 'lsn', 'log sequence number'),
  uuid(32, 'uuid'),
  u64(48, 'owner', 'inode'),
];

/** A block of the same file; 0 for none. */
function none0(at: number, name: string): Field {
  return u32(at, name, (value) => (value === 0 ? 'none' : 'block of the file'));
}

const unusedLayout = (length: number): Layout => [
  x16(0, 'freetag'),
  u16(2, 'length', 'bytes'),
  u16(length - 2, 'tag', 'its own place in the block'),
];

/** A name, a type behind it, and the entry's own place at its end. */
const entryLayout = (nameLength: number, length: number): Layout => [
  u64(0, 'inumber'),
  u8(8, 'namelen'),
  text(9, nameLength, 'name'),
  enum8(9 + nameLength, 'filetype', fileTypes),
  u16(length - 2, 'tag', 'its own place in the block'),
];

function entryNode(entry: ByteView): StructureNode {
  const place = { offset: entry.start, length: entry.length };
  if (entry.u16(0, 'big') === UNUSED) {
    const children = () => readFields(entry, unusedLayout(entry.length));
    return { name: 'free', ...place, value: '', meaning: `${entry.length} bytes`, children };
  }
  const length = entry.u8(8);
  return {
    name: JSON.stringify(entry.text(9, length)),
    ...place,
    value: String(entry.u64(0, 'big')),
    meaning: fileTypes[entry.u8(9 + length)] ?? '',
    children: () => readFields(entry, entryLayout(length, entry.length)),
  };
}

/** The entries of `view` from its header to `end`, up to the first that cannot be one. */
function entriesOf(view: ByteView, end: number): readonly ByteView[] {
  const entries: ByteView[] = [];
  for (let at = HEADER_BYTES; at + SMALLEST_ENTRY <= end && entries.length < MOST_ENTRIES;) {
    const isUnused = view.u16(at, 'big') === UNUSED;
    const length = isUnused ? view.u16(at + 2, 'big') : Math.ceil((view.u8(at + 8) + 12) / 8) * 8;
    // Each says at its end where it begins.
    const isEntry =
      length >= 8 &&
      length % 8 === 0 &&
      at + length <= end &&
      view.u16(at + length - 2, 'big') === at;
    if (!isEntry) break;
    entries.push(view.part(at, length));
    at += length;
  }
  return entries;
}

const nothing = new ByteView(new Uint8Array(0));

function listed(
  entries: readonly ByteView[],
  make: (entry: ByteView) => StructureNode,
  label: string,
): readonly StructureNode[] {
  const place = (index: number) => entries[index]?.start ?? 0;
  const end = (index: number) => place(index) + (entries[index]?.length ?? 0);
  return listNodes(
    entries.length,
    (index) => make(entries[index] ?? nothing),
    (from, to) => ({ offset: place(from), length: end(to - 1) - place(from) }),
    (from, to) => `${label} ${from + 1} to ${to + 1}`,
  );
}

const used = (entries: readonly ByteView[]): number =>
  entries.filter((entry) => entry.u16(0, 'big') !== UNUSED).length;
const counted = (count: number): string => `${count} ${count === 1 ? 'entry' : 'entries'}`;
const ofInode = (view: ByteView): string => `directory of inode ${view.u64(40, 'big')}`;

/** Where the entries of a directory of one block end: a table of hashes follows, and how long it is. */
function entriesEnd(view: ByteView): number {
  const count = view.u32(view.length - TAIL_BYTES, 'big');
  return Math.max(HEADER_BYTES, view.length - TAIL_BYTES - count * LEAF_ENTRY_BYTES);
}

const hashEntry: Layout = [
  x32(0, 'hashval', 'of a name'),
  u32(4, 'address', 'of its entry, in 8 bytes'),
];

/** `count` pairs of a hash and an address from `at` on. */
function hashNodes(view: ByteView, at: number, count: number): readonly StructureNode[] {
  const fitting = Math.max(0, Math.floor((view.length - at) / LEAF_ENTRY_BYTES));
  const span = (from: number, to: number) => ({
    offset: view.start + at + from * LEAF_ENTRY_BYTES,
    length: (to - from) * LEAF_ENTRY_BYTES,
  });
  return listNodes(
    Math.min(count, fitting),
    (index) => {
      const entry = view.part(at + index * LEAF_ENTRY_BYTES, LEAF_ENTRY_BYTES);
      return {
        name: `hash ${index + 1}`,
        ...span(index, index + 1),
        value: `0x${entry.hex(0, 4)}`,
        meaning: `at ${entry.u32(4, 'big')}`,
        children: () => readFields(entry, hashEntry),
      };
    },
    span,
    (from, to) => `hashes ${from + 1} to ${to + 1}`,
  );
}

const hasOwner = (view: ByteView): boolean => !view.isZero(24, 16) && !view.isZero(40, 8);

/** By magic, at their beginning. */
export const directoryBlocks: Readonly<Record<string, XfsBlock>> = {
  XDB3: {
    name: 'XFS directory of one block',
    magic: '"XDB3"',
    lengths: blockLengths,
    checksumAt: 4,
    isLikely: hasOwner,
    value: (view) => counted(used(entriesOf(view, entriesEnd(view)))),
    meaning: ofInode,
    children: (view, crc) => {
      const end = entriesEnd(view);
      const tail = view.length - TAIL_BYTES;
      return [
        ...readFields(view, withField(dataHeader, crc)),
        ...listed(entriesOf(view, end), entryNode, 'entries'),
        ...hashNodes(view.part(0, Math.max(0, tail)), end, view.u32(tail, 'big')),
        ...readFields(view, [
          u32(tail, 'count', 'hashes'),
          u32(tail + 4, 'stale', 'of them unused'),
        ]),
      ];
    },
  },
  XDD3: {
    name: 'XFS directory data block',
    magic: '"XDD3"',
    lengths: blockLengths,
    checksumAt: 4,
    isLikely: hasOwner,
    value: (view) => counted(used(entriesOf(view, view.length))),
    meaning: ofInode,
    children: (view, crc) => [
      ...readFields(view, withField(dataHeader, crc)),
      ...listed(entriesOf(view, view.length), entryNode, 'entries'),
    ],
  },
  XDF3: {
    name: 'XFS directory free space block',
    magic: '"XDF3"',
    lengths: blockLengths,
    checksumAt: 4,
    isLikely: hasOwner,
    value: (view) => `${view.u32(52, 'big')} blocks`,
    meaning: ofInode,
    children: (view, crc) => readFields(view, withField(freeHeader, crc)),
  },
};

const leafKind = (name: string, magic: string, isNode: boolean): XfsBlock => ({
  name,
  magic,
  lengths: blockLengths,
  checksumAt: 12,
  // 16 bits of magic are nothing to go by alone.
  isLikely: () => false,
  value: (view) => counted(view.u16(56, 'big')),
  meaning: (view) => `inode ${view.u64(48, 'big')}`,
  children: (view, crc) => [
    ...readFields(
      view,
      withField(
        [
          ...leafHeader,
          u16(56, 'count', 'entries'),
          isNode ? u16(58, 'level', 'above the leaves') : u16(58, 'stale', 'of them unused'),
        ],
        crc,
      ),
    ),
    ...hashNodes(view, HEADER_BYTES, view.u16(56, 'big')),
  ],
});

/** By the magic at byte 8. */
export const leafBlocks: Readonly<Record<number, XfsBlock>> = {
  0x3df1: leafKind('XFS directory leaf', '0x3df1', false),
  0x3dff: leafKind('XFS directory leaf', '0x3dff', false),
  0x3ebe: leafKind('XFS directory or attribute node', '0x3ebe', true),
};

/** A directory that is in its inode. */
export function shortFormNodes(fork: ByteView): readonly StructureNode[] {
  const isWide = fork.u8(1) > 0;
  const inodeBytes = isWide ? 8 : 4;
  const inode = isWide ? u64 : u32;
  const entries: ByteView[] = [];
  const most = isWide ? fork.u8(1) : fork.u8(0);
  for (let at = 2 + inodeBytes; entries.length < most && fork.has(at, 4);) {
    const length = 4 + fork.u8(at) + inodeBytes;
    if (fork.u8(at) === 0 || !fork.has(at, length)) break;
    entries.push(fork.part(at, length));
    at += length;
  }
  const node = (entry: ByteView): StructureNode => {
    const name = entry.u8(0);
    const number = isWide ? entry.u64(4 + name, 'big') : entry.u32(4 + name, 'big');
    return {
      name: JSON.stringify(entry.text(3, name)),
      offset: entry.start,
      length: entry.length,
      value: String(number),
      meaning: fileTypes[entry.u8(3 + name)] ?? '',
      children: () =>
        readFields(entry, [
          u8(0, 'namelen'),
          u16(1, 'offset'),
          text(3, name, 'name'),
          enum8(3 + name, 'filetype', fileTypes),
          inode(4 + name, 'inumber'),
        ]),
    };
  };
  return [
    ...readFields(fork, [
      u8(0, 'count', 'entries'),
      u8(1, 'i8count', 'entries of 64 bits'),
      inode(2, 'parent', 'inode of the directory above'),
    ]),
    ...listed(entries, node, 'entries'),
  ];
}
