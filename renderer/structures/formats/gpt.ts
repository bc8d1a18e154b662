/** The GUID partition table: header and entries; names as in the UEFI specification. */
import type { ByteView } from '../byte-view';
import { crc32, without } from '../checksums';
import { checksum, custom, fieldsIn, guid, hexNumber, readFields, type Layout } from '../fields';
import type { Place, Region } from '../recogniser';
import { listNodes, type Structure, type StructureNode } from '../structure';

const SIGNATURE = 'EFI PART';
const MOST_ENTRIES = 1024;
const CHECKSUM_AT = 16;

export const partitionTypes: Readonly<Record<string, string>> = {
  '00000000-0000-0000-0000-000000000000': 'unused',
  'C12A7328-F81F-11D2-BA4B-00A0C93EC93B': 'EFI system',
  '21686148-6449-6E6F-744E-656564454649': 'BIOS boot',
  'EBD0A0A2-B9E5-4433-87C0-68B6B72699C7': 'Microsoft basic data',
  'E3C9E316-0B5C-4DB8-817D-F92DF00215AE': 'Microsoft reserved',
  'DE94BBA4-06D1-4D40-A16A-BFD50179D6AC': 'Windows recovery',
  '0FC63DAF-8483-4772-8E79-3D69D8477DE4': 'Linux file system',
  '0657FD6D-A4AB-43C4-84E5-0933C84B4F4F': 'Linux swap',
  'E6D6D379-F507-44C2-A23C-238F2A3DF928': 'Linux LVM',
  'A19D880F-05FC-4D3B-A006-743F0F84911E': 'Linux RAID',
  'CA7D7CCB-63ED-4C53-861C-1742536059CC': 'Linux LUKS',
  '933AC7E1-2EB4-4F13-B844-0E14E2AEF915': 'Linux /home',
  '44479540-F297-41B2-9AF7-D131D5F0458A': 'Linux root, x86',
  '4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709': 'Linux root, x86-64',
  'B921B045-1DF0-41C3-AF44-4C6F280D3FAE': 'Linux root, ARM 64',
  'BC13C2FF-59E6-4262-A352-B275FD6F7172': 'Linux extended boot',
  '48465300-0000-11AA-AA11-00306543ECAC': 'Apple HFS+',
  '7C3457EF-0000-11AA-AA11-00306543ECAC': 'Apple APFS',
};

const { u32, x32, u64, x64, utf16 } = fieldsIn('little');

function headerChecksum(view: ByteView): number | null {
  const size = view.u32(12);
  if (size < 92 || !view.has(0, size)) return null;
  return crc32(without(view.slice(0, size), CHECKSUM_AT, 4));
}

const headerLayout = (entriesChecksum: number | null): Layout => [
  custom(0, 8, 'Signature', (view, at) => ({ value: JSON.stringify(view.text(at, 8)) })),
  x32(8, 'Revision', (value) => (value === 0x10000 ? '1.0' : '')),
  u32(12, 'HeaderSize', 'bytes'),
  checksum(CHECKSUM_AT, 4, 'HeaderCRC32', 'little', headerChecksum),
  u32(20, 'Reserved'),
  u64(24, 'MyLBA', 'where this header lies'),
  u64(32, 'AlternateLBA', 'where the other header lies'),
  u64(40, 'FirstUsableLBA'),
  u64(48, 'LastUsableLBA'),
  guid(56, 'DiskGUID'),
  u64(72, 'PartitionEntryLBA', 'where the entries begin'),
  u32(80, 'NumberOfPartitionEntries'),
  u32(84, 'SizeOfPartitionEntry', 'bytes'),
  checksum(88, 4, 'PartitionEntryArrayCRC32', 'little', () => entriesChecksum),
];

const entryLayout: Layout = [
  guid(0, 'PartitionTypeGUID', partitionTypes),
  guid(16, 'UniquePartitionGUID'),
  u64(32, 'StartingLBA'),
  u64(40, 'EndingLBA', 'included'),
  x64(48, 'Attributes', (value) =>
    [
      [0n, 'required'],
      [1n, 'no block I/O protocol'],
      [2n, 'legacy boot'],
      [60n, 'read-only'],
      [62n, 'hidden'],
      [63n, 'no drive letter'],
    ]
      .filter(([bit]) => (value >> (bit as bigint)) & 1n)
      .map(([, word]) => word)
      .join(' '),
  ),
  utf16(56, 72, 'PartitionName'),
];

export interface GptHeader {
  readonly entriesLba: number;
  readonly entries: number;
  readonly entryBytes: number;
  readonly entriesChecksum: number;
  readonly myLba: number;
  readonly alternateLba: number;
}

/** Null if it is no header, or one whose numbers are out of any range. */
export function gptHeader(view: ByteView): GptHeader | null {
  if (!view.isAscii(0, SIGNATURE)) return null;
  const header = {
    entriesLba: view.wide(72),
    entries: view.u32(80),
    entryBytes: view.u32(84),
    entriesChecksum: view.u32(88),
    myLba: view.wide(24),
    alternateLba: view.wide(32),
  };
  const isPlausible =
    header.entries > 0 &&
    header.entries <= MOST_ENTRIES &&
    header.entryBytes >= 128 &&
    header.entryBytes <= 4096 &&
    header.entriesLba > 0 &&
    header.entriesLba < 2 ** 43;
  return isPlausible ? header : null;
}

function entryNode(entry: ByteView, index: number): StructureNode {
  const type = entry.guid(0);
  const isUsed = !entry.isZero(0, 16);
  const name = entry.utf16(56, 72);
  return {
    name: `entry ${index + 1}`,
    offset: entry.start,
    length: entry.length,
    value: partitionTypes[type] ?? type,
    meaning: isUsed
      ? `${name === '' ? '' : `${JSON.stringify(name)}, `}LBA ${entry.u64(32)} to ${entry.u64(40)}`
      : '',
    children: () => readFields(entry, entryLayout),
  };
}

/** The entries that `header` announces; `start` is their place on the device, bytes. */
export function gptEntriesRegion(header: GptHeader, start: number): Region {
  const { entries, entryBytes, entriesChecksum } = header;
  return {
    start,
    length: entries * entryBytes,
    read: ({ view, device }) => {
      const first = Math.ceil((device - start) / entryBytes);
      const table = view.part(first * entryBytes - (device - start));
      const count = Math.min(Math.floor(table.length / entryBytes), entries - first);
      if (count <= 0) return null;
      const isWhole = first === 0 && count === entries;
      const isRight = isWhole && crc32(table.slice(0, count * entryBytes)) === entriesChecksum;
      const used = Array.from({ length: count }, (_, index) => index).filter(
        (index) => !table.isZero(index * entryBytes, 16),
      ).length;
      const span = (from: number, to: number) => ({
        offset: table.start + from * entryBytes,
        length: (to - from) * entryBytes,
      });
      return {
        name: 'GPT entries',
        ...span(0, count),
        value: `${used} of ${count} in use`,
        meaning: isWhole ? '' : `entries ${first + 1} to ${first + count}`,
        confidence: isWhole ? (isRight ? 'checked' : 'damaged') : 'location',
        evidence: isWhole
          ? `where the header has them, CRC-32 ${isRight ? 'right' : 'not the header’s'}`
          : 'where the header has them; only some of them, so their checksum is not checked',
        children: () =>
          listNodes(
            count,
            (index) => entryNode(table.part(index * entryBytes, entryBytes), first + index),
            span,
            (from, to) => `entries ${first + from + 1} to ${first + to + 1}`,
          ),
      };
    },
  };
}

/** The bytes of a logical sector, told by where a header lies and where it says it does. */
export const logicalSector = (header: GptHeader, device: number): number =>
  header.myLba > 0 && [512, 1024, 2048, 4096].includes(device / header.myLba)
    ? device / header.myLba
    : 512;

export function recogniseGpt({ view, device }: Place): Structure | null {
  if (!view.isAscii(0, SIGNATURE)) return null;
  const record = view.part(0, Math.max(92, Math.min(view.u32(12), 512)));
  const expected = headerChecksum(record);
  const isRight = expected === record.u32(CHECKSUM_AT);
  const header = gptHeader(record);
  const entriesChecksum = header ? checksumOfEntries(view, device, header) : null;
  const backup = header !== null && header.myLba > header.alternateLba;
  return {
    name: 'GPT header',
    offset: record.start,
    length: record.length,
    value: backup ? 'backup' : 'primary',
    meaning: record.guid(56),
    confidence: isRight ? 'checked' : 'damaged',
    evidence: `signature "${SIGNATURE}", CRC-32 ${isRight ? 'right' : `should be ${hexNumber(expected ?? 0, 8)}`}`,
    children: () => readFields(record, headerLayout(entriesChecksum)),
  };
}

/** The checksum of the entries, if they all lie in the same payload. */
function checksumOfEntries(view: ByteView, device: number, header: GptHeader): number | null {
  const at = header.entriesLba * logicalSector(header, device) - device;
  const from = view.start + at;
  const length = header.entries * header.entryBytes;
  if (from < 0 || from + length > view.bytes.length) return null;
  return crc32(view.bytes.subarray(from, from + length));
}
