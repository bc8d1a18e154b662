/** The order of arrival: requests that were in flight together complete, and are recorded, out of it. */

const HIGH = 0x1_0000_0000;
/** Sequences may have gaps: so many numbers a row are worth a table of them. */
const SPARSE = 4;

/** A 64-bit number as a pair of words, low first: exact below 2^53, which no disk gets to. */
export const wideNumber = (words: Uint32Array, low: number): number =>
  (words[low + 1] ?? 0) * HIGH + (words[low] ?? 0);

/**
 * Which row comes first, second and so on by sequence, or null when they are in
 * order already. Sequences are pairs of `words`, the first at `start`, one every
 * `stride` words, `count` of them.
 */
export function orderBySequence(
  words: Uint32Array,
  start: number,
  stride: number,
  count: number,
): Uint32Array | null {
  if (isOrdered(words, start, stride, count)) return null;
  const sequences = new Float64Array(count);
  let lowest = Infinity;
  let highest = -1;
  for (let row = 0; row < count; row++) {
    const sequence = wideNumber(words, start + row * stride);
    sequences[row] = sequence;
    if (sequence < lowest) lowest = sequence;
    if (sequence > highest) highest = sequence;
  }
  const span = highest - lowest + 1;
  const order = span <= count * SPARSE ? orderByTable(sequences, lowest, span) : null;
  return order ?? orderByComparing(sequences);
}

function isOrdered(words: Uint32Array, start: number, stride: number, count: number): boolean {
  let before = -1;
  for (let row = 0; row < count; row++) {
    const sequence = wideNumber(words, start + row * stride);
    if (sequence < before) return false;
    before = sequence;
  }
  return true;
}

/** A place for each sequence there can be. Null when two rows have the same. */
function orderByTable(sequences: Float64Array, lowest: number, span: number): Uint32Array | null {
  /** Row + 1 of each sequence, 0 for none. */
  const rows = new Uint32Array(span);
  for (let row = 0; row < sequences.length; row++) {
    const place = (sequences[row] ?? 0) - lowest;
    if (rows[place] !== 0) return null;
    rows[place] = row + 1;
  }
  const order = new Uint32Array(sequences.length);
  let next = 0;
  for (let place = 0; place < span; place++) {
    const row = rows[place] ?? 0;
    if (row !== 0) order[next++] = row - 1;
  }
  return order;
}

function orderByComparing(sequences: Float64Array): Uint32Array {
  const order = Uint32Array.from(sequences, (_, row) => row);
  return order.sort((left, right) => (sequences[left] ?? 0) - (sequences[right] ?? 0));
}
