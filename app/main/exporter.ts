/**
 * The thread of one export (a bundle of its own, dist/exporter.cjs): a long
 * capture takes a while, and nothing else of the main process waits for it.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { exportCapture } from '../capture/export/exporters';
import { openCapture } from '../capture/open-capture';
import type { ExportFormat } from '../contract/capture';
import { toErrorValue, type ErrorValue } from '../contract/errors';

/** What the thread is started with. */
export interface ExportTask {
  /** Of the native addon: it cannot be found from inside an archive. */
  readonly addonPath: string;
  readonly source: string;
  readonly format: ExportFormat;
  readonly path: string;
  readonly overwrite: boolean;
  /** One 32-bit word: not 0 calls it off. */
  readonly stop: SharedArrayBuffer;
}

export type ExportMessage =
  | { readonly type: 'progress'; readonly share: number }
  | { readonly type: 'done'; readonly path: string; readonly remarks: readonly string[] }
  | { readonly type: 'failed'; readonly error: ErrorValue }
  | { readonly type: 'stopped' };

/** Called off, on purpose. */
class Stopped extends Error {}

function tell(message: ExportMessage): void {
  parentPort?.postMessage(message);
}

async function run({ addonPath, source, format, path, overwrite, stop }: ExportTask) {
  process.env['BIOSCOPE_ADDON'] = addonPath;
  const stopped = new Int32Array(stop);
  const file = await openCapture(source);
  try {
    const made = exportCapture(file, format, path, overwrite, (share) => {
      if (Atomics.load(stopped, 0) !== 0) throw new Stopped();
      tell({ type: 'progress', share });
    });
    tell({ type: 'done', ...made });
  } finally {
    file.close();
  }
}

if (!isMainThread) {
  run(workerData as ExportTask).catch((thrown: unknown) => {
    tell(
      thrown instanceof Stopped
        ? { type: 'stopped' }
        : { type: 'failed', error: toErrorValue(thrown) },
    );
  });
}
