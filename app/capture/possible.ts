/**
 * What no request on a block device can have. A capture may be made by anybody:
 * its checksums say that it is whole, not that it was recorded.
 */
import {
  DM_USER_REQUEST_READ,
  DM_USER_REQUEST_WRITE,
  DM_USER_REQUEST_ZONE_APPEND,
} from '../contract/wire.gen';
import { SECTOR_BYTES } from '../contract/units';
import type { BatchHead } from './batch';
import type { BodyLayout } from './columns';
import { wideNumber } from './order';

/** Sequences and sectors are counted with numbers that are exact below it: 4 EiB of sectors. */
const EXACT = 2 ** 53;
/** Bytes of one bio: the kernel counts them with 32 bits. */
const BIO_BYTES = 2 ** 32;
/** Of the high word: the kernel's times have a sign. */
const TIME_HIGH = 2 ** 31;

const carriesBytes = (operation: number): boolean =>
  operation === DM_USER_REQUEST_READ ||
  operation === DM_USER_REQUEST_WRITE ||
  operation === DM_USER_REQUEST_ZONE_APPEND;

/**
 * The first thing that is wrong with the records in `body`, in words ("request 17
 * ends before it begins"); null when all are possible. `body` holds the columns,
 * the validity and the offsets of the payloads.
 */
export function impossibility(
  body: ArrayBuffer,
  layout: BodyLayout,
  head: BatchHead,
): string | null {
  const row = firstImpossible(body, layout, head);
  if (row !== -1) return wordsFor(body, layout, head, row);
  const offsets = new Int32Array(body, layout.offsets, head.rows + 1);
  for (let before = 0, index = 0; index < offsets.length; index++) {
    const offset = offsets[index] ?? 0;
    if (offset < before || offset > head.payloadBytes) return 'its payloads overlap';
    before = offset;
  }
  return null;
}

/** Number of the row; -1 without one. One loop over few columns: a large capture is opened with it. */
function firstImpossible(body: ArrayBuffer, layout: BodyLayout, head: BatchHead): number {
  const { rows } = head;
  const [sequences, arrivals, completions, sectors, lengths] = wideColumns(body, layout, rows);
  const operations = new Uint8Array(body, layout.columns[OPERATION], rows);
  const first = Math.max(1, Number(head.first));
  const last = Math.min(Number(head.last), EXACT - 1);
  for (let row = 0, low = 0; row < rows; row++, low += 2) {
    const high = low + 1;
    const sequence = wideNumber(sequences, low);
    if (sequence < first || sequence > last) return row;
    const arrived = arrivals[high] ?? 0;
    const completed = completions[high] ?? 0;
    if (completed >= TIME_HIGH || completed < arrived) return row;
    if (completed === arrived && (completions[low] ?? 0) < (arrivals[low] ?? 0)) return row;
    // Neither is worth a multiplication in a request as they mostly are.
    if ((lengths[high] ?? 0) === 0 && (sectors[high] ?? 0) < 2 ** 20) continue;
    if (!isPlace(wideNumber(sectors, low), wideNumber(lengths, low))) return row;
    if ((lengths[high] ?? 0) !== 0 && carriesBytes(operations[row] ?? 0)) return row;
  }
  return -1;
}

/** Of `operation` among the columns of a capture. */
const OPERATION = 10;

type Wide = readonly [Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array];

/** Sequences, arrivals, completions, sectors and lengths, as pairs of words. */
function wideColumns(body: ArrayBuffer, { columns }: BodyLayout, rows: number): Wide {
  const words = (index: number) => new Uint32Array(body, columns[index], 2 * rows);
  return [words(0), words(1), words(2), words(3), words(4)];
}

/** Taken away, not added: the sum would be rounded. */
const isPlace = (sector: number, length: number): boolean =>
  sector < EXACT && sector <= EXACT - Math.ceil(length / SECTOR_BYTES);

/** What is wrong with a row that `firstImpossible` found. */
function wordsFor(body: ArrayBuffer, layout: BodyLayout, head: BatchHead, row: number): string {
  const [sequences, arrivals, completions, sectors, lengths] = wideColumns(body, layout, head.rows);
  const exact = (column: Uint32Array) =>
    (BigInt(column[2 * row + 1] ?? 0) << 32n) | BigInt(column[2 * row] ?? 0);
  const sequence = exact(sequences);
  if (sequence < head.first || sequence > head.last) {
    return `request ${sequence} is not one of those`;
  }
  if (sequence === 0n || sequence >= BigInt(EXACT)) return `no request has the number ${sequence}`;
  const who = `request ${sequence}`;
  const [arrival, completion] = [exact(arrivals), exact(completions)];
  if (completion < arrival) return `${who} ends before it begins`;
  if (completion >= 1n << 63n) return `${who} ends in ${completion} ns, which no clock shows`;
  const [sector, length] = [exact(sectors), exact(lengths)];
  if (sector >= BigInt(EXACT)) return `${who} begins at sector ${sector}, where no disk reaches`;
  if (!isPlace(Number(sector), Number(length))) {
    return `${who} is ${length} bytes long, more than any disk has there`;
  }
  return `${who} carries ${length} bytes; ${BIO_BYTES - SECTOR_BYTES} are the most`;
}
