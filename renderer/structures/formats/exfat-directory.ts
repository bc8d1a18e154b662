/**
 * Directories of exFAT; names as in Microsoft's specification. A file is a set of
 * entries with a checksum over all of them, so that a directory with one whole
 * set is told wherever it lies.
 */
import type { ByteView } from '../byte-view';
import { checksum, fieldsIn, readFields, type Field, type Layout } from '../fields';
import type { Structure, StructureNode } from '../structure';
import {
  countEntries,
  ENTRY_BYTES,
  entriesText,
  entryAt,
  itemNodes,
  itemPlace,
  type Item,
} from './directory-entries';
import { dosDateText, dosTimeText } from './dos-time';

const IN_USE = 0x80;
const [BITMAP, UP_CASE, LABEL, FILE, VOLUME_GUID] = [0x01, 0x02, 0x03, 0x05, 0x20];
const [STREAM, NAME, VENDOR, VENDOR_ALLOCATION] = [0x40, 0x41, 0x60, 0x61];
const LETTERS_A_NAME = 15;
/** Entries behind that of a file: a stream, and up to 17 with letters. */
const MOST_SECONDARY = 18;

const kinds: Readonly<Record<number, string>> = {
  [BITMAP]: 'allocation bitmap',
  [UP_CASE]: 'up-case table',
  [LABEL]: 'volume label',
  [FILE]: 'file',
  [VOLUME_GUID]: 'volume GUID',
  [STREAM]: 'stream extension',
  [NAME]: 'file name',
  [VENDOR]: 'vendor extension',
  [VENDOR_ALLOCATION]: 'vendor allocation',
};

const { u8, u32, u64, x8, x16, x32, flags8, flags16, utf16 } = fieldsIn('little');

const kindOf = (entry: ByteView): number => entry.u8(0) & ~IN_USE;
const isInUse = (entry: ByteView): boolean => (entry.u8(0) & IN_USE) !== 0;

const type = x8(0, 'EntryType', (value) => {
  const kind = kinds[value & ~IN_USE] ?? 'no type that is known';
  return (value & IN_USE) === 0 ? `${kind}, not in use` : kind;
});

const time = (at: number, name: string): Field =>
  u32(at, name, (value) => `${dosDateText(value >>> 16)} ${dosTimeText(value & 0xffff)}`);
const offset = (at: number, name: string): Field =>
  x8(at, name, (value) => {
    if ((value & 0x80) === 0) return 'no offset from UTC';
    return `${(((value & 0x7f) << 25) >> 25) * 15} minutes from UTC`;
  });

/** A number of 16 bits that each byte of a set turns by one and is added to; its own place counts not. */
function setChecksum(set: ByteView): number {
  let sum = 0;
  for (let at = 0; at < set.length; at++) {
    if (at === 2 || at === 3) continue;
    sum = ((((sum & 1) << 15) | (sum >> 1)) + set.u8(at)) & 0xffff;
  }
  return sum;
}

const fileLayout = (set: ByteView | null): Layout => [
  type,
  u8(1, 'SecondaryCount', 'entries that belong to it'),
  checksum(2, 2, 'SetChecksum', 'little', () => (set === null ? null : setChecksum(set))),
  flags16(4, 'FileAttributes', {
    0: 'read-only',
    1: 'hidden',
    2: 'system',
    4: 'directory',
    5: 'archive',
  }),
  time(8, 'CreateTimestamp'),
  time(12, 'LastModifiedTimestamp'),
  time(16, 'LastAccessedTimestamp'),
  u8(20, 'Create10msIncrement'),
  u8(21, 'LastModified10msIncrement'),
  offset(22, 'CreateUtcOffset'),
  offset(23, 'LastModifiedUtcOffset'),
  offset(24, 'LastAccessedUtcOffset'),
];
const allocation: Layout = [
  u32(20, 'FirstCluster', (value) => (value === 0 ? 'none' : '')),
  u64(24, 'DataLength', 'bytes'),
];
const layouts: Readonly<Record<number, Layout>> = {
  [BITMAP]: [type, flags8(1, 'BitmapFlags', { 0: 'of the second FAT' }), ...allocation],
  [UP_CASE]: [type, x32(4, 'TableChecksum'), ...allocation],
  [LABEL]: [type, u8(1, 'CharacterCount'), utf16(2, 22, 'VolumeLabel')],
  [STREAM]: [
    type,
    flags8(1, 'GeneralSecondaryFlags', { 0: 'has clusters', 1: 'all in a row: not in the FAT' }),
    u8(3, 'NameLength', 'characters'),
    x16(4, 'NameHash', 'of the name in capitals, not checked'),
    u64(8, 'ValidDataLength', 'bytes written'),
    ...allocation,
  ],
  [NAME]: [type, u8(1, 'GeneralSecondaryFlags'), utf16(2, 30, 'FileName')],
};

const fields = (entry: ByteView, set: ByteView | null): readonly StructureNode[] =>
  readFields(entry, kindOf(entry) === FILE ? fileLayout(set) : (layouts[kindOf(entry)] ?? [type]));

interface Entries extends Item {
  /** The whole set of a file; null for a single entry, and for one that goes on elsewhere. */
  readonly set: ByteView | null;
}

const setAt = (view: ByteView, index: number): ByteView | null => {
  const count = entryAt(view, index).u8(1) + 1;
  const at = index * ENTRY_BYTES;
  return view.has(at, count * ENTRY_BYTES) ? view.part(at, count * ENTRY_BYTES) : null;
};

/** Null if they are not as any driver writes them. */
function itemsOf(view: ByteView, count: number): readonly Entries[] | null {
  const items: Entries[] = [];
  let hasWhole = false;
  for (let index = 0; index < count;) {
    const entry = entryAt(view, index);
    if (kinds[kindOf(entry)] === undefined) return null;
    const isFile = kindOf(entry) === FILE && isInUse(entry);
    if (!isFile) {
      // What belongs to a file that begins in another request comes first.
      const isOrphan = kindOf(entry) >= STREAM && isInUse(entry);
      if (isOrphan && hasWhole) return null;
      items.push({ first: index, end: index + 1, set: null });
      index++;
      continue;
    }
    const secondary = entry.u8(1);
    const set = setAt(view, index);
    const isPossible = secondary >= 2 && secondary <= MOST_SECONDARY && hasStream(view, index);
    // It may go on in another request, but not behind the end of the directory.
    if (!isPossible || (set === null && count * ENTRY_BYTES < view.length)) return null;
    const end = Math.min(count, index + 1 + secondary);
    items.push({ first: index, end, set });
    hasWhole ||= set !== null;
    index = end;
  }
  return items;
}

/** Whether a stream with enough names follows the file at `index`, as far as the bytes go. */
function hasStream(view: ByteView, index: number): boolean {
  const stream = entryAt(view, index + 1);
  if (stream.length < ENTRY_BYTES) return true;
  const names = Math.ceil(stream.u8(3) / LETTERS_A_NAME);
  return stream.u8(0) === (STREAM | IN_USE) && names >= 1 && names < MOST_SECONDARY;
}

function nameIn(set: ByteView): string {
  const letters = entryAt(set, 1).u8(3);
  let name = '';
  for (let index = 2; index * ENTRY_BYTES < set.length && name.length < letters; index++) {
    const entry = entryAt(set, index);
    if (entry.u8(0) === (NAME | IN_USE)) name += entry.utf16(2, 30);
  }
  return name.slice(0, letters);
}

const isRight = (set: ByteView): boolean => set.u16(2) === setChecksum(set);

function itemNode(view: ByteView, item: Entries): StructureNode {
  const { first, end, set } = item;
  const entry = entryAt(view, first);
  const place = itemPlace(view, item);
  if (end - first === 1) {
    const kind = kinds[kindOf(entry)] ?? '';
    const label = kindOf(entry) === LABEL ? JSON.stringify(entry.utf16(2, 22)) : '';
    const meaning = isInUse(entry) ? '' : 'not in use';
    return { name: kind, ...place, value: label, meaning, children: () => fields(entry, null) };
  }
  const isDirectory = (entry.u16(4) & 0x10) !== 0;
  const stream = entryAt(view, first + 1);
  const isWrong = set !== null && !isRight(set);
  return {
    name: set === null ? 'file that goes on in another request' : JSON.stringify(nameIn(set)),
    ...place,
    value: '',
    meaning: `${stream.u64(24)} bytes${isDirectory ? ', directory' : ''}`,
    ...(isWrong ? { isWrong } : {}),
    children: () => [
      ...fields(entry, set),
      ...Array.from({ length: end - first - 1 }, (_, index) => {
        const secondary = entryAt(view, first + 1 + index);
        return {
          name: kinds[kindOf(secondary)] ?? 'entry',
          offset: secondary.start,
          length: secondary.length,
          value: '',
          meaning: '',
          children: () => fields(secondary, null),
        };
      }),
    ],
  };
}

/**
 * The directory whose cluster, or part of one, is `view`; null for anything else.
 * `isRoot`: the boot sector has it here, so that it needs no file to be told.
 */
export function recogniseExFatDirectory(view: ByteView, isRoot: boolean): Structure | null {
  const count = countEntries(view);
  const items = count === 0 ? null : itemsOf(view, count);
  if (!items || !view.isZero(count * ENTRY_BYTES)) return null;
  const sets = items.flatMap(({ set }) => (set === null ? [] : [set]));
  const right = sets.filter(isRight).length;
  if (right === 0 && !isRoot) return null;
  const wrong = sets.length - right;
  const sums = `${right} of ${sets.length} checksums of files are right`;
  return {
    name: isRoot ? 'exFAT root directory' : 'exFAT directory',
    offset: view.start,
    length: view.length,
    value: entriesText(items.length),
    meaning: '',
    confidence: wrong > 0 ? 'damaged' : right > 0 ? 'checked' : 'location',
    evidence: sets.length > 0 ? sums : 'where the boot sector has it',
    children: () => itemNodes(view, items, (item) => itemNode(view, item)),
  };
}
