/** The recordings of the daemon's disks: each a thread, and what it says of itself. */
import { existsSync } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { addonPath } from '../../addon/load';
import { version } from '../../client/version';
import type { Disk } from '../../contract/disk';
import { BioscopeError, toErrorValue } from '../../contract/errors';
import type { Recording, RecordingWish } from '../../contract/recording';
import type { DiskId } from '../../contract/units';
import { nanoseconds } from '../../contract/units';
import type { Log } from '../log';
import { STOP, type RecorderMessage, type RecorderTask } from './messages';

/** Recordings that have ended and are still told of. */
const ENDED_KEPT = 16;
/** More would not be faster, and each has buffers of its own. */
const MOST_AT_ONCE = 8;

interface Entry {
  recording: Recording;
  readonly worker: Worker;
  /** Resolves when it has ended or failed. Never rejects. */
  readonly over: Promise<void>;
}

export class Recordings {
  /** Called at every change. */
  onChange: () => void = () => undefined;
  private readonly log: Log;
  private readonly script: string;
  private entries: Entry[] = [];
  private nextNumber = 1;

  /** `script`: absolute path of the thread's bundle. */
  constructor(log: Log, script = join(__dirname, 'recorder.cjs')) {
    this.log = log;
    this.script = script;
  }

  list(): readonly Recording[] {
    return this.entries.map(({ recording }) => recording);
  }

  /**
   * Begins one; resolves once its file is made. Throws BioscopeError:
   * FILE_EXISTS, FILE_NOT_WRITABLE, NO_SPACE, DISK_FAILED, USAGE.
   */
  async start(disk: Disk, wish: RecordingWish): Promise<Recording> {
    if (!isAbsolute(wish.path)) {
      throw new BioscopeError('USAGE', `${wish.path} is no absolute path.`);
    }
    if (this.running.length >= MOST_AT_ONCE) {
      throw new BioscopeError(
        'USAGE',
        `${MOST_AT_ONCE} recordings go on already. Stop one of them first.`,
      );
    }
    const worker = this.launch(disk, wish);
    const entry = this.enter(disk, wish, worker);
    await new Promise<void>((resolve, reject) => {
      const settle = (message: RecorderMessage) => {
        if (message.type === 'numbers') return;
        worker.off('message', settle);
        if (message.type === 'failed') reject(BioscopeError.from(message.error));
        else resolve();
      };
      worker.on('message', settle);
      void entry.over.then(() => reject(failureOf(entry)));
    }).catch((thrown: unknown) => {
      // Nothing was made: there is nothing to tell of.
      this.entries = this.entries.filter((one) => one !== entry);
      throw thrown;
    });
    this.onChange();
    return entry.recording;
  }

  /** Ends one, with what had completed by now; resolves when its file is complete. */
  async stop(id: string): Promise<Recording> {
    const entry = this.entries.find(({ recording }) => recording.id === id);
    if (!entry) {
      throw new BioscopeError('RECORDING_UNKNOWN', `There is no recording ${id}, or not any more.`);
    }
    entry.worker.postMessage(STOP);
    await entry.over;
    return entry.recording;
  }

  /** Ends those of a disk (of all, without one) and waits for their files. */
  async finish(disk: DiskId | null): Promise<void> {
    const affected = this.running.filter(
      ({ recording }) => disk === null || recording.disk === disk,
    );
    await Promise.all(affected.map(({ recording }) => this.stop(recording.id)));
  }

  private get running(): readonly Entry[] {
    return this.entries.filter(({ recording }) => recording.state === 'recording');
  }

  private launch(disk: Disk, wish: RecordingWish): Worker {
    const { name, imagePath, device, size, readOnly, route, tracePath, gaps = [] } = disk;
    // What begins now has nothing of the time before.
    const isOfThePast = wish.past.kind !== 'none' && gaps.length > 0;
    const task: RecorderTask = {
      addonPath: addonPath(),
      tracePath,
      path: wish.path,
      overwrite: wish.overwrite,
      payloads: wish.payloads,
      past: wish.past,
      seconds: wish.seconds,
      header: {
        program: `bioscope ${version}`,
        name,
        imagePath,
        device,
        size,
        readOnly,
        route,
        payloads: wish.payloads,
        startedAt: nanoseconds(BigInt(Date.now()) * 1_000_000n),
        ...(isOfThePast ? { gaps } : {}),
      },
    };
    if (!existsSync(this.script)) {
      throw new BioscopeError('INTERNAL', `${this.script} is missing: run \`npm run build\`.`);
    }
    return new Worker(this.script, { workerData: task, name: 'bioscope-recorder' });
  }

  private enter(disk: Disk, wish: RecordingWish, worker: Worker): Entry {
    const recording: Recording = {
      id: `recording-${this.nextNumber++}`,
      disk: disk.id,
      path: wish.path,
      payloads: wish.payloads,
      state: 'recording',
      startedAt: Date.now(),
      endedAt: null,
      records: 0,
      lost: 0,
      payloadsKept: 0,
      payloadsDropped: 0,
      bytes: 0,
      error: null,
    };
    let entry: Entry | null = null;
    const change = (changes: Partial<Recording>) => {
      if (!entry) return;
      entry.recording = { ...entry.recording, ...changes };
      this.onChange();
    };
    const fail = (thrown: unknown) => {
      const error = toErrorValue(thrown);
      this.log(`the recording ${basename(wish.path)}: ${error.message}`);
      change({ state: 'failed', endedAt: Date.now(), error });
    };
    worker.on('message', (message: RecorderMessage) => {
      if (message.type === 'numbers') change(message.numbers);
      else if (message.type === 'ended') {
        change({ ...message.numbers, state: 'ended', endedAt: Date.now() });
      } else if (message.type === 'failed') {
        change(message.numbers);
        fail(BioscopeError.from(message.error));
      }
    });
    worker.on('error', (thrown) => fail(crashed(wish.path, toErrorValue(thrown).message)));
    const over = new Promise<void>((resolve) => {
      worker.once('exit', () => {
        if (entry?.recording.state === 'recording') {
          fail(crashed(wish.path, 'its thread ended without a word'));
        }
        this.forgetOldest();
        resolve();
      });
    });
    entry = { recording, worker, over };
    this.entries.push(entry);
    return entry;
  }

  private forgetOldest(): void {
    const ended = this.entries.filter(({ recording }) => recording.state !== 'recording');
    const old = ended.slice(0, -ENDED_KEPT);
    this.entries = this.entries.filter((entry) => !old.includes(entry));
  }
}

function failureOf({ recording }: Entry): BioscopeError {
  return recording.error
    ? BioscopeError.from(recording.error)
    : new BioscopeError('INTERNAL', `Recording ${recording.path} did not begin.`);
}

/** A bug of ours: the disk goes on, and so does every other recording. */
const crashed = (path: string, why: string): BioscopeError =>
  new BioscopeError(
    'INTERNAL',
    `The recording into ${path} broke off: ${why}. What was written until then is readable; begin another into a new file.`,
  );
