/**
 * Indexes of NTFS: the names in a directory, and others. In the MFT while they
 * are small, then in INDX records.
 */
import { ByteView } from '../byte-view';
import { fieldsIn, raw, readFields, text, type Layout } from '../fields';
import type { Place } from '../recogniser';
import { listNodes, type Structure, type StructureNode } from '../structure';
import { FILE_NAME_BYTES, fileName, nameOf } from './ntfs-file-name';
import { fixUpsAgree, mended, sureness, withoutFixUps } from './ntfs-fix-ups';

const SECTOR = 512;
const HEADER_AT = 24;
const HEADER_BYTES = 16;
const ENTRY_BYTES = 16;
const MOST_RECORD_BYTES = 65536;
/** More than 64 KiB hold. */
const MOST_ENTRIES = 4096;
const HAS_BELOW = 1;
const IS_LAST = 2;

const { u16, u32, u64, flags8, flags16 } = fieldsIn('little');

const headerLayout = (at: number): Layout => [
  u32(at, 'entries_offset', 'from here'),
  u32(at + 4, 'index_length', 'bytes in use, from here'),
  u32(at + 8, 'allocated_size', 'bytes, from here'),
  flags8(at + 12, 'flags', { 0: 'has records below' }),
];

const recordNumber = (value: bigint): string => `record ${value & 0xffffffffffffn}`;

/** Whether the key of an entry is the name of a file: of other indexes it is shorter, or says no length. */
const hasName = (entry: ByteView): boolean => {
  const length = entry.u16(10);
  const letters = entry.u8(ENTRY_BYTES + 64);
  return (
    letters > 0 &&
    length === FILE_NAME_BYTES + 2 * letters &&
    ENTRY_BYTES + length <= entry.length &&
    entry.u8(ENTRY_BYTES + 65) <= 3
  );
};

const isLast = (entry: ByteView): boolean => (entry.u16(12) & IS_LAST) !== 0;

function entryLayout(entry: ByteView): Layout {
  const length = Math.min(entry.u16(10), entry.length - ENTRY_BYTES);
  return [
    hasName(entry) ? u64(0, 'indexed_file', recordNumber) : raw(0, 8, 'data', 'of the key'),
    u16(8, 'length', 'bytes'),
    u16(10, 'key_length', 'bytes'),
    flags16(12, 'flags', { 0: 'has a record below', 1: 'last' }),
    ...(hasName(entry) || length <= 0 ? [] : [raw(ENTRY_BYTES, length, 'key')]),
    ...((entry.u16(12) & HAS_BELOW) !== 0 && entry.length >= ENTRY_BYTES + 8
      ? [u64(entry.length - 8, 'vcn', 'record below, with all that is less')]
      : []),
  ];
}

function entryNode(entry: ByteView): StructureNode {
  const place = { offset: entry.start, length: entry.length };
  if (!hasName(entry)) {
    const name = isLast(entry) ? 'end' : 'entry';
    const children = () => readFields(entry, entryLayout(entry));
    return { name, ...place, value: '', meaning: '', children };
  }
  const key = entry.part(ENTRY_BYTES, entry.u16(10));
  return {
    name: JSON.stringify(nameOf(key)),
    ...place,
    value: String(entry.u64(0) & 0xffffffffffffn),
    meaning: `${key.u64(48)} bytes${(key.u32(56) & 0x10000000) !== 0 ? ', directory' : ''}`,
    children: () => [...readFields(entry, entryLayout(entry)), ...readFields(key, fileName(key))],
  };
}

/** The entries of the index whose header is at `at`, up to its last; null if they do not end where it says. */
function entriesOf(view: ByteView, at: number): readonly ByteView[] | null {
  const end = Math.min(view.length, at + view.u32(at + 4));
  const entries: ByteView[] = [];
  for (let place = at + view.u32(at); entries.length < MOST_ENTRIES;) {
    const length = view.u16(place + 8);
    if (length < ENTRY_BYTES || length % 8 !== 0 || place + length > end) return null;
    const entry = view.part(place, length);
    entries.push(entry);
    if (isLast(entry)) return entries;
    place += length;
  }
  return null;
}

/** The header at `at` and the entries behind it. */
export function indexNodes(view: ByteView, at: number): readonly StructureNode[] {
  const entries = entriesOf(view, at) ?? [];
  const place = (index: number) => entries[index]?.start ?? view.start + view.length;
  const end = (index: number) => place(index) + (entries[index]?.length ?? 0);
  return [
    ...readFields(view, headerLayout(at)),
    ...listNodes(
      entries.length,
      (index) => entryNode(entries[index] ?? view.part(0, 0)),
      (from, to) => ({ offset: place(from), length: end(to - 1) - place(from) }),
      (from, to) => `entries ${from + 1} to ${to + 1}`,
    ),
  ];
}

const recordLayout: Layout = [
  text(0, 4, 'magic'),
  u16(4, 'usa_ofs', 'where the fix-up values are'),
  u16(6, 'usa_count'),
  u64(8, 'lsn'),
  u64(16, 'index_block_vcn', 'its own place in the index'),
];

export function recogniseIndexRecord({ view }: Place): Structure | null {
  if (!view.isAscii(0, 'INDX')) return null;
  const allocated = view.u32(HEADER_AT + 8);
  const size = HEADER_AT + allocated;
  const used = view.u32(HEADER_AT + 4);
  const first = view.u32(HEADER_AT);
  const isPlausible =
    size >= SECTOR &&
    size <= MOST_RECORD_BYTES &&
    size % SECTOR === 0 &&
    view.u16(6) === size / SECTOR + 1 &&
    used <= allocated &&
    first >= HEADER_BYTES &&
    first % 8 === 0 &&
    first < used;
  if (!isPlausible) return null;
  const record = view.part(0, size);
  const isWhole = record.length === size && fixUpsAgree(record) === true;
  const entries = isWhole ? entriesOf(new ByteView(withoutFixUps(record)), HEADER_AT) : null;
  const count = (entries?.length ?? 1) - 1;
  const [entry] = entries ?? [];
  return {
    name: 'NTFS index record',
    offset: record.start,
    length: record.length,
    value: entries === null ? '' : `${count} ${count === 1 ? 'entry' : 'entries'}`,
    meaning: entry && hasName(entry) ? 'names of files' : '',
    ...sureness(record, 'INDX'),
    children: () => {
      const whole = mended(record);
      return [...readFields(whole, recordLayout), ...indexNodes(whole, HEADER_AT)];
    },
  };
}
