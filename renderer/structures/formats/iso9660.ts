/** The volume descriptors of ISO 9660, with El Torito and Joliet; names as in ECMA-119. */
import type { ByteView } from '../byte-view';
import { custom, fieldsIn, raw, readFields, text, type Field, type Layout } from '../fields';
import type { Place } from '../recogniser';
import type { Structure } from '../structure';

const DESCRIPTOR_BYTES = 2048;
const EL_TORITO = 'EL TORITO SPECIFICATION';

const descriptorTypes: Readonly<Record<number, string>> = {
  0: 'boot record',
  1: 'primary volume descriptor',
  2: 'supplementary volume descriptor',
  3: 'volume partition descriptor',
  255: 'set terminator',
};

const { u8, u32, enum8 } = fieldsIn('little');

/** A number stored in both byte orders, which must agree. */
const both = (size: 2 | 4, at: number, name: string, about = ''): Field =>
  custom(at, size * 2, name, (view, place) => {
    const little = size === 2 ? view.u16(place) : view.u32(place);
    const big = size === 2 ? view.u16(place + 2, 'big') : view.u32(place + 4, 'big');
    if (little === big) return { value: String(little), meaning: about };
    return { value: String(little), meaning: `${big} in its other byte order`, isWrong: true };
  });

/** "2026112210411400" and a zone as "2026-11-22 10:41:14". */
const date = (at: number, name: string): Field =>
  custom(at, 17, name, (view, place) => {
    const digits = view.text(place, 16);
    if (!/^\d{16}$/.test(digits) || /^0+$/.test(digits)) return { value: 'not set' };
    const part = (from: number, to: number) => digits.slice(from, to);
    const zone = ((view.u8(place + 16) << 24) >> 24) * 15;
    return {
      value: `${part(0, 4)}-${part(4, 6)}-${part(6, 8)} ${part(8, 10)}:${part(10, 12)}:${part(12, 14)}`,
      meaning: zone === 0 ? 'UTC' : `${zone} minutes from UTC`,
    };
  });

const beginning: Layout = [
  enum8(0, 'Volume Descriptor Type', descriptorTypes),
  text(1, 5, 'Standard Identifier'),
  u8(6, 'Volume Descriptor Version'),
];

const rootLayout: Layout = [
  u8(0, 'Length of Directory Record'),
  both(4, 2, 'Location of Extent', 'logical block'),
  both(4, 10, 'Data Length', 'bytes'),
];

/** Joliet's escape sequences: its text is UCS-2, big-endian. */
const isJoliet = (view: ByteView): boolean =>
  view.u8(0) === 2 && view.u16(88, 'big') === 0x252f && [0x40, 0x43, 0x45].includes(view.u8(90));

function volumeLayout(view: ByteView): Layout {
  const wide = fieldsIn('big');
  const words = (at: number, size: number, name: string): Field =>
    isJoliet(view)
      ? custom(at, size, name, (record, place) => ({
          value: JSON.stringify(record.utf16(place, size, 'big').trimEnd()),
        }))
      : text(at, size, name);
  return [
    ...beginning,
    words(8, 32, 'System Identifier'),
    words(40, 32, 'Volume Identifier'),
    both(4, 80, 'Volume Space Size', 'logical blocks'),
    ...(view.u8(0) === 2 ? [raw(88, 32, 'Escape Sequences', isJoliet(view) ? 'Joliet' : '')] : []),
    both(2, 120, 'Volume Set Size'),
    both(2, 124, 'Volume Sequence Number'),
    both(2, 128, 'Logical Block Size', 'bytes'),
    both(4, 132, 'Path Table Size', 'bytes'),
    u32(140, 'Location of Type L Path Table', 'logical block'),
    u32(144, 'Location of Optional Type L Path Table'),
    wide.u32(148, 'Location of Type M Path Table', 'logical block'),
    wide.u32(152, 'Location of Optional Type M Path Table'),
    custom(156, 34, 'Directory Record for Root Directory', (record, at) => ({
      value: '',
      meaning: `block ${record.u32(at + 2)}, ${record.u32(at + 10)} bytes`,
      children: () => readFields(record.part(at, 34), rootLayout),
    })),
    words(190, 128, 'Volume Set Identifier'),
    words(318, 128, 'Publisher Identifier'),
    words(446, 128, 'Data Preparer Identifier'),
    words(574, 128, 'Application Identifier'),
    words(702, 37, 'Copyright File Identifier'),
    words(739, 37, 'Abstract File Identifier'),
    words(776, 37, 'Bibliographic File Identifier'),
    date(813, 'Volume Creation Date and Time'),
    date(830, 'Volume Modification Date and Time'),
    date(847, 'Volume Expiration Date and Time'),
    date(864, 'Volume Effective Date and Time'),
    u8(881, 'File Structure Version'),
  ];
}

const bootLayout: Layout = [
  ...beginning,
  text(7, 32, 'Boot System Identifier'),
  text(39, 32, 'Boot Identifier'),
  u32(71, 'Boot Catalog', 'logical block, with El Torito'),
];

const isFromTheSameBytes = (view: ByteView): boolean =>
  view.u32(80) === view.u32(84, 'big') && view.u16(128) === view.u16(130, 'big');

export function recogniseIso9660({ view }: Place): Structure | null {
  const type = view.u8(0);
  const name = descriptorTypes[type];
  if (!view.isAscii(1, 'CD001') || name === undefined || view.u8(6) > 2) return null;
  const record = view.part(0, DESCRIPTOR_BYTES);
  const isVolume = type === 1 || type === 2;
  const agrees = !isVolume || isFromTheSameBytes(record);
  const identifier = isJoliet(record)
    ? record.utf16(40, 32, 'big').trimEnd()
    : record.text(40, 32).trimEnd();
  const isElTorito = type === 0 && record.isAscii(7, EL_TORITO);
  return {
    name: `ISO 9660 ${name}`,
    offset: record.start,
    length: record.length,
    value: isVolume ? JSON.stringify(identifier) : '',
    meaning: isElTorito ? 'El Torito' : isJoliet(record) ? 'Joliet' : '',
    confidence: agrees ? 'magic' : 'damaged',
    check: 'copies',
    evidence: agrees ? '"CD001"' : '"CD001", but its numbers differ in their two byte orders',
    children: () =>
      readFields(record, isVolume ? volumeLayout(record) : type === 0 ? bootLayout : beginning),
  };
}
