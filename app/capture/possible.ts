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

const SECTOR = BigInt(SECTOR_BYTES);
/** Sequences and sectors are counted with numbers that are exact below it: 4 EiB of sectors. */
const EXACT = 1n << 53n;
/** Bytes of one bio: the kernel counts them with 32 bits. */
const BIO_BYTES = 1n << 32n;
/** The kernel's times have a sign. */
const TIMES = 1n << 63n;
/** Of their high word. */
const TIME_HIGH = 2 ** 31;
const WORD = 0xffff_ffffn;
/** Of a sector's high word: with what is below, less than 4 GiB end on a disk. */
const SECTOR_HIGH = 2 ** 20;

const carriesBytes = (operation: number): boolean =>
  operation === DM_USER_REQUEST_READ ||
  operation === DM_USER_REQUEST_WRITE ||
  operation === DM_USER_REQUEST_ZONE_APPEND;

/** Of one request, what a block device has to do with: times in ns, sectors of 512 bytes, bytes. */
export interface RequestNumbers {
  readonly arrival: bigint;
  readonly completion: bigint;
  readonly sector: bigint;
  readonly length: bigint;
  readonly operation: number;
}

/** What no request has, in words that follow its name ("ends before it begins"); null when it is possible. */
export function whyImpossible(request: RequestNumbers): string | null {
  const { arrival, completion, sector, length, operation } = request;
  if (completion < arrival) return 'ends before it begins';
  if (completion >= TIMES) return `ends in ${completion} ns, which no clock shows`;
  if (sector >= EXACT) return `begins at sector ${sector}, where no disk reaches`;
  if (sector * SECTOR + length > EXACT * SECTOR) {
    return `is ${length} bytes long, more than any disk has there`;
  }
  if (length >= BIO_BYTES && carriesBytes(operation)) {
    return `carries ${length} bytes; ${BIO_BYTES - SECTOR} are the most`;
  }
  return null;
}

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
  const wrong = firstImpossible(body, layout, head);
  if (wrong !== null) return wrong;
  const offsets = new Int32Array(body, layout.offsets, head.rows + 1);
  for (let before = 0, index = 0; index < offsets.length; index++) {
    const offset = offsets[index] ?? 0;
    if (offset < before || offset > head.payloadBytes) return 'its payloads overlap';
    before = offset;
  }
  return null;
}

/** Of `operation` among the columns of a capture. */
const OPERATION = 10;

/**
 * One loop over few columns: a large capture is opened with it. Most requests are
 * possible by the high words of their numbers; only of others is more asked.
 */
function firstImpossible(body: ArrayBuffer, layout: BodyLayout, head: BatchHead): string | null {
  const { rows } = head;
  const words = (index: number) => new Uint32Array(body, layout.columns[index], 2 * rows);
  const [sequences, arrivals, completions] = [words(0), words(1), words(2)];
  const [sectors, lengths] = [words(3), words(4)];
  const operations = new Uint8Array(body, layout.columns[OPERATION], rows);
  const [firstLow, lastLow] = [Number(head.first & WORD), Number(head.last & WORD)];
  // Of a batch, all sequences have the same high word; of one in 2^32 it is asked exactly.
  const isOneHigh = head.first >> 32n === head.last >> 32n && head.first > 0n && head.last < EXACT;
  const sequenceHigh = isOneHigh ? Number(head.first >> 32n) : -1;
  for (let row = 0, low = 0; row < rows; row++, low += 2) {
    const high = low + 1;
    const sequence = sequences[low] ?? 0;
    const arrived = arrivals[high] ?? 0;
    const completed = completions[high] ?? 0;
    const isInOrder =
      arrived < completed ||
      (arrived === completed && (arrivals[low] ?? 0) <= (completions[low] ?? 0));
    const isPlain =
      sequences[high] === sequenceHigh &&
      sequence >= firstLow &&
      sequence <= lastLow &&
      isInOrder &&
      completed < TIME_HIGH &&
      (sectors[high] ?? 0) < SECTOR_HIGH &&
      lengths[high] === 0;
    if (isPlain) continue;
    const exact = (column: Uint32Array) =>
      (BigInt(column[high] ?? 0) << 32n) | BigInt(column[low] ?? 0);
    const number = exact(sequences);
    if (number < head.first || number > head.last) return `request ${number} is not one of those`;
    if (number === 0n || number >= EXACT) return `no request has the number ${number}`;
    const why = whyImpossible({
      arrival: exact(arrivals),
      completion: exact(completions),
      sector: exact(sectors),
      length: exact(lengths),
      operation: operations[row] ?? 0,
    });
    if (why !== null) return `request ${number} ${why}`;
  }
  return null;
}
