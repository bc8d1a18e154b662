/**
 * The fix-ups of NTFS: the last two bytes of each sector of a record are a number
 * that shows whether all of it was written; what was there before is at its
 * beginning.
 */
import { ByteView } from '../byte-view';
import type { Structure } from '../structure';

const SECTOR = 512;

/** Whether the last two bytes of each sector are the fix-up number; null if that cannot be told. */
export function fixUpsAgree(record: ByteView): boolean | null {
  const at = record.u16(4);
  const count = record.u16(6) - 1;
  if (count < 1 || count * SECTOR > record.length || !record.has(at, 2 * (count + 1))) return null;
  const number = record.u16(at);
  for (let index = 1; index <= count; index++) {
    if (record.u16(index * SECTOR - 2) !== number) return false;
  }
  return true;
}

/** The bytes of `record` alone, with those that the fix-ups stand for put back. */
export function withoutFixUps(record: ByteView): Uint8Array {
  const bytes = record.slice().slice();
  const at = record.u16(4);
  for (let index = 1; index < record.u16(6) && index * SECTOR <= bytes.length; index++) {
    bytes.set(record.slice(at + index * 2, 2), index * SECTOR - 2);
  }
  return bytes;
}

/**
 * `record` in a whole copy of the payload in which it is mended, so that what is
 * read there has its place in the payload. For a record that is opened: while a
 * payload is looked through, a copy for each would be quadratic.
 */
export function mended(record: ByteView): ByteView {
  const payload = record.bytes.slice();
  if (fixUpsAgree(record) === true) payload.set(withoutFixUps(record), record.start);
  return new ByteView(payload, record.start, record.length);
}

/** How sure a record with `magic` is, and why. */
export function sureness(
  record: ByteView,
  magic: string,
): Pick<Structure, 'confidence' | 'check' | 'evidence'> {
  const agree = fixUpsAgree(record);
  if (agree === null) {
    return { confidence: 'magic', evidence: `"${magic}"; its fix-ups were not checked` };
  }
  return agree
    ? { confidence: 'checked', check: 'fix-ups', evidence: `"${magic}", fix-ups agree` }
    : {
        confidence: 'damaged',
        check: 'fix-ups',
        evidence: `"${magic}", fix-ups differ: a torn write`,
      };
}
