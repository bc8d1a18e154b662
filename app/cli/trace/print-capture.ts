/** Prints the requests of a capture, as those of a disk are printed. */
import { captureDisk } from '../../capture/capture-disk';
import type { CaptureFile } from '../../capture/file';
import { CaptureTraceReader } from '../../capture/trace-reader';
import { RECORD_BYTES, decodeRecord } from '../../contract/trace';
import { diskId } from '../../contract/units';
import type { Filter } from '../../filter/filter';
import type { ReadPayload } from '../../filter/payload-answers';
import type { Terminal } from '../terminal';
import { BatchFilter } from './batch-filter';
import type { TraceFormat } from './format';
import { GapsPassed } from './gaps-passed';

const BATCH_RECORDS = 8192;

export interface PrintOptions {
  readonly terminal: Terminal;
  readonly format: TraceFormat;
  readonly filter: Filter | null;
  /** Ends after so many requests. */
  readonly count: number;
}

/** Closes the file. Throws CAPTURE_DAMAGED. */
export async function printCapture(file: CaptureFile, options: PrintOptions): Promise<void> {
  const { terminal, format, count: most } = options;
  const disk = captureDisk(file, diskId('capture'), 0);
  const reader = new CaptureTraceReader(file, disk.number);
  const filter =
    options.filter &&
    new BatchFilter(options.filter, recordedPayloads(file), reader.epochMonotonicNs);
  const buffer = new ArrayBuffer(BATCH_RECORDS * RECORD_BYTES);
  const view = new DataView(buffer);
  const offset = reader.epochRealtimeNs - reader.epochMonotonicNs;
  const gaps = new GapsPassed(disk.gaps);
  let printed = 0;
  try {
    await terminal.print(...format.header(), format.attached(disk));
    while (printed < most && !terminal.end.aborted) {
      const { count, lost } = reader.read(buffer);
      const lines = lost > 0n ? [format.lost(disk, lost)] : [];
      const passing = filter && (await filter.passing(buffer, count));
      for (let index = 0; index < count && printed < most; index++) {
        for (const gap of gaps.before(view, index * RECORD_BYTES))
          lines.push(format.gap(disk, gap, offset));
        if (passing?.has(index) === false) continue;
        const record = decodeRecord(view, index * RECORD_BYTES);
        lines.push(format.request(disk, record, record.arrival + offset));
        printed++;
      }
      await terminal.print(...lines);
      if (count === 0) break;
    }
    for (const note of disk.notes) terminal.say(`${file.path}: ${note}`);
  } finally {
    reader.close();
  }
}

/** A request without a payload has none that was lost: no byte is in it. */
function recordedPayloads(file: CaptureFile): ReadPayload {
  return (sequence) =>
    Promise.resolve(
      file.readPayload(BigInt(sequence), 0, Number.MAX_SAFE_INTEGER)?.bytes ?? new Uint8Array(0),
    );
}
