/** Blocks of the journal of ext3 and ext4; names as in include/linux/jbd2.h. Big-endian. */
import { ByteView } from '../byte-view';
import { crc32cRegister, without } from '../checksums';
import {
  checksum,
  custom,
  dated,
  fieldsIn,
  raw,
  readFields,
  unixTime,
  uuid,
  type Layout,
} from '../fields';
import type { Place } from '../recogniser';
import { listNodes, type Confidence, type Structure, type StructureNode } from '../structure';

export const JOURNAL_MAGIC = 0xc03b3998;
const HEADER_BYTES = 12;
const SUPERBLOCK_BYTES = 1024;

const DESCRIPTOR = 1;
const COMMIT = 2;
const SUPERBLOCK_OLD = 3;
const SUPERBLOCK = 4;
const REVOKE = 5;
const blockTypes = {
  [DESCRIPTOR]: 'descriptor block',
  [COMMIT]: 'commit block',
  [SUPERBLOCK_OLD]: 'superblock, version 1',
  [SUPERBLOCK]: 'superblock, version 2',
  [REVOKE]: 'revoke block',
};

const FLAG_ESCAPED = 1;
const FLAG_SAME_UUID = 2;
const FLAG_LAST = 8;
const tagFlags = { 0: 'escape', 1: 'same_uuid', 2: 'deleted', 3: 'last_tag' };

/** What the journal's superblock says of the form of its other blocks. */
export interface JournalForm {
  readonly blockSize: number;
  readonly is64: boolean;
  readonly checksums: 'none' | 'v2' | 'v3';
  /** CRC-32C register that checksums begin with; null where it is not known. */
  readonly seed: number | null;
}

const { u8, x16, u32, x32, enum8, enum32, flags16, flags32 } = fieldsIn('big');

const header: Layout = [
  x32(0, 'h_magic', 'JBD2'),
  enum32(4, 'h_blocktype', blockTypes),
  u32(8, 'h_sequence', 'transaction'),
];

const hasChecksums = (view: ByteView): boolean => (view.u32(0x28, 'big') & 0x18) !== 0;

function superblockChecksum(view: ByteView): number | null {
  if (!hasChecksums(view) || view.length < SUPERBLOCK_BYTES) return null;
  return crc32cRegister(0xffffffff, without(view.slice(0, SUPERBLOCK_BYTES), 0xfc, 4));
}

const superblockLayout: Layout = [
  ...header,
  u32(0x0c, 's_blocksize', 'bytes'),
  u32(0x10, 's_maxlen', 'blocks of the journal'),
  u32(0x14, 's_first', 'first block of the log'),
  u32(0x18, 's_sequence', 'first transaction expected in it'),
  u32(0x1c, 's_start', (value) =>
    value === 0 ? 'clean: nothing to replay' : 'where the log begins',
  ),
  u32(0x20, 's_errno'),
  flags32(0x24, 's_feature_compat', { 0: 'checksum' }),
  flags32(0x28, 's_feature_incompat', {
    0: 'revoke',
    1: '64bit',
    2: 'async_commit',
    3: 'csum_v2',
    4: 'csum_v3',
    5: 'fast_commit',
  }),
  flags32(0x2c, 's_feature_ro_compat', {}),
  uuid(0x30, 's_uuid'),
  u32(0x40, 's_nr_users'),
  u32(0x44, 's_dynsuper'),
  u32(0x48, 's_max_transaction'),
  u32(0x4c, 's_max_trans_data'),
  enum8(0x50, 's_checksum_type', { 0: 'none', 1: 'CRC-32', 2: 'MD5', 3: 'SHA-1', 4: 'CRC-32C' }),
  u32(0x54, 's_num_fc_blks', 'blocks for fast commits'),
  u32(0x58, 's_head'),
  checksum(0xfc, 4, 's_checksum', 'big', superblockChecksum),
  uuid(0x100, 's_users[0]'),
];

/** Null if `view` holds no superblock of a journal. */
export function journalForm(view: ByteView): JournalForm | null {
  const type = view.u32(4, 'big');
  if (view.u32(0, 'big') !== JOURNAL_MAGIC || (type !== SUPERBLOCK && type !== SUPERBLOCK_OLD)) {
    return null;
  }
  const blockSize = view.u32(0x0c, 'big');
  if (blockSize < 1024 || blockSize > 65536 || Math.log2(blockSize) % 1 !== 0) return null;
  const features = type === SUPERBLOCK ? view.u32(0x28, 'big') : 0;
  const checksums = (features & 0x10) !== 0 ? 'v3' : (features & 0x8) !== 0 ? 'v2' : 'none';
  return {
    blockSize,
    is64: (features & 0x2) !== 0,
    checksums,
    seed: checksums === 'none' ? null : crc32cRegister(0xffffffff, view.slice(0x30, 16)),
  };
}

function tagBytes({ checksums, is64 }: JournalForm): number {
  if (checksums === 'v3') return 16;
  return 8 + (checksums === 'v2' ? 2 : 0) + (is64 ? 4 : 0);
}

interface Tag {
  readonly view: ByteView;
  readonly block: number;
  readonly flags: number;
}

/** Where the tags of a descriptor block end: before its checksum, if it has one. */
const tagsEnd = (block: ByteView, form: JournalForm): number =>
  block.length - (form.checksums === 'none' ? 0 : 4);

/** The tags of a descriptor block, or null if they are not in `form`. */
function tagsOf(block: ByteView, form: JournalForm): readonly Tag[] | null {
  const tags: Tag[] = [];
  const size = tagBytes(form);
  for (let at = HEADER_BYTES; at + size <= tagsEnd(block, form);) {
    const flags = form.checksums === 'v3' ? block.u32(at + 4, 'big') : block.u16(at + 6, 'big');
    if ((flags & ~0xf) !== 0) return null;
    const withUuid = size + ((flags & FLAG_SAME_UUID) !== 0 ? 0 : 16);
    const high = form.is64 ? block.u32(at + 8, 'big') * 2 ** 32 : 0;
    tags.push({ view: block.part(at, withUuid), block: high + block.u32(at, 'big'), flags });
    if ((flags & FLAG_LAST) !== 0) return tags;
    at += withUuid;
  }
  return tags.length > 0 ? tags : null;
}

function tagLayout(form: JournalForm, length: number): Layout {
  const size = tagBytes(form);
  const fields: Layout =
    form.checksums === 'v3'
      ? [
          u32(0, 't_blocknr', 'the block’s home'),
          flags32(4, 't_flags', tagFlags),
          u32(8, 't_blocknr_high'),
          x32(12, 't_checksum'),
        ]
      : [
          u32(0, 't_blocknr', 'the block’s home'),
          x16(4, 't_checksum'),
          flags16(6, 't_flags', tagFlags),
          ...(form.is64 ? [u32(8, 't_blocknr_high')] : []),
        ];
  return length > size ? [...fields, uuid(size, 'uuid')] : fields;
}

const guesses: readonly Omit<JournalForm, 'blockSize'>[] = [
  { is64: true, checksums: 'v3', seed: null },
  { is64: false, checksums: 'v3', seed: null },
  { is64: true, checksums: 'none', seed: null },
  { is64: false, checksums: 'none', seed: null },
  { is64: true, checksums: 'v2', seed: null },
  { is64: false, checksums: 'v2', seed: null },
];

function descriptorForm(block: ByteView, known: JournalForm | null) {
  const forms = known ? [known] : guesses.map((guess) => ({ ...guess, blockSize: block.length }));
  for (const form of forms) {
    const tags = tagsOf(block, form);
    // A guess must be borne out by an end of the tags.
    if (tags && (known || tags.some(({ flags }) => (flags & FLAG_LAST) !== 0))) {
      return { form, tags };
    }
  }
  return null;
}

/** The checksum in the last four bytes of a descriptor or revoke block. */
function tailField(block: ByteView, form: JournalForm | null): Layout {
  if (!form || form.checksums === 'none') return [];
  const at = block.length - 4;
  return [checksum(at, 4, 't_checksum (tail)', 'big', (view) => tailChecksum(view, form))];
}

function tailChecksum(block: ByteView, form: JournalForm): number | null {
  if (form.seed === null || block.length < form.blockSize) return null;
  return crc32cRegister(form.seed, without(block.slice(), block.length - 4, 4));
}

function commitChecksum(block: ByteView, form: JournalForm | null): number | null {
  const seed = form?.seed ?? null;
  if (form === null || seed === null || block.length < form.blockSize) return null;
  return crc32cRegister(seed, without(block.slice(), 0x10, 4));
}

interface Kind {
  readonly children: () => readonly StructureNode[];
  readonly value: string;
  readonly meaning: string;
  readonly expected: number | null;
  readonly stored: number;
  readonly length?: number;
}

function descriptor(block: ByteView, known: JournalForm | null): Kind {
  const read = descriptorForm(block, known);
  const tags = read?.tags ?? [];
  const form = read?.form ?? known;
  const span = (first: number, end: number) => {
    const start = tags[first]?.view.start ?? block.start;
    const last = tags[end - 1]?.view;
    return { offset: start, length: last ? last.start + last.length - start : 0 };
  };
  return {
    value: `${tags.length} ${tags.length === 1 ? 'block follows' : 'blocks follow'}`,
    meaning: '',
    expected: form ? tailChecksum(block, form) : null,
    stored: block.u32(block.length - 4, 'big'),
    children: () => [
      ...readFields(block, header),
      ...listNodes(
        tags.length,
        (index) => {
          const tag = tags[index];
          const view = tag?.view ?? block.part(0, 0);
          return {
            name: `tag ${index}`,
            ...span(index, index + 1),
            value: `block ${tag?.block ?? 0}`,
            meaning: `in the journal ${index + 1} further on`,
            children: () => (form ? readFields(view, tagLayout(form, view.length)) : []),
          };
        },
        span,
        (first, last) => `tags ${first} to ${last}`,
      ),
      ...readFields(block, tailField(block, form)),
    ],
  };
}

function commit(block: ByteView, known: JournalForm | null): Kind {
  const layout: Layout = [
    ...header,
    enum8(0x0c, 'h_chksum_type', { 0: 'none', 1: 'CRC-32', 4: 'CRC-32C' }),
    u8(0x0d, 'h_chksum_size'),
    checksum(0x10, 4, 'h_chksum[0]', 'big', (view) => commitChecksum(view, known)),
    raw(0x14, 28, 'h_chksum[1..7]'),
    custom(0x30, 8, 'h_commit_sec', (view, at) => {
      const seconds = view.u64(at, 'big');
      return dated(unixTime(Number(seconds)), `${seconds} s`);
    }),
    u32(0x38, 'h_commit_nsec'),
  ];
  return {
    value: '',
    meaning: unixTime(block.wide(0x30, 'big')),
    expected: commitChecksum(block, known),
    stored: block.u32(0x10, 'big'),
    children: () => readFields(block, layout),
  };
}

function revoke(block: ByteView, known: JournalForm | null): Kind {
  const size = known?.is64 === false ? 4 : 8;
  const used = Math.max(16, Math.min(block.u32(0x0c, 'big'), block.length));
  const count = Math.floor((used - 16) / size);
  const span = (first: number, end: number) => ({
    offset: block.start + 16 + first * size,
    length: (end - first) * size,
  });
  const number = (view: ByteView, at: number) =>
    size === 8 ? view.u64(at, 'big') : view.u32(at, 'big');
  return {
    value: `${count} ${count === 1 ? 'block' : 'blocks'}`,
    meaning: 'not to be replayed from earlier transactions',
    expected: known && known.checksums !== 'none' ? tailChecksum(block, known) : null,
    stored: block.u32(block.length - 4, 'big'),
    children: () => [
      ...readFields(block, [...header, u32(0x0c, 'r_count', 'bytes used')]),
      ...listNodes(
        count,
        (index) => ({
          name: `block ${index}`,
          ...span(index, index + 1),
          value: String(number(block, 16 + index * size)),
          meaning: '',
        }),
        span,
        (first, last) => `blocks ${first} to ${last}`,
      ),
      ...readFields(block, tailField(block, known)),
    ],
  };
}

function superblock(block: ByteView): Kind {
  const form = journalForm(block);
  return {
    value: form ? `blocks of ${form.blockSize} bytes` : '',
    meaning: block.u32(0x1c, 'big') === 0 ? 'clean' : 'to be replayed',
    expected: superblockChecksum(block),
    stored: block.u32(0xfc, 'big'),
    length: Math.min(SUPERBLOCK_BYTES, block.length),
    children: () => readFields(block, superblockLayout),
  };
}

const LARGEST_BLOCK = 4096;

/** A block of a journal. `known`: its form, if its superblock was seen. */
export function recogniseJournalBlock(
  { view }: Place,
  known: JournalForm | null,
): Structure | null {
  if (view.u32(0, 'big') !== JOURNAL_MAGIC) return null;
  const type = view.u32(4, 'big');
  const block = view.part(0, known?.blockSize ?? LARGEST_BLOCK);
  const kind =
    type === DESCRIPTOR
      ? descriptor(block, known)
      : type === COMMIT
        ? commit(block, known)
        : type === REVOKE
          ? revoke(block, known)
          : type === SUPERBLOCK || type === SUPERBLOCK_OLD
            ? superblock(block)
            : null;
  if (!kind) return null;
  const { expected, stored } = kind;
  const isRight = expected === stored;
  const confidence: Confidence = expected === null ? 'magic' : isRight ? 'checked' : 'damaged';
  const isSuperblock = type === SUPERBLOCK || type === SUPERBLOCK_OLD;
  const sequence = `transaction ${block.u32(8, 'big')}`;
  return {
    name: `JBD2 ${blockTypes[type as keyof typeof blockTypes]}`,
    offset: block.start,
    length: kind.length ?? block.length,
    value: isSuperblock ? kind.value : [sequence, kind.value].filter((part) => part).join(', '),
    meaning: kind.meaning,
    confidence,
    evidence:
      expected === null
        ? 'magic 0xc03b3998; the checksum was not checked'
        : `magic 0xc03b3998, CRC-32C ${isRight ? 'right' : 'wrong'}`,
    children: kind.children,
  };
}

const BLOCKS_LOOKED_BACK = 256;

/**
 * The home of the block at `view`, in blocks of the file system, if a
 * descriptor block before it in the same payload names it; null otherwise.
 */
export function homeOfCopy(
  view: ByteView,
  form: JournalForm,
): { block: number; isEscaped: boolean } | null {
  for (let back = 1; back <= BLOCKS_LOOKED_BACK; back++) {
    const at = view.start - back * form.blockSize;
    if (at < 0) return null;
    const block = new ByteView(view.bytes, at, form.blockSize);
    if (block.u32(0, 'big') !== JOURNAL_MAGIC) continue;
    if (block.u32(4, 'big') !== DESCRIPTOR) return null;
    const tag = tagsOf(block, form)?.[back - 1];
    return tag ? { block: tag.block, isEscaped: (tag.flags & FLAG_ESCAPED) !== 0 } : null;
  }
  return null;
}
