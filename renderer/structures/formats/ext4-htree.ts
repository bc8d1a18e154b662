/**
 * The hash tree of a large directory of ext3 and ext4; names as in fs/ext4/namei.c.
 * It has no magic: for those who do not know it, it is one entry as long as the
 * block. Its counters, which must fit the block, and its hashes, which must
 * ascend, give it away.
 */
import type { ByteView } from '../byte-view';
import { fieldsIn, hexNumber, readFields, text, type Layout } from '../fields';
import type { Place } from '../recogniser';
import { listNodes, type Structure, type StructureNode } from '../structure';
import { hashVersions } from './ext4-superblock';

const ENTRY_BYTES = 8;
const TAIL_BYTES = 8;
const ROOT_ENTRIES_AT = 32;
const NODE_ENTRIES_AT = 8;
const INFO_BYTES = 8;
/** Three with large_dir, two without. */
const MOST_LEVELS = 3;
/** Of a block's number; the others are reserved. */
const BLOCK_MASK = 0x0fffffff;

const { u8, u16, u32, x32, enum8 } = fieldsIn('little');

const rootLayout: Layout = [
  u32(0, 'dot.inode', 'this directory'),
  u16(4, 'dot.rec_len'),
  u8(6, 'dot.name_len'),
  u8(7, 'dot.file_type'),
  text(8, 4, 'dot_name'),
  u32(12, 'dotdot.inode', 'the directory above'),
  u16(16, 'dotdot.rec_len', 'to the end of the block, for those who know no tree'),
  u8(18, 'dotdot.name_len'),
  u8(19, 'dotdot.file_type'),
  text(20, 4, 'dotdot_name'),
  u32(24, 'info.reserved_zero'),
  enum8(28, 'info.hash_version', hashVersions),
  u8(29, 'info.info_length', 'bytes'),
  u8(30, 'info.indirect_levels', 'levels between this one and the entries'),
  u8(31, 'info.unused_flags'),
];
const nodeLayout: Layout = [
  u32(0, 'fake.inode', 'no entry'),
  u16(4, 'fake.rec_len', 'the whole block, for those who know no tree'),
  u8(6, 'fake.name_len'),
  u8(7, 'fake.file_type'),
];
const countLayout = (at: number): Layout => [
  u16(at, 'limit', 'places for entries'),
  u16(at + 2, 'count', 'of them in use'),
  u32(at + 4, 'entries[0].block', 'block of the directory for all hashes below the next'),
];
const tailLayout = (at: number): Layout => [
  u32(at, 'dt_reserved'),
  x32(at + 4, 'dt_checksum', 'CRC-32C; depends on the inode, not checked'),
];

const isRoot = (block: ByteView): boolean =>
  block.u16(4) === 12 &&
  block.u8(6) === 1 &&
  block.isAscii(8, '.\0') &&
  block.u16(16) === block.length - 12 &&
  block.u8(18) === 2 &&
  block.isAscii(20, '..\0') &&
  block.u32(24) === 0 &&
  block.u8(28) in hashVersions &&
  block.u8(29) === INFO_BYTES &&
  block.u8(30) <= MOST_LEVELS;

/** 64 KiB are more than 16 bits can tell. */
const isNode = (block: ByteView): boolean =>
  block.u32(0) === 0 && block.u16(4) === Math.min(block.length, 0xffff) && block.u16(6) === 0;

/** Whether the entries from `at` on fit the block and ascend; `hasTail` where a checksum follows them. */
function tableAt(block: ByteView, at: number): { count: number; hasTail: boolean } | null {
  const limit = block.u16(at);
  const count = block.u16(at + 2);
  const room = block.length - at;
  const hasTail = limit === (room - TAIL_BYTES) / ENTRY_BYTES;
  if ((!hasTail && limit !== room / ENTRY_BYTES) || count === 0 || count > limit) return null;
  let before = 0;
  for (let index = 1; index < count; index++) {
    const hash = block.u32(at + index * ENTRY_BYTES);
    const target = block.u32(at + index * ENTRY_BYTES + 4) & BLOCK_MASK;
    if (hash < before || target === 0) return null;
    before = hash;
  }
  return { count, hasTail };
}

function entryNode(block: ByteView, at: number, index: number): StructureNode {
  const entry = block.part(at + index * ENTRY_BYTES, ENTRY_BYTES);
  const hash = entry.u32(0);
  return {
    name: `entries[${index}]`,
    offset: entry.start,
    length: entry.length,
    value: `block ${entry.u32(4) & BLOCK_MASK}`,
    meaning: `hashes from ${hexNumber((hash & ~1) >>> 0, 8)}${hash & 1 ? ', begun in the block before' : ''}`,
    children: () => readFields(entry, [x32(0, 'hash'), u32(4, 'block')]),
  };
}

/** A block of `blockSize` bytes of a directory's hash tree, above the entries. */
export function recogniseHashTree({ view }: Place, blockSize: number): Structure | null {
  if (view.length < blockSize) return null;
  const block = view.part(0, blockSize);
  const isTop = isRoot(block);
  if (!isTop && !isNode(block)) return null;
  const at = isTop ? ROOT_ENTRIES_AT : NODE_ENTRIES_AT;
  const table = tableAt(block, at);
  if (!table) return null;
  const { count, hasTail } = table;
  const hash = hashVersions[block.u8(28)] ?? '';
  return {
    name: isTop ? 'ext4 hash tree root' : 'ext4 hash tree node',
    offset: block.start,
    length: block.length,
    value: `${count} ${count === 1 ? 'entry' : 'entries'}`,
    meaning: isTop ? `of the directory of inode ${block.u32(0)}, ${hash}` : '',
    confidence: 'shape',
    evidence: `as many places as fit the block${hasTail ? ' and its checksum' : ''}, ascending hashes`,
    children: () => [
      ...readFields(block, isTop ? rootLayout : nodeLayout),
      ...readFields(block, countLayout(at)),
      ...listNodes(
        count - 1,
        (index) => entryNode(block, at, index + 1),
        (from, to) => ({
          offset: block.start + at + (from + 1) * ENTRY_BYTES,
          length: (to - from) * ENTRY_BYTES,
        }),
        (from, to) => `entries ${from + 1} to ${to + 1}`,
      ),
      ...(hasTail ? readFields(block, tailLayout(block.length - TAIL_BYTES)) : []),
    ],
  };
}
