/** The exports of captures that go on: each a thread, and what it says of itself. */
import { Worker } from 'node:worker_threads';
import { addonPath } from '../addon/load';
import { exportPath } from '../capture/export/exporters';
import type { ExportFormat, ExportStanding } from '../contract/capture';
import { BioscopeError, toErrorValue } from '../contract/errors';
import type { DiskId } from '../contract/units';
import type { ExportMessage, ExportTask } from './exporter';

interface Entry {
  standing: ExportStanding;
  /** Resolves when it has ended, whatever way. */
  over: Promise<unknown>;
  /** One word: not 0 calls it off. */
  readonly stop: SharedArrayBuffer;
}

export interface ExportWish {
  readonly disk: DiskId;
  readonly format: ExportFormat;
  /** Absolute. */
  readonly path: string;
  /** The user was asked about what is at `path`, and it gives way. */
  readonly mayReplace: boolean;
}

export class Exports {
  private readonly script: string;
  private readonly onChange: (standings: readonly ExportStanding[]) => void;
  private readonly addon: string;
  private readonly entries = new Map<DiskId, Entry>();

  /** `script`: absolute path of the bundled thread. `onChange` is told all that go on, at every change. `addon`: the native addon's. */
  constructor(
    script: string,
    onChange: (standings: readonly ExportStanding[]) => void,
    addon = addonPath(),
  ) {
    this.script = script;
    this.onChange = onChange;
    this.addon = addon;
  }

  /**
   * Exports the capture at `source`; resolves when it is done, with where it is
   * (null when it was called off) and remarks. Throws BioscopeError: USAGE while
   * another export of it goes on, and what exportCapture throws.
   */
  async start(
    source: string,
    { disk, format, path, mayReplace }: ExportWish,
  ): Promise<{ path: string | null; remarks: string[] }> {
    if (this.entries.has(disk)) {
      throw new BioscopeError('USAGE', `${source} is being exported. Wait for that, or stop it.`);
    }
    const target = exportPath(format, path);
    // Of another name than `path` nobody was asked.
    const overwrite = mayReplace && target === path;
    const stop = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    const task = { addonPath: this.addon, source, format, path, overwrite, stop };
    const standing = { disk, format, path: target, share: 0 };
    const over = this.run(task, (share) => {
      entry.standing = { ...standing, share };
      this.tell();
    });
    const entry: Entry = { standing, over, stop };
    this.entries.set(disk, entry);
    this.tell();
    const end = await over;
    this.entries.delete(disk);
    this.tell();
    if (end.type === 'failed') throw BioscopeError.from(end.error);
    if (end.type === 'stopped') return { path: null, remarks: [] };
    return { path: end.path, remarks: [...end.remarks] };
  }

  /** Calls the export of a capture off, if there is one; `start` then answers. */
  stop(disk: DiskId): void {
    const entry = this.entries.get(disk);
    if (entry) Atomics.store(new Int32Array(entry.stop), 0, 1);
  }

  /** Calls all off; resolves when nothing is left of them. */
  async end(): Promise<void> {
    for (const disk of this.entries.keys()) this.stop(disk);
    await Promise.all([...this.entries.values()].map(({ over }) => over));
  }

  private tell(): void {
    this.onChange([...this.entries.values()].map(({ standing }) => standing));
  }

  /** Resolves with the thread's last word. */
  private run(
    task: ExportTask,
    onProgress: (share: number) => void,
  ): Promise<Exclude<ExportMessage, { type: 'progress' }>> {
    return new Promise((resolve) => {
      const worker = new Worker(this.script, { workerData: task, name: 'bioscope-exporter' });
      worker.on('message', (message: ExportMessage) => {
        if (message.type === 'progress') onProgress(message.share);
        else resolve(message);
      });
      worker.on('error', (thrown) => resolve({ type: 'failed', error: toErrorValue(thrown) }));
      // After its last word this changes nothing.
      worker.on('exit', () => {
        const error = new BioscopeError('INTERNAL', 'The export ended without a word.');
        resolve({ type: 'failed', error: error.value });
      });
    });
  }
}
