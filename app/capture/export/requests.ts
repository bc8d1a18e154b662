/** The requests of a capture one by one, in the order of arrival. */
import { RECORD_BYTES, decodeRecord, type TraceRecord } from '../../contract/trace';
import type { CaptureFile } from '../file';

/**
 * All requests, ascending by sequence. The file has them in the order of
 * completion: those that a later batch may still precede wait for it. `onProgress`
 * is told the share that has been read, 0 to 1, with every batch.
 */
export function* requestsOf(
  file: CaptureFile,
  onProgress: (share: number) => void = () => undefined,
): Generator<TraceRecord> {
  const { batches } = file;
  // From each batch on, the lowest sequence that is still to come.
  const lowestFrom: bigint[] = [];
  let lowest = (1n << 64n) - 1n;
  for (let index = batches.length - 1; index >= 0; index--) {
    lowestFrom[index + 1] = lowest;
    const head = batches[index]?.head;
    if (head && head.rows > 0 && head.first < lowest) lowest = head.first;
  }
  let waiting: TraceRecord[] = [];
  for (let index = 0; index < batches.length; index++) {
    onProgress(index / batches.length);
    const rows = batches[index]?.head.rows ?? 0;
    const records = new ArrayBuffer(rows * RECORD_BYTES);
    file.copyRecords(index, 0, rows, records, 0);
    const view = new DataView(records);
    for (let row = 0; row < rows; row++) waiting.push(decodeRecord(view, row * RECORD_BYTES));
    waiting.sort(({ sequence: left }, { sequence: right }) =>
      left < right ? -1 : left > right ? 1 : 0,
    );
    const bound = lowestFrom[index + 1] ?? 0n;
    const still = waiting.findIndex(({ sequence }) => sequence > bound);
    const ready = still === -1 ? waiting : waiting.slice(0, still);
    waiting = still === -1 ? [] : waiting.slice(still);
    yield* ready;
  }
  yield* waiting;
}
