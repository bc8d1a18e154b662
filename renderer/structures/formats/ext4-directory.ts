/** Directory blocks of ext2, ext3 and ext4: no magic, but a chain that must fit the block. */
import type { ByteView } from '../byte-view';
import { fieldsIn, readFields, text, type Layout } from '../fields';
import type { Place } from '../recogniser';
import { listNodes, type Structure, type StructureNode } from '../structure';
import { fileTypes } from './file-types';

const SMALLEST_ENTRY = 12;
const TAIL_TYPE = 0xde;

const { u8, u16, u32, x32, enum8 } = fieldsIn('little');

const tailLayout: Layout = [
  u32(0, 'det_reserved_zero1'),
  u16(4, 'det_rec_len'),
  u8(6, 'det_reserved_zero2'),
  enum8(7, 'det_reserved_ft', { [TAIL_TYPE]: 'a checksum, no entry' }),
  x32(8, 'det_checksum', 'CRC-32C; depends on the inode, not checked'),
];

const isTail = (entry: ByteView): boolean =>
  entry.u32(0) === 0 && entry.u16(4) === 12 && entry.u8(6) === 0 && entry.u8(7) === TAIL_TYPE;

function entryNode(entry: ByteView): StructureNode {
  const place = { offset: entry.start, length: entry.length };
  if (isTail(entry)) {
    const children = () => readFields(entry, tailLayout);
    return { name: 'tail', ...place, value: '', meaning: 'checksum of the block', children };
  }
  const inode = entry.u32(0);
  const nameLength = entry.u8(6);
  const layout: Layout = [
    u32(0, 'inode'),
    u16(4, 'rec_len', 'bytes to the next entry'),
    u8(6, 'name_len'),
    enum8(7, 'file_type', fileTypes),
    text(8, nameLength, 'name'),
  ];
  return {
    name: inode === 0 ? 'free' : JSON.stringify(entry.text(8, nameLength)),
    ...place,
    value: inode === 0 ? '' : String(inode),
    meaning: inode === 0 ? 'no entry' : (fileTypes[entry.u8(7)] ?? ''),
    children: () => readFields(entry, layout),
  };
}

/** The entries of a block, or null if they do not end just where the block does. */
function entriesOf(block: ByteView): readonly ByteView[] | null {
  const entries: ByteView[] = [];
  for (let at = 0; at < block.length;) {
    const length = block.u16(at + 4);
    const nameLength = block.u8(at + 6);
    const isPossible = length >= SMALLEST_ENTRY && length % 4 === 0 && at + length <= block.length;
    if (!isPossible || nameLength + 8 > length) return null;
    const entry = block.part(at, length);
    if (entry.u32(0) !== 0) {
      const name = entry.slice(8, nameLength);
      if (nameLength === 0 || name.includes(0) || name.includes(0x2f)) return null;
      if (entry.u8(7) > 7) return null;
    } else if (entry.u8(7) > 7 && !isTail(entry)) return null;
    entries.push(entry);
    at += length;
  }
  return entries;
}

/** A directory block of `blockSize` bytes; a recogniser of its form, since it has no magic. */
export function recogniseDirectory({ view }: Place, blockSize: number): Structure | null {
  if (view.length < blockSize) return null;
  const block = view.part(0, blockSize);
  const entries = entriesOf(block);
  if (!entries) return null;
  const used = entries.filter((entry) => entry.u32(0) !== 0);
  const isFirst = block.isAscii(8, '.\0') && block.u8(6) === 1;
  const last = entries.at(-1);
  const hasTail = last !== undefined && isTail(last);
  // A single free entry as long as the block is too little to go by.
  if (used.length === 0 && !hasTail) return null;
  const span = (from: number, to: number) => {
    const start = entries[from]?.start ?? block.start;
    const end = entries[to]?.start ?? block.start + block.length;
    return { offset: start, length: end - start };
  };
  return {
    name: 'ext4 directory block',
    offset: block.start,
    length: blockSize,
    value: `${used.length} ${used.length === 1 ? 'entry' : 'entries'}`,
    meaning: isFirst ? `the first block of inode ${block.u32(0)}` : '',
    confidence: 'shape',
    evidence: `${entries.length} records end just where the block does${hasTail ? ', and it has a tail' : ''}`,
    children: () =>
      listNodes(
        entries.length,
        (index) => entryNode(entries[index] ?? block.part(0, 0)),
        span,
        (from, to) => `records ${from} to ${to}`,
      ),
  };
}
