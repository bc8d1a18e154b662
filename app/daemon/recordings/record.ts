/**
 * The work of one recording: from the trace file and the kept payloads into a
 * capture. It runs in a thread of its own (recorder.ts) and knows nothing of it.
 *
 * When the disk cannot keep up, nothing piles up here: the rings go on being
 * written, and what they overwrite before it could be read is counted, in the
 * file and in the numbers.
 */
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import type { NativePayloads, NativeTraceReader } from '../../addon/addon';
import type { CaptureWriter } from '../../capture/writer';
import type { Staging } from '../../capture/staging';
import { BATCH_PAYLOAD_BYTES } from '../../capture/staging';
import { RECORD_BYTES } from '../../contract/trace';
import { bioscopeTraceRecordOffsets as at } from '../../contract/wire.gen';

/** Records taken from the rings at a time. */
const READ_ROWS = 8192;
/** Room for one payload more, whatever its size. */
const ENOUGH_PAYLOAD = BATCH_PAYLOAD_BYTES - 2 * 1024 * 1024;
/** What has waited so long is written, full batch or not. */
const FLUSH_MS = 250;
const SYNC_MS = 1000;
/** How often the rings are looked at while nothing happens; payloads are overwritten sooner than records. */
const IDLE_MS = { records: 16, payloads: 4 } as const;

export interface RecordOptions {
  readonly reader: NativeTraceReader;
  readonly payloads: { readonly source: NativePayloads; readonly which: 'writes' | 'all' } | null;
  readonly writer: CaptureWriter;
  /** The lowest sequence, and the earliest arrival (ns), that count. */
  readonly fromSequence: bigint;
  readonly fromArrival: bigint;
  /** CLOCK_MONOTONIC, ns. */
  readonly now: () => bigint;
  /** Requests completed later than this (ns) do not count, and end it; it may be brought forward meanwhile. */
  until: bigint;
}

/** Records until `until`, or the trace is closed. Throws what keeps the file from being written; the caller finishes the writer. */
export async function record(options: RecordOptions): Promise<void> {
  const { reader, writer } = options;
  const buffer = new ArrayBuffer(READ_ROWS * RECORD_BYTES);
  const idle = options.payloads ? IDLE_MS.payloads : IDLE_MS.records;
  let synced = performance.now();
  for (;;) {
    const staging = await freeStaging(writer);
    const isClosed = reader.closed;
    const isOver = options.now() > options.until;
    const { count, lost } = reader.read(buffer);
    if (lost > 0n) staging.addLost(Number(lost));
    const kept = keepWanted(buffer, count, options);
    await stage(options, staging, buffer, kept);
    const now = performance.now();
    if (!staging.isEmpty && now - staging.since >= FLUSH_MS) writer.flush();
    if (now - synced > SYNC_MS) {
      synced = now;
      writer.sync();
    }
    if (count === 0 && (isClosed || isOver)) return;
    // Rings that are written faster than they can be read never come to an end.
    if (isOver && kept === 0) return;
    await (count === 0 ? sleep(idle) : turn());
  }
}

/** Waits until the disk has taken enough for there to be room. */
async function freeStaging(writer: CaptureWriter): Promise<Staging> {
  for (;;) {
    const { staging } = writer;
    if (!staging) {
      await writer.idle();
      continue;
    }
    const { rowsLeft, payloadBytes } = staging;
    if (rowsLeft >= READ_ROWS && payloadBytes <= ENOUGH_PAYLOAD) return staging;
    if (!writer.flush()) await writer.idle();
  }
}

/** Moves the records that count to the front of `buffer`; returns how many they are. */
function keepWanted(buffer: ArrayBuffer, count: number, options: RecordOptions): number {
  const { fromSequence, fromArrival, until } = options;
  const numbers = new BigUint64Array(buffer);
  const stride = RECORD_BYTES / 8;
  let kept = 0;
  for (let row = 0; row < count; row++) {
    const start = row * stride;
    const isWanted =
      (numbers[start + at.sequence / 8] ?? 0n) >= fromSequence &&
      (numbers[start + at.arrivalNs / 8] ?? 0n) >= fromArrival &&
      (numbers[start + at.completionNs / 8] ?? 0n) <= until;
    if (!isWanted) continue;
    if (kept !== row) numbers.copyWithin(kept * stride, start, start + stride);
    kept++;
  }
  return kept;
}

/** Stages records with their payloads, over several batches if they are long. */
async function stage(
  { payloads, writer }: RecordOptions,
  first: Staging,
  buffer: ArrayBuffer,
  count: number,
): Promise<void> {
  if (!payloads) {
    if (count > 0) first.add(buffer, 0, count, null);
    return;
  }
  const lengths = new Int32Array(count);
  let staging = first;
  for (let done = 0; done < count;) {
    const rest = done === 0 ? buffer : buffer.slice(done * RECORD_BYTES, count * RECORD_BYTES);
    const taken = payloads.source.read(
      rest,
      count - done,
      payloads.which,
      staging.payload,
      staging.payloadBytes,
      lengths.buffer,
    );
    staging.payloadBytes = taken.used;
    staging.payloadsDropped += taken.gone;
    staging.add(rest, 0, taken.count, lengths);
    done += taken.count;
    // What is left did not fit: there is room again in the next batch.
    if (done < count) {
      while (!writer.flush()) await writer.idle();
      staging = await freeStaging(writer);
    }
  }
}
