/**
 * Directories of FAT12, FAT16 and FAT32; names as in Microsoft's fatgen103. An
 * entry has no magic and no checksum. So outside the root directory, whose place
 * is known, all of a cluster must be as the specification wants it, and something
 * in it must be more than chance: "." and "..", a long name whose checksum is
 * that of the entry behind it, or two entries with dates.
 */
import type { ByteView } from '../byte-view';
import { custom, fieldsIn, readFields, text, type Layout } from '../fields';
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
import { dosDateText, dosTimeText, isDosTime } from './dos-time';

const ATTRIBUTE_AT = 11;
const VOLUME = 0x08;
const DIRECTORY = 0x10;
const LONG_NAME = 0x0f;
const DELETED = 0xe5;
const LAST_PART = 0x40;
/** Of DIR_NTRes. */
const SMALL_NAME = 0x08;
const SMALL_ENDING = 0x10;
/** 20 parts of 13 letters are 260, more than the 255 there may be. */
const MOST_PARTS = 20;
/** ASCII that no short name has; letters of the alphabet are capitals there. */
const forbidden = new Set('"*+,./:;<=>?[\\]|abcdefghijklmnopqrstuvwxyz');

const { u16, x8, x16, u32, u8, utf16 } = fieldsIn('little');

const date = (at: number, name: string) => x16(at, name, dosDateText);
const time = (at: number, name: string) => x16(at, name, dosTimeText);

const shortLayout: Layout = [
  text(0, 11, 'DIR_Name'),
  custom(ATTRIBUTE_AT, 1, 'DIR_Attr', (view, at) => ({
    value: `0x${view.hex(at, 1)}`,
    meaning: ['read-only', 'hidden', 'system', 'volume label', 'directory', 'archive']
      .filter((_, bit) => (view.u8(at) >> bit) & 1)
      .join(' '),
  })),
  x8(12, 'DIR_NTRes', (value) => (value === 0 ? '' : 'small letters')),
  u8(13, 'DIR_CrtTimeTenth', '10 ms'),
  time(14, 'DIR_CrtTime'),
  date(16, 'DIR_CrtDate'),
  date(18, 'DIR_LstAccDate'),
  u16(20, 'DIR_FstClusHI'),
  time(22, 'DIR_WrtTime'),
  date(24, 'DIR_WrtDate'),
  u16(26, 'DIR_FstClusLO', 'first cluster'),
  u32(28, 'DIR_FileSize', 'bytes'),
];
const longLayout: Layout = [
  x8(0, 'LDIR_Ord', (value) => {
    if (value === DELETED) return 'deleted';
    return `part ${value & 0x3f}${(value & LAST_PART) === 0 ? '' : ', the last of the name'}`;
  }),
  utf16(1, 10, 'LDIR_Name1'),
  x8(ATTRIBUTE_AT, 'LDIR_Attr', 'part of a long name'),
  u8(12, 'LDIR_Type'),
  x8(13, 'LDIR_Chksum', 'of the short name'),
  utf16(14, 12, 'LDIR_Name2'),
  u16(26, 'LDIR_FstClusLO'),
  utf16(28, 4, 'LDIR_Name3'),
];

const isLong = (entry: ByteView): boolean => (entry.u8(ATTRIBUTE_AT) & 0x3f) === LONG_NAME;
const isDeleted = (entry: ByteView): boolean => entry.u8(0) === DELETED;
const isDot = (entry: ByteView): boolean =>
  entry.isAscii(0, '.          ') || entry.isAscii(0, '..         ');

/** What each part of a long name has of the short name. */
function shortNameSum(entry: ByteView): number {
  let sum = 0;
  for (let at = 0; at < 11; at++) sum = (((sum & 1) << 7) + (sum >> 1) + entry.u8(at)) & 0xff;
  return sum;
}

function isShortName(entry: ByteView): boolean {
  if (isDot(entry)) return (entry.u8(ATTRIBUTE_AT) & DIRECTORY) !== 0;
  const first = entry.u8(0);
  for (let at = 0; at < 11; at++) {
    const byte = entry.u8(at);
    if (at === 0 && (first === DELETED || first === 0x05)) continue;
    if (byte < 0x20 || (at === 0 && byte === 0x20)) return false;
    if (byte < 0x80 && forbidden.has(String.fromCharCode(byte))) return false;
  }
  return true;
}

/** Whether an entry that is no part of a long name can be one, on a volume of `clusters`. */
function isShort(entry: ByteView, clusters: number): boolean {
  const attributes = entry.u8(ATTRIBUTE_AT);
  const cluster = entry.u16(20) * 0x10000 + entry.u16(26);
  const isPlace = cluster === 0 || (cluster >= 2 && cluster < clusters + 2);
  const isSize = (attributes & (DIRECTORY | VOLUME)) === 0 || entry.u32(28) === 0;
  return (
    (attributes & 0xc0) === 0 &&
    (attributes & (DIRECTORY | VOLUME)) !== (DIRECTORY | VOLUME) &&
    (entry.u8(12) & ~(SMALL_NAME | SMALL_ENDING)) === 0 &&
    entry.u8(13) < 200 &&
    isDosTime(entry.u16(16), entry.u16(14)) &&
    isDosTime(entry.u16(18), 0) &&
    isDosTime(entry.u16(24), entry.u16(22)) &&
    (isDeleted(entry) || isPlace) &&
    isSize &&
    isShortName(entry)
  );
}

const isLongPart = (entry: ByteView): boolean => {
  const order = entry.u8(0);
  const number = order & 0x3f;
  const isOrder =
    order === DELETED || ((order & 0x80) === 0 && number >= 1 && number <= MOST_PARTS);
  return isOrder && entry.u8(12) === 0 && entry.u16(26) === 0;
};

interface Name extends Item {
  /** Its long name; null if it has none that is whole. */
  readonly long: string | null;
}

/** Up to the NUL that ends the name; what is behind it is filled up. */
function lettersOf(part: ByteView): string {
  let letters = '';
  for (const [at, size] of [
    [1, 10],
    [14, 12],
    [28, 4],
  ] as const) {
    const some = part.utf16(at, size);
    letters += some;
    if (some.length < size / 2) break;
  }
  return letters;
}

/** The long name of the entry at `end - 1`, in the parts before it from `first` on; null if they do not fit it. */
function longName(view: ByteView, { first, end }: Item): string | null {
  const sum = shortNameSum(entryAt(view, end - 1));
  const parts = end - 1 - first;
  let name = '';
  for (let number = 1; number <= parts; number++) {
    const part = entryAt(view, end - 1 - number);
    const isRight = part.u8(0) === (number === parts ? number | LAST_PART : number);
    if (!isRight || part.u8(13) !== sum) return null;
    name += lettersOf(part);
  }
  return parts === 0 ? null : name;
}

/** The first `count` entries as files with their long names. */
function itemsOf(view: ByteView, count: number): readonly Name[] {
  const items: Name[] = [];
  let first = 0;
  for (let index = 0; index < count; index++) {
    const entry = entryAt(view, index);
    const goesOn = isLong(entry) && index + 1 < count && index - first < MOST_PARTS;
    if (goesOn) continue;
    const item = { first, end: index + 1 };
    items.push({ ...item, long: isLong(entry) ? null : longName(view, item) });
    first = index + 1;
  }
  return items;
}

/** "READ.ME" of "READ    ME ". */
function shortName(entry: ByteView): string {
  const bytes = entry.slice(0, 11).slice();
  if (bytes[0] === 0x05) bytes[0] = DELETED;
  const letters = String.fromCharCode(...bytes);
  if ((entry.u8(ATTRIBUTE_AT) & VOLUME) !== 0) return letters.trimEnd();
  const small = (part: string, bit: number) =>
    (entry.u8(12) & bit) === 0 ? part.trimEnd() : part.trimEnd().toLowerCase();
  const name = small(letters.slice(0, 8), SMALL_NAME);
  const ending = small(letters.slice(8), SMALL_ENDING);
  return ending === '' ? name : `${name}.${ending}`;
}

function entryMeaning(entry: ByteView): string {
  const attributes = entry.u8(ATTRIBUTE_AT);
  const what =
    (attributes & VOLUME) !== 0
      ? 'volume label'
      : (attributes & DIRECTORY) !== 0
        ? 'directory'
        : `${entry.u32(28)} bytes`;
  return isDeleted(entry) ? `deleted, ${what}` : what;
}

function itemNode(view: ByteView, item: Name): StructureNode {
  const { first, end, long } = item;
  const last = entryAt(view, end - 1);
  const fields = (index: number) => {
    const entry = entryAt(view, index);
    return readFields(entry, isLong(entry) ? longLayout : shortLayout);
  };
  if (isLong(last)) {
    const children = () => fields(end - 1);
    const name = 'part of a long name';
    const meaning = isDeleted(last) ? 'deleted' : 'it goes on in another request';
    return { name, ...itemPlace(view, item), value: '', meaning, children };
  }
  const short = isDeleted(last) ? `?${shortName(last).slice(1)}` : shortName(last);
  return {
    name: JSON.stringify(long ?? short),
    ...itemPlace(view, item),
    value: long === null ? '' : short,
    meaning: entryMeaning(last),
    children: () => [
      ...Array.from({ length: end - 1 - first }, (_, index) => ({
        name: 'part of the long name',
        offset: view.start + (first + index) * ENTRY_BYTES,
        length: ENTRY_BYTES,
        value: '',
        meaning: '',
        children: () => fields(first + index),
      })),
      ...fields(end - 1),
    ],
  };
}

function directory(
  view: ByteView,
  count: number,
  about: Pick<Structure, 'name' | 'meaning' | 'confidence' | 'evidence'>,
): Structure {
  const items = itemsOf(view, count);
  return {
    ...about,
    offset: view.start,
    length: view.length,
    value: entriesText(items.length),
    children: () => itemNodes(view, items, (item) => itemNode(view, item)),
  };
}

/** The root directory, or a part of it; null if it is empty here. */
export function rootDirectory(view: ByteView): Structure | null {
  const count = countEntries(view);
  if (count === 0) return null;
  return directory(view, count, {
    name: 'FAT root directory',
    meaning: '',
    confidence: 'location',
    evidence: 'where the boot sector has it',
  });
}

/** What in these entries is more than chance; null if nothing is. */
function evidenceIn(view: ByteView, count: number): string | null {
  const [first, second] = [entryAt(view, 0), entryAt(view, 1)];
  if (count >= 2 && first.isAscii(0, '.  ') && second.isAscii(0, '.. ')) {
    return 'it begins with "." and "..", and every entry is possible';
  }
  const items = itemsOf(view, count);
  const long = items.filter((item) => item.long !== null).length;
  if (long > 0) {
    const names =
      long === 1 ? '1 long name fits its checksum' : `${long} long names fit their checksums`;
    return `${names}, and every entry is possible`;
  }
  const dated = items.filter(({ end }) => entryAt(view, end - 1).u16(24) !== 0).length;
  return dated >= 2 ? `${dated} entries with dates, and every one is possible` : null;
}

/**
 * A directory told by its form alone, in a volume of `clusters`: `view` is a
 * cluster, or its beginning or end. Null for anything else, and for a directory
 * too short to tell.
 */
export function directoryByShape(view: ByteView, clusters: number): Structure | null {
  let count = 0;
  // Most of what is no directory fails at the first.
  for (; view.u8(count * ENTRY_BYTES) !== 0; count++) {
    const entry = entryAt(view, count);
    if (isLong(entry) ? !isLongPart(entry) : !isShort(entry, clusters)) return null;
  }
  if (count === 0) return null;
  // Behind the last nothing was ever written.
  if (!view.isZero(count * ENTRY_BYTES)) return null;
  const evidence = evidenceIn(view, count);
  if (evidence === null) return null;
  const first = entryAt(view, 0);
  const cluster = first.u16(20) * 0x10000 + first.u16(26);
  return directory(view, count, {
    name: 'FAT directory',
    meaning: isDot(first) ? `from cluster ${cluster} on` : '',
    confidence: 'shape',
    evidence,
  });
}
