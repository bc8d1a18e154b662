/**
 * What the metadata blocks of XFS (version 5) have in common: a magic, and a
 * checksum over all of a block. How long a block is the superblock says, which
 * may be in another request: of the lengths there can be, the one for which the
 * checksum is right is taken.
 */
import type { ByteView } from '../byte-view';
import { crc32cRegister, without } from '../checksums';
import { checksum, fieldsIn, type Field, type Layout } from '../fields';
import type { Structure, StructureNode } from '../structure';

const { x32 } = fieldsIn('little');

/** Bytes of a block of one kind, both powers of two. */
interface Lengths {
  readonly least: number;
  readonly most: number;
  /** Where the checksum does not tell. */
  readonly usual: number;
}
export const sectorLengths: Lengths = { least: 512, most: 32768, usual: 512 };
export const inodeLengths: Lengths = { least: 512, most: 2048, usual: 512 };
export const blockLengths: Lengths = { least: 512, most: 65536, usual: 4096 };

export interface XfsBlock {
  readonly name: string;
  readonly magic: string;
  readonly lengths: Lengths;
  readonly checksumAt: number;
  /** Without the right checksum it counts only if this is so as well. */
  readonly isLikely: (view: ByteView) => boolean;
  readonly value: (block: ByteView) => string;
  readonly meaning: (block: ByteView) => string;
  /** `checked` is the field of the checksum. */
  readonly children: (block: ByteView, checked: Field) => readonly StructureNode[];
}

/** The length for which the checksum is right; null for none that the bytes reach. One pass over them. */
function lengthByChecksum(view: ByteView, at: number, { least, most }: Lengths): number | null {
  let register = 0xffffffff;
  for (let done = 0, length = least; length <= most && view.has(0, length); length *= 2) {
    const more = view.slice(done, length - done);
    register = crc32cRegister(register, done === 0 ? without(more, at, 4) : more);
    if (~register >>> 0 === view.u32(at)) return length;
    done = length;
  }
  return null;
}

/** CRC-32C of all of `block` but the checksum itself. */
const expectedIn = (block: ByteView, at: number): number =>
  ~crc32cRegister(0xffffffff, without(block.slice(), at, 4)) >>> 0;

/** Null if `view`, which begins with the magic of `kind`, does not hold to the rest. */
export function xfsBlock(view: ByteView, kind: XfsBlock): Structure | null {
  const { name, magic, lengths, checksumAt: at } = kind;
  const length = lengthByChecksum(view, at, lengths);
  if (length === null && !kind.isLikely(view)) return null;
  const block = view.part(0, length ?? lengths.usual);
  const isWhole = block.length === (length ?? lengths.usual);
  const checked = isWhole
    ? checksum(at, 4, 'crc', 'little', (whole) => expectedIn(whole, at))
    : x32(at, 'crc', 'not checked: the block goes on in another request');
  const told = length === null ? (isWhole ? 'wrong' : 'not checked') : 'right';
  return {
    name,
    offset: block.start,
    length: block.length,
    value: kind.value(block),
    meaning: kind.meaning(block),
    confidence: length !== null ? 'checked' : isWhole ? 'damaged' : 'magic',
    evidence: `magic ${magic}, CRC-32C ${told}`,
    children: () => kind.children(block, checked),
  };
}

/** `layout` with `field` in its place. */
export const withField = (layout: Layout, field: Field): Layout =>
  [...layout, field].sort((left, right) => left.at - right.at);

const big = fieldsIn('big');

/** A block or inode that there need not be. */
export const none32 = (at: number, name: string, about = ''): Field =>
  big.u32(at, name, (value) => (value === 0xffffffff ? 'none' : about));
export const none64 = (at: number, name: string, about = ''): Field =>
  big.u64(at, name, (value) => (value === 0xffffffffffffffffn ? 'none' : about));
