/** NTFS: the boot sector, and records of the MFT. */
import type { ByteView } from '../byte-view';
import { custom, fieldsIn, hexNumber, raw, readFields, text, type Layout } from '../fields';
import type { Place } from '../recogniser';
import type { Structure, StructureNode } from '../structure';
import { fileAttributes, fileName, nameOf, time } from './ntfs-file-name';
import { mended, sureness } from './ntfs-fix-ups';
import { indexNodes, recogniseIndexRecord } from './ntfs-index';

const SECTOR = 512;
const END_OF_ATTRIBUTES = 0xffffffff;
const INDEX_ROOT = 0x90;
const MOST_ATTRIBUTES = 64;
const MOST_RECORD_BYTES = 4096;

const { u8, x8, u16, x16, u32, x32, u64, x64, utf16, flags16, flags32 } = fieldsIn('little');

/** Clusters, or if negative a power of two of bytes. */
const recordSize = (value: number): string =>
  value > 127 ? `${2 ** (256 - value)} bytes` : `${value} ${value === 1 ? 'cluster' : 'clusters'}`;

const bootLayout: Layout = [
  raw(0, 3, 'jump'),
  text(3, 8, 'oem_id'),
  u16(11, 'bytes_per_sector'),
  u8(13, 'sectors_per_cluster', (value) => (value > 128 ? `${2 ** (256 - value)} sectors` : '')),
  u16(14, 'reserved_sectors'),
  x8(21, 'media_type'),
  u16(24, 'sectors_per_track'),
  u16(26, 'heads'),
  u32(28, 'hidden_sectors'),
  u64(40, 'number_of_sectors'),
  u64(48, 'mft_lcn', 'cluster where $MFT begins'),
  u64(56, 'mftmirr_lcn', 'cluster where $MFTMirr begins'),
  u8(64, 'clusters_per_mft_record', recordSize),
  u8(68, 'clusters_per_index_record', recordSize),
  x64(72, 'volume_serial_number'),
  x32(80, 'checksum'),
  x16(510, 'end_of_sector_marker'),
];

function recogniseBoot({ view }: Place): Structure | null {
  const bytesPerSector = view.u16(11);
  const isBoot =
    view.isAscii(3, 'NTFS    ') &&
    view.u16(510) === 0xaa55 &&
    [256, 512, 1024, 2048, 4096].includes(bytesPerSector);
  if (!isBoot) return null;
  const record = view.part(0, SECTOR);
  return {
    name: 'NTFS boot sector',
    offset: record.start,
    length: record.length,
    value: `serial ${hexNumber(record.u64(72), 16)}`,
    meaning: `${record.u64(40)} sectors of ${bytesPerSector} bytes`,
    confidence: 'magic',
    evidence: '"NTFS" and signature 0xaa55',
    children: () => readFields(record, bootLayout),
  };
}

const attributeTypes: Readonly<Record<number, string>> = {
  0x10: '$STANDARD_INFORMATION',
  0x20: '$ATTRIBUTE_LIST',
  0x30: '$FILE_NAME',
  0x40: '$OBJECT_ID',
  0x50: '$SECURITY_DESCRIPTOR',
  0x60: '$VOLUME_NAME',
  0x70: '$VOLUME_INFORMATION',
  0x80: '$DATA',
  [INDEX_ROOT]: '$INDEX_ROOT',
  0xa0: '$INDEX_ALLOCATION',
  0xb0: '$BITMAP',
  0xc0: '$REPARSE_POINT',
  0xd0: '$EA_INFORMATION',
  0xe0: '$EA',
  0x100: '$LOGGED_UTILITY_STREAM',
};
const standardInformation: Layout = [
  time(0, 'creation_time'),
  time(8, 'last_data_change_time'),
  time(16, 'last_mft_change_time'),
  time(24, 'last_access_time'),
  flags32(32, 'file_attributes', fileAttributes),
  u32(48, 'owner_id'),
  u32(52, 'security_id'),
];
const volumeInformation: Layout = [
  u8(8, 'major_ver'),
  u8(9, 'minor_ver'),
  flags16(10, 'flags', {
    0: 'dirty',
    1: 'resize log',
    2: 'upgrade on mount',
    15: 'modified by chkdsk',
  }),
];

const indexRoot: Layout = [
  custom(0, 4, 'index.type', (view, at) => ({
    value: hexNumber(view.u32(at)),
    meaning: attributeTypes[view.u32(at)] ?? 'of no attribute',
  })),
  u32(4, 'collation_rule'),
  u32(8, 'index_block_size', 'bytes of an INDX record'),
  u8(12, 'clusters_per_index_block'),
];

function contentLayout(type: number, content: ByteView): Layout {
  if (type === 0x10) return standardInformation;
  if (type === 0x30) return fileName(content);
  if (type === 0x60) return [utf16(0, content.length, 'name')];
  if (type === 0x70) return volumeInformation;
  if (type === INDEX_ROOT) return indexRoot;
  return content.length > 0 ? [raw(0, content.length, 'content')] : [];
}

const attributeHeader: Layout = [
  custom(0, 4, 'type', (view, at) => ({
    value: hexNumber(view.u32(at)),
    meaning: attributeTypes[view.u32(at)] ?? '',
  })),
  u32(4, 'length'),
  u8(8, 'non_resident', (value) => (value === 0 ? 'content is here' : 'content is in clusters')),
  u8(9, 'name_length'),
  u16(10, 'name_offset'),
  flags16(12, 'flags', { 0: 'compressed', 14: 'encrypted', 15: 'sparse' }),
  u16(14, 'instance'),
];
const residentHeader: Layout = [u32(16, 'value_length'), u16(20, 'value_offset')];
const nonResidentHeader: Layout = [
  u64(16, 'lowest_vcn'),
  u64(24, 'highest_vcn'),
  u16(32, 'mapping_pairs_offset'),
  u64(40, 'allocated_size'),
  u64(48, 'data_size'),
  u64(56, 'initialized_size'),
];

/** Where a file's clusters are, as NTFS packs it: "cluster 4 +16 · …". */
function runs(view: ByteView, from: number): string {
  const parts: string[] = [];
  let cluster = 0;
  for (let at = from; at < view.length && parts.length < 16;) {
    const sizes = view.u8(at);
    const lengthBytes = sizes & 0xf;
    const offsetBytes = sizes >> 4;
    if (sizes === 0 || lengthBytes > 8 || offsetBytes > 8) break;
    let count = 0;
    for (let byte = lengthBytes - 1; byte >= 0; byte--)
      count = count * 256 + view.u8(at + 1 + byte);
    let step = 0;
    for (let byte = offsetBytes - 1; byte >= 0; byte--) {
      const value = view.u8(at + 1 + lengthBytes + byte);
      step = byte === offsetBytes - 1 && value > 127 ? value - 256 : step * 256 + value;
    }
    cluster += step;
    parts.push(offsetBytes === 0 ? `hole of ${count}` : `cluster ${cluster} +${count}`);
    at += 1 + lengthBytes + offsetBytes;
  }
  return parts.join(' · ');
}

function attributeNode(view: ByteView): StructureNode {
  const type = view.u32(0);
  const isResident = view.u8(8) === 0;
  const content = isResident ? view.part(view.u16(20), view.u32(16)) : null;
  const streamName = view.utf16(view.u16(10), view.u8(9) * 2);
  return {
    name: attributeTypes[type] ?? `attribute ${hexNumber(type)}`,
    offset: view.start,
    length: view.length,
    value: type === 0x30 && content ? JSON.stringify(nameOf(content)) : streamName,
    meaning: content ? `${content.length} bytes here` : runs(view, view.u16(32)),
    children: () => [
      ...readFields(view, attributeHeader),
      ...readFields(view, isResident ? residentHeader : nonResidentHeader),
      ...(content ? readFields(content, contentLayout(type, content)) : []),
      ...(content && type === INDEX_ROOT ? indexNodes(content, 16) : []),
    ],
  };
}

const recordLayout: Layout = [
  text(0, 4, 'magic'),
  u16(4, 'usa_ofs', 'where the fix-up values are'),
  u16(6, 'usa_count'),
  u64(8, 'lsn'),
  u16(16, 'sequence_number'),
  u16(18, 'link_count'),
  u16(20, 'attrs_offset'),
  flags16(22, 'flags', { 0: 'in use', 1: 'directory', 2: 'extend', 3: 'view index' }),
  u32(24, 'bytes_in_use'),
  u32(28, 'bytes_allocated'),
  u64(32, 'base_mft_record'),
  u16(40, 'next_attr_instance'),
  u32(44, 'mft_record_number'),
];

function attributes(record: ByteView): readonly StructureNode[] {
  const nodes: StructureNode[] = [];
  let at = record.u16(20);
  while (nodes.length < MOST_ATTRIBUTES && record.has(at, 8)) {
    const length = record.u32(at + 4);
    if (record.u32(at) === END_OF_ATTRIBUTES || length < 16 || !record.has(at, length)) break;
    nodes.push(attributeNode(record.part(at, length)));
    at += length;
  }
  return nodes;
}

function recogniseRecord({ view }: Place): Structure | null {
  if (!view.isAscii(0, 'FILE')) return null;
  const size = view.u32(28);
  const isPlausible =
    size >= SECTOR && size <= MOST_RECORD_BYTES && size % SECTOR === 0 && view.u32(24) <= size;
  if (!isPlausible || view.u16(20) >= size) return null;
  const record = view.part(0, size);
  const names = attributes(record).filter(({ name }) => name === '$FILE_NAME');
  const flags = record.u16(22);
  return {
    name: 'NTFS MFT record',
    offset: record.start,
    length: record.length,
    value: record.u16(4) >= 48 ? String(record.u32(44)) : '',
    meaning: [
      names.at(-1)?.value,
      (flags & 2) !== 0 ? 'directory' : '',
      (flags & 1) === 0 ? 'not in use' : '',
    ]
      .filter((part) => part !== undefined && part !== '')
      .join(', '),
    ...sureness(record, 'FILE'),
    children: () => {
      const whole = mended(record);
      return [...readFields(whole, recordLayout), ...attributes(whole)];
    },
  };
}

export const recogniseNtfs = (place: Place): Structure | null =>
  recogniseBoot(place) ?? recogniseRecord(place) ?? recogniseIndexRecord(place);
