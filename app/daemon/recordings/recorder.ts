/**
 * The thread of one recording (a bundle of its own, dist/recorder.cjs). The
 * engine's threads serve the disk, the daemon's event loop serves its clients;
 * neither waits for a recording.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { NativeAddon } from '../../addon/addon';
import { loadAddon } from '../../addon/load';
import { CaptureWriter } from '../../capture/writer';
import { toErrorValue } from '../../contract/errors';
import { RECORD_BYTES } from '../../contract/trace';
import { nanoseconds } from '../../contract/units';
import { bioscopeTraceRecordOffsets as at } from '../../contract/wire.gen';
import { STOP, type RecorderMessage, type RecorderNumbers, type RecorderTask } from './messages';
import { record, type RecordOptions } from './record';

const NUMBERS_MS = 250;
const SECOND = 1_000_000_000;
const FOREVER = (1n << 64n) - 1n;

function tell(message: RecorderMessage): void {
  parentPort?.postMessage(message);
}

function numbersOf(writer: CaptureWriter): RecorderNumbers {
  const { rows, lost, payloads, payloadsDropped, bytes } = writer.totals;
  return { records: rows, lost, payloadsKept: payloads, payloadsDropped, bytes };
}

/** The highest sequence that the rings hold now; 0 without any. */
function newestSequence(addon: NativeAddon, tracePath: string): bigint {
  const reader = addon.openTrace(tracePath, 'oldest');
  const buffer = new ArrayBuffer(8192 * RECORD_BYTES);
  const numbers = new BigUint64Array(buffer);
  // Rings that are written meanwhile need not be read to their end.
  let left = Number(reader.ringCapacity) * reader.ringCount;
  let newest = 0n;
  for (;;) {
    const { count } = reader.read(buffer);
    for (let row = 0; row < count; row++) {
      const sequence = numbers[(row * RECORD_BYTES + at.sequence) / 8] ?? 0n;
      if (sequence > newest) newest = sequence;
    }
    left -= count;
    if (count === 0 || left <= 0) break;
  }
  reader.close();
  return newest;
}

/** Where a recording that begins now begins. */
function beginning(
  addon: NativeAddon,
  { past, tracePath }: RecorderTask,
  now: bigint,
): Pick<RecordOptions, 'fromSequence' | 'fromArrival'> {
  if (past.kind === 'requests') {
    const from = newestSequence(addon, tracePath) - BigInt(past.count) + 1n;
    return { fromSequence: from < 0n ? 0n : from, fromArrival: 0n };
  }
  if (past.kind === 'seconds') {
    const from = now - BigInt(Math.round(past.seconds * SECOND));
    return { fromSequence: 0n, fromArrival: from < 0n ? 0n : from };
  }
  return { fromSequence: 0n, fromArrival: 0n };
}

async function run(task: RecorderTask): Promise<void> {
  process.env['BIOSCOPE_ADDON'] = task.addonPath;
  const addon = loadAddon();
  const now = () => process.hrtime.bigint();
  const started = now();
  const reader = addon.openTrace(task.tracePath, task.past.kind === 'none' ? 'newest' : 'oldest');
  const payloads =
    task.payloads === 'none'
      ? null
      : { source: addon.openPayloads(task.tracePath), which: task.payloads };
  const writer = await CaptureWriter.create(
    task.path,
    {
      ...task.header,
      epochMonotonicNs: nanoseconds(reader.epochMonotonicNs),
      epochRealtimeNs: nanoseconds(reader.epochRealtimeNs),
    },
    (bytes, before) => addon.crc32c(bytes, before),
    task.overwrite,
  );
  tell({ type: 'started' });
  const options: RecordOptions = {
    reader,
    payloads,
    writer,
    ...beginning(addon, task, started),
    now,
    until: task.seconds === null ? FOREVER : started + BigInt(Math.round(task.seconds * SECOND)),
  };
  parentPort?.on('message', (message: unknown) => {
    if (message === STOP) options.until = now();
  });
  const timer = setInterval(
    () => tell({ type: 'numbers', numbers: numbersOf(writer) }),
    NUMBERS_MS,
  );
  try {
    await record(options);
    await writer.finish();
    tell({ type: 'ended', numbers: numbersOf(writer) });
  } catch (thrown) {
    // A second failure says nothing new; the file is closed either way.
    await writer.finish().catch(() => undefined);
    tell({ type: 'failed', error: toErrorValue(thrown), numbers: numbersOf(writer) });
  } finally {
    clearInterval(timer);
    reader.close();
    parentPort?.removeAllListeners('message');
  }
}

const nothing: RecorderNumbers = {
  records: 0,
  lost: 0,
  payloadsKept: 0,
  payloadsDropped: 0,
  bytes: 0,
};

if (!isMainThread) {
  run(workerData as RecorderTask).catch((thrown: unknown) => {
    tell({ type: 'failed', error: toErrorValue(thrown), numbers: nothing });
  });
}
