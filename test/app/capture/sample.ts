/** A capture of 300 requests that the exports are tried on. */
import { CaptureWriter } from '../../../app/capture/writer';
import { addAll, checksum, header, recordsOf, type RecordFields } from './support';

/* Operations and flags of the trace, by their numbers (native/wire). */
export const [READ, WRITE, FLUSH, DISCARD] = [0, 1, 2, 3];
const FUA = 0x200;
const SYNC = 0x8;

/**
 * Two threads' worth: every third request overtakes the one before it, so that
 * the file's order is not that of arrival. Byte n of the payload of request s is
 * s for all n.
 */
export const requests: RecordFields[] = [];
const payloads: (Buffer | null)[] = [];
for (let index = 0; index < 300; index++) {
  const sequence = BigInt(index + 1);
  const operation = [READ, WRITE, WRITE, READ, WRITE, FLUSH, WRITE, DISCARD][index % 8] ?? READ;
  const isFlush = operation === FLUSH;
  const arrival = header.epochMonotonicNs + 5_000n + BigInt(index) * 100_000n;
  const length = isFlush ? 0 : 4096 * (1 + (index % 3));
  requests.push({
    sequence,
    arrival,
    completion: arrival + (index % 3 === 0 ? 150_000n : 20_000n),
    sector: isFlush ? 0n : BigInt((index * 40) % 2000),
    length: BigInt(length),
    flags: index % 16 === 1 ? FUA | SYNC : 0,
    backendDelay: 3000,
    operation,
    depth: 1 + (index % 7),
    ...(index === 99 ? { error: 5, result: 1 } : {}),
    marks: 1,
  });
  payloads.push(operation === WRITE ? Buffer.alloc(length, index + 1) : null);
}
/** In the order of their completion, as a recording takes them. */
export const completed = requests
  .map((fields, index) => ({ fields, payload: payloads[index] ?? null }))
  .sort((left, right) => Number(left.fields.completion - right.fields.completion));

/** Writes them to a new file, payloads of writes included. */
export async function writeSample(path: string): Promise<void> {
  const writer = await CaptureWriter.create(path, { ...header, payloads: 'writes' }, checksum);
  // Small batches, so that requests wait from one for the next.
  for (let first = 0; first < completed.length; first += 50) {
    const part = completed.slice(first, first + 50);
    await addAll(
      writer,
      recordsOf(part.map(({ fields }) => fields)),
      part.map(({ payload }) => payload),
    );
    while (!writer.flush()) await writer.idle();
  }
  await writer.finish();
}
