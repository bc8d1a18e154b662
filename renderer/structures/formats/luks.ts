/** LUKS1 and LUKS2 headers; names as in the on-disk format specifications. Big-endian. */
import type { ByteView } from '../byte-view';
import { digests, without } from '../checksums';
import { custom, fieldsIn, hexNumber, raw, readFields, text, type Layout } from '../fields';
import type { Place } from '../recogniser';
import type { Confidence, Structure, StructureNode } from '../structure';

const BINARY_BYTES = 4096;
const SLOT_ENABLED = 0x00ac71f3;
const CHECKSUM_AT = 448;
const LARGEST_HEADER = 4 << 20;
const LONGEST_SHOWN = 160;

const { u16, u32, u64 } = fieldsIn('big');

const slotLayout: Layout = [
  custom(0, 4, 'active', (view, at) => {
    const value = view.u32(at, 'big');
    return { value: hexNumber(value, 8), meaning: value === SLOT_ENABLED ? 'enabled' : 'disabled' };
  }),
  u32(4, 'iterations'),
  raw(8, 32, 'salt'),
  u32(40, 'key-material-offset', 'sector'),
  u32(44, 'stripes'),
];

const firstLayout: Layout = [
  raw(0, 6, 'magic'),
  u16(6, 'version'),
  text(8, 32, 'cipher-name'),
  text(40, 32, 'cipher-mode'),
  text(72, 32, 'hash-spec'),
  u32(104, 'payload-offset', 'sector where the encrypted data begin'),
  u32(108, 'key-bytes'),
  raw(112, 20, 'mk-digest'),
  raw(132, 32, 'mk-digest-salt'),
  u32(164, 'mk-digest-iter'),
  text(168, 40, 'uuid'),
  ...Array.from({ length: 8 }, (_, index) =>
    custom(208 + index * 48, 48, `key-slot-${index + 1}`, (view, at) => ({
      value: view.u32(at, 'big') === SLOT_ENABLED ? 'enabled' : 'disabled',
      children: () => readFields(view.part(at, 48), slotLayout),
    })),
  ),
];

const secondLayout = (checksumWord: Pick<StructureNode, 'meaning' | 'isWrong'>): Layout => [
  raw(0, 6, 'magic'),
  u16(6, 'version'),
  u64(8, 'hdr_size', 'bytes, with the JSON area'),
  u64(16, 'seqid', 'counts the updates'),
  text(24, 48, 'label'),
  text(72, 32, 'csum_alg'),
  raw(104, 64, 'salt'),
  text(168, 40, 'uuid'),
  text(208, 48, 'subsystem'),
  u64(256, 'hdr_offset', 'where this header lies, bytes'),
  custom(CHECKSUM_AT, 64, 'csum', (view, at) => ({
    value: `${view.hex(at, 16)}…`,
    ...checksumWord,
  })),
];

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

/** Whether the header with its JSON area has the digest it says; null if that cannot be told. */
function digestAgrees(header: ByteView): boolean | null {
  const digest = digests[header.text(72, 32)];
  const size = header.wide(8, 'big');
  if (!digest || size < BINARY_BYTES || size > LARGEST_HEADER || !header.has(0, size)) return null;
  const expected = digest(without(header.slice(0, size), CHECKSUM_AT, 64));
  return isSame(expected, header.slice(CHECKSUM_AT, expected.length));
}

function short(value: unknown): string {
  let words: string;
  try {
    words = typeof value === 'string' ? value : JSON.stringify(value);
  } catch {
    return 'nested too deeply'; // parsed without recursion, but not printed without
  }
  return words.length > LONGEST_SHOWN ? `${words.slice(0, LONGEST_SHOWN)}…` : words;
}

/** The JSON area: one node for each of its objects. Text that is no JSON is told as such. */
function jsonNodes(header: ByteView): readonly StructureNode[] {
  const area = header.part(BINARY_BYTES, header.wide(8, 'big') - BINARY_BYTES);
  if (area.length === 0) return [];
  const json = area.text(0, area.length);
  const place = { offset: area.start, length: area.length };
  let read: unknown;
  try {
    read = JSON.parse(json);
  } catch {
    return [{ name: 'JSON area', ...place, value: '', meaning: 'no JSON', isWrong: true }];
  }
  const used = { offset: area.start, length: Math.min(area.length, json.length) };
  const entries = typeof read === 'object' && read !== null ? Object.entries(read) : [];
  const node = (name: string, value: unknown, depth: number): StructureNode => {
    const inner =
      typeof value === 'object' && value !== null ? Object.entries(value).slice(0, 64) : [];
    const base = { name: short(name), ...used, value: '', meaning: '' };
    if (inner.length === 0 || depth === 0) return { ...base, value: short(value) };
    const children = () => inner.map(([key, item]) => node(key, item, depth - 1));
    return { ...base, meaning: `${inner.length} entries`, children };
  };
  return [
    {
      name: 'JSON area',
      ...place,
      value: `${json.length} characters`,
      meaning: '',
      children: () => entries.slice(0, 64).map(([key, value]) => node(key, value, 5)),
    },
  ];
}

function first(record: ByteView): Structure {
  const cipher = `${record.text(8, 32)}-${record.text(40, 32)}`;
  return {
    name: 'LUKS1 header',
    offset: record.start,
    length: record.length,
    value: record.text(168, 40),
    meaning: cipher,
    confidence: 'magic',
    evidence: 'magic and version; it carries no checksum',
    children: () => readFields(record, firstLayout),
  };
}

function second(view: ByteView, isBackup: boolean): Structure {
  const size = Math.min(Math.max(BINARY_BYTES, view.wide(8, 'big')), LARGEST_HEADER);
  const record = view.part(0, size);
  const agrees = digestAgrees(record);
  const confidence: Confidence = agrees === null ? 'magic' : agrees ? 'checked' : 'damaged';
  const algorithm = record.text(72, 32);
  const word = agrees === null ? 'not checked' : agrees ? 'right' : 'wrong';
  return {
    name: 'LUKS2 header',
    offset: record.start,
    length: record.length,
    value: isBackup ? 'backup' : 'primary',
    meaning: record.text(168, 40),
    confidence,
    evidence: `magic, ${JSON.stringify(algorithm)} ${word}`,
    children: () => [
      ...readFields(record, secondLayout({ meaning: word, isWrong: agrees === false })),
      ...jsonNodes(record),
    ],
  };
}

export function recogniseLuks({ view }: Place): Structure | null {
  const isPrimary = view.isAscii(0, 'LUKS\xba\xbe');
  const isBackup = view.isAscii(0, 'SKUL\xba\xbe');
  if (!isPrimary && !isBackup) return null;
  const version = view.u16(6, 'big');
  if (version === 1 && isPrimary) return first(view.part(0, 592));
  return version === 2 ? second(view, isBackup) : null;
}
