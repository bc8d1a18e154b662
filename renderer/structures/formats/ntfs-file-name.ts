/** What the MFT and the indexes of NTFS both have: names of files, with times and sizes. */
import type { ByteView } from '../byte-view';
import { custom, dated, fieldsIn, type Field, type Layout } from '../fields';

/** Seconds from 1601 to 1970. */
const EPOCH_DIFFERENCE = 11_644_473_600n;
/** Of a name without a letter. */
export const FILE_NAME_BYTES = 66;

const { u8, u64, utf16, flags32 } = fieldsIn('little');

export const fileAttributes = {
  0: 'read-only',
  1: 'hidden',
  2: 'system',
  5: 'archive',
  6: 'device',
  7: 'normal',
  8: 'temporary',
  9: 'sparse',
  10: 'reparse point',
  11: 'compressed',
  13: 'not indexed',
  14: 'encrypted',
  28: 'directory',
};

/** Tenths of microseconds since 1601. */
function windowsTime(value: bigint): string {
  if (value === 0n) return 'never';
  const date = new Date(Number(value / 10_000n - EPOCH_DIFFERENCE * 1000n));
  if (Number.isNaN(date.getTime())) return 'no date';
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

export const time = (at: number, name: string): Field =>
  custom(at, 8, name, (view, place) => {
    const value = view.u64(place);
    return dated(windowsTime(value), `${value} × 100 ns`);
  });

export const fileName = (view: ByteView): Layout => [
  u64(0, 'parent_directory', (value) => `record ${value & 0xffffffffffffn}`),
  time(8, 'creation_time'),
  time(16, 'last_data_change_time'),
  time(24, 'last_mft_change_time'),
  time(32, 'last_access_time'),
  u64(40, 'allocated_size'),
  u64(48, 'data_size'),
  flags32(56, 'file_attributes', fileAttributes),
  u8(64, 'file_name_length', 'characters'),
  u8(65, 'file_name_type', (value) => ['POSIX', 'Win32', 'DOS', 'Win32 and DOS'][value] ?? ''),
  utf16(FILE_NAME_BYTES, view.u8(64) * 2, 'file_name'),
];

export const nameOf = (view: ByteView): string => view.utf16(FILE_NAME_BYTES, view.u8(64) * 2);
