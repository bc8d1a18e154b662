/**
 * Records as packed columns: what the feed sends of a capture, and of a disk wherever a
 * batch is not short. Each column is as narrow as its values are in this piece, since a
 * byte that crosses a process boundary is written four times into memory that nobody has
 * touched before; a typical request takes some 20 bytes instead of the 64 of a record.
 *
 * A buffer begins with a head for each field of a record but the disk, in their
 * order there (16 bytes: width u16, shift u16, where the values begin u32, base
 * f64), and has the values behind them. A value is its column's base, plus what is
 * packed in `width` bytes a row (0, 1, 2 or 4) shifted left by `shift` (lengths are
 * whole sectors), plus for two columns what it follows: sequences count up with
 * the rows, and completions follow arrivals. Where that does not do (a number beyond
 * 2^53, a span beyond 32 bits), the width is 8 and the values are as they are.
 * Little-endian machines only, like the trace itself.
 */

/** Values of a column: 64-bit ones as pairs of words, low first. */
export type ColumnValues = Uint8Array | Uint16Array | Uint32Array;

/** Bytes of a value of each field, in the order of a record; the first ones are those of 8. */
export const columnWidths = [8, 8, 8, 8, 8, 4, 4, 2, 2, 2, 1, 1, 1, 1] as const;

/** Which of them follow another: the number of the row, or the arrival. */
const SEQUENCE = 0;
const ARRIVAL = 1;
const COMPLETION = 2;

const HEAD_BYTES = 16;
const HEADS_BYTES = HEAD_BYTES * columnWidths.length;
/** Rows of a buffer at most: a quarter of what 32 bits of offsets reach. */
const MOST_ROWS = 1 << 24;

const HIGH = 0x1_0000_0000;

/** Bits that a value is shifted by at most. */
const MOST_SHIFT = 16;

interface Head {
  readonly width: number;
  readonly shift: number;
  readonly offset: number;
  readonly base: number;
}

/** Whether `bytes` are packed columns of `rows` rows. */
export function arePackedColumns(bytes: ArrayBuffer, rows: number): boolean {
  if (!Number.isInteger(rows) || rows < 0 || rows > MOST_ROWS) return false;
  if (bytes.byteLength < HEADS_BYTES) return false;
  return columnWidths.every((full, field) => {
    const { width, shift, offset, base } = headOf(bytes, field);
    return (
      [0, 1, 2, 4, 8].includes(width) &&
      width <= full &&
      shift <= (full === 8 ? MOST_SHIFT : 0) &&
      offset % 8 === 0 &&
      offset + width * rows <= bytes.byteLength &&
      Number.isSafeInteger(base)
    );
  });
}

/** The sequence of the first row. */
export function firstSequence(bytes: ArrayBuffer): number {
  const head = headOf(bytes, SEQUENCE);
  if (head.width !== 8) {
    return head.base + (packedWords(bytes, head, 0, 1)[0] ?? 0) * 2 ** head.shift;
  }
  const [low = 0, high = 0] = new Uint32Array(bytes, head.offset, 2);
  return high * HIGH + low;
}

/**
 * Unpacks `count` rows, beginning with `from`, into `targets` (the values of each field,
 * in the order of a record) from the row `to` on. `areZero`: those rows are, so far;
 * memory that is left alone costs nothing.
 */
export function unpackColumns(
  bytes: ArrayBuffer,
  from: number,
  targets: readonly ColumnValues[],
  to: number,
  count: number,
  areZero = false,
): void {
  columnWidths.forEach((full, field) => {
    const target = targets[field];
    if (!target) throw new RangeError(`there is no column ${field}`);
    const head = headOf(bytes, field);
    if (full < 8) {
      if (head.width > 0) target.set(packedValues(bytes, head, from, count), to);
      else if (head.base !== 0 || !areZero) target.fill(head.base, to, to + count);
      return;
    }
    const pairs = (target as Uint32Array).subarray(2 * to, 2 * (to + count));
    if (head.width === 8) {
      pairs.set(new Uint32Array(bytes, head.offset + 8 * from, 2 * count));
      return;
    }
    const words = packedWords(bytes, head, from, count);
    if (field === SEQUENCE) spreadSequences(words, head, from, pairs);
    else if (field === COMPLETION) {
      const arrivals = (targets[ARRIVAL] as Uint32Array).subarray(2 * to, 2 * (to + count));
      spreadSince(words, head, arrivals, pairs);
    } else spreadWide(words, head, pairs);
  });
}

function headOf(bytes: ArrayBuffer, field: number): Head {
  const [width = 0, shift = 0] = new Uint16Array(bytes, HEAD_BYTES * field, 2);
  const [offset = 0] = new Uint32Array(bytes, HEAD_BYTES * field + 4, 1);
  const [base = 0] = new Float64Array(bytes, HEAD_BYTES * field + 8, 1);
  return { width, shift, offset, base };
}

/** Those of 1, 2 or 4 bytes. */
function packedValues(bytes: ArrayBuffer, head: Head, from: number, count: number): ColumnValues {
  const begin = head.offset + head.width * from;
  if (head.width === 1) return new Uint8Array(bytes, begin, count);
  if (head.width === 2) return new Uint16Array(bytes, begin, count);
  return new Uint32Array(bytes, begin, count);
}

let widened = new Uint32Array(0);

/** Packed values as words, gone at the next call: the loops see one kind. */
function packedWords(bytes: ArrayBuffer, head: Head, from: number, count: number): Uint32Array {
  if (head.width === 4) return new Uint32Array(bytes, head.offset + 4 * from, count);
  if (widened.length < count) widened = new Uint32Array(count);
  const words = widened.subarray(0, count);
  if (head.width === 0) words.fill(0);
  else words.set(packedValues(bytes, head, from, count));
  return words;
}

// These loops are most of what opening a large capture costs the worker: 64 bits are
// added as two words, without a division a value.

function spreadWide(from: Uint32Array, { base, shift }: Head, to: Uint32Array): void {
  const [baseLow, baseHigh] = [base >>> 0, Math.floor(base / HIGH)];
  for (let row = 0; row < from.length; row++) {
    const word = from[row] ?? 0;
    const low = (baseLow + (word << shift)) >>> 0;
    const carried = low < baseLow ? 1 : 0;
    to[2 * row] = low;
    to[2 * row + 1] = baseHigh + aboveLow(word, shift) + carried;
  }
}

/** Those that follow the values `before`. */
function spreadSince(from: Uint32Array, head: Head, before: Uint32Array, to: Uint32Array): void {
  spreadWide(from, head, to);
  for (let low = 0; low < to.length; low += 2) {
    const since = to[low] ?? 0;
    const sum = (since + (before[low] ?? 0)) >>> 0;
    const carried = sum < since ? 1 : 0;
    to[low] = sum;
    to[low + 1] = (to[low + 1] ?? 0) + (before[low + 1] ?? 0) + carried;
  }
}

/** Those that follow the number of the row; the first one is `first`. */
function spreadSequences(
  from: Uint32Array,
  { base, shift }: Head,
  first: number,
  to: Uint32Array,
): void {
  for (let row = 0; row < from.length; row++) {
    const value = base + first + row + (from[row] ?? 0) * 2 ** shift;
    to[2 * row] = value;
    to[2 * row + 1] = value / HIGH;
  }
}

/** The high word of `word` shifted left: in two steps, as a shift by 32 would be one by 0. */
const aboveLow = (word: number, shift: number): number => (word >>> 1) >>> (31 - shift);
