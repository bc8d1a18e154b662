/** LVM2: the label with the physical volume's header, and the metadata area's header. */
import type { ByteView } from '../byte-view';
import { crc32Register } from '../checksums';
import { checksum, custom, fieldsIn, readFields, text, type Field, type Layout } from '../fields';
import type { Place } from '../recogniser';
import type { Structure, StructureNode } from '../structure';

const SECTOR = 512;
const CHECKSUM_SEED = 0xf597a6cf;
const METADATA_MAGIC = ' LVM2 x[5A%r0N*>';
const MOST_AREAS = 16;

const { u32, u64 } = fieldsIn('little');

const sumFrom = (at: number) => (view: ByteView) =>
  view.has(0, SECTOR) ? crc32Register(CHECKSUM_SEED, view.slice(at, SECTOR - at)) : null;

const labelLayout: Layout = [
  text(0, 8, 'id'),
  u64(8, 'sector', 'where this label lies'),
  checksum(16, 4, 'crc', 'little', sumFrom(20)),
  u32(20, 'offset', 'where the header begins'),
  text(24, 8, 'type'),
];

/** A UUID as LVM prints it: 6-4-4-4-4-4-6 characters. */
export function lvmUuid(view: ByteView, at: number): string {
  const word = view.text(at, 32);
  const ends = [0, 6, 10, 14, 18, 22, 26, 32];
  return ends
    .slice(1)
    .map((end, index) => word.slice(ends[index], end))
    .join('-');
}

const volumeLayout: Layout = [
  custom(0, 32, 'pv_uuid', (view, at) => ({ value: lvmUuid(view, at) })),
  u64(32, 'device_size', 'bytes'),
];

/** A list of (offset, size) ended by a pair of zeroes. */
function areas(
  view: ByteView,
  from: number,
  name: string,
): { nodes: StructureNode[]; end: number } {
  const nodes: StructureNode[] = [];
  let at = from;
  for (; nodes.length < MOST_AREAS && view.has(at, 16) && !view.isZero(at, 16); at += 16) {
    const size = view.u64(at + 8);
    const part = view.part(at, 16);
    nodes.push({
      name: `${name}[${nodes.length}]`,
      offset: part.start,
      length: 16,
      value: `byte ${view.u64(at)}`,
      meaning: size === 0n ? 'to the end' : `${size} bytes`,
      children: () => readFields(part, [u64(0, 'offset', 'bytes'), u64(8, 'size', 'bytes')]),
    });
  }
  return { nodes, end: at + 16 };
}

function volumeNodes(volume: ByteView): readonly StructureNode[] {
  const data = areas(volume, 40, 'disk_areas');
  const metadata = areas(volume, data.end, 'metadata_areas');
  return [...readFields(volume, volumeLayout), ...data.nodes, ...metadata.nodes];
}

function judged(
  record: ByteView,
  name: string,
  at: number,
  magic: string,
  from: number,
): Pick<Structure, 'name' | 'offset' | 'length' | 'confidence' | 'evidence'> {
  const expected = sumFrom(from)(record);
  const isRight = expected === record.u32(at);
  return {
    name,
    offset: record.start,
    length: record.length,
    confidence: expected === null ? 'magic' : isRight ? 'checked' : 'damaged',
    evidence: `${magic}, CRC ${expected === null ? 'not checked' : isRight ? 'right' : 'wrong'}`,
  };
}

const locationLayout = (index: number): Field =>
  custom(40 + index * 24, 24, `raw_locns[${index}]`, (view, at) => ({
    value: view.isZero(at, 24) ? 'unused' : `byte ${view.u64(at)} of the area`,
    meaning: view.isZero(at, 24) ? '' : `${view.u64(at + 8)} bytes of text`,
    children: () =>
      readFields(view.part(at, 24), [
        u64(0, 'offset'),
        u64(8, 'size'),
        u32(16, 'checksum'),
        u32(20, 'flags'),
      ]),
  }));

const metadataLayout: Layout = [
  checksum(0, 4, 'checksum', 'little', sumFrom(4)),
  text(4, 16, 'magic'),
  u32(20, 'version'),
  u64(24, 'start', 'byte of the device'),
  u64(32, 'size', 'bytes'),
  locationLayout(0),
  locationLayout(1),
];

export function recogniseLvm({ view }: Place): Structure | null {
  const record = view.part(0, SECTOR);
  if (view.isAscii(0, 'LABELONE') && view.isAscii(24, 'LVM2 001')) {
    const volume = record.part(record.u32(20));
    return {
      ...judged(record, 'LVM label', 16, '"LABELONE"', 20),
      value: lvmUuid(volume, 0),
      meaning: `a physical volume of ${volume.u64(32)} bytes`,
      children: () => [...readFields(record, labelLayout), ...volumeNodes(volume)],
    };
  }
  if (!view.isAscii(4, METADATA_MAGIC)) return null;
  return {
    ...judged(record, 'LVM metadata area header', 0, 'magic', 4),
    value: '',
    meaning: `${record.u64(32)} bytes of text in a ring`,
    children: () => readFields(record, metadataLayout),
  };
}
