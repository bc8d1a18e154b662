/**
 * Writes a capture, batch by batch. Two stagings take turns: one fills while the
 * other is on its way to the disk, and when both are taken, `staging` is null:
 * the caller waits, and what the trace overwrites meanwhile is counted as lost.
 * So memory stays bounded, whatever the disk does.
 *
 * What was written is readable at any moment, up to the last whole batch.
 */
import { constants } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { Message } from 'apache-arrow';
import {
  HEAD_BYTES,
  batchLayout,
  batchMessage,
  endOfStream,
  framed,
  writeHead,
  type Checksum,
} from './batch';
import { removedCapture, writeError } from './capture-errors';
import { captureSchema, toColumns, type BodyLayout } from './columns';
import { CAPTURE_VERSION, toMetadata, type CaptureHeader } from './header';
import { Staging } from './staging';

export interface WriterTotals {
  readonly rows: number;
  readonly payloads: number;
  readonly lost: number;
  readonly payloadsDropped: number;
  /** Of the file. */
  readonly bytes: number;
}

export class CaptureWriter {
  readonly path: string;
  private readonly checksum: Checksum;
  private readonly file: FileHandle;
  private readonly free: Staging[] = [new Staging(), new Staging()];
  private filling: Staging | null = null;
  private writing: Promise<void> | null = null;
  private syncing: Promise<void> | null = null;
  private failure: unknown = null;
  private position = 0;
  private syncedTo = 0;
  private readonly counted = { rows: 0, payloads: 0, lost: 0, payloadsDropped: 0 };

  private constructor(path: string, file: FileHandle, checksum: Checksum) {
    this.path = path;
    this.file = file;
    this.checksum = checksum;
  }

  /**
   * Makes the file, mode 0600, with its header. Throws BioscopeError: FILE_EXISTS,
   * NO_SPACE, FILE_NOT_WRITABLE; no file is left behind then. With `overwrite` a
   * regular file that is there gives way, once the header has been written.
   */
  static async create(
    path: string,
    header: CaptureHeader,
    checksum: Checksum,
    overwrite = false,
  ): Promise<CaptureWriter> {
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
    const first = overwrite ? `${path}.part` : path;
    let file: FileHandle;
    try {
      file = await open(first, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600);
    } catch (thrown) {
      throw writeError(first, thrown);
    }
    const writer = new CaptureWriter(path, file, checksum);
    try {
      const schema = framed(Message.from(captureSchema(toMetadata(header))));
      // A batch without rows: its checksum guards the header.
      await writer.write(new Staging(), schema);
      if (overwrite) await rename(first, path);
    } catch (thrown) {
      await file.close().catch(() => undefined);
      await rm(first, { force: true });
      throw writeError(path, thrown);
    }
    return writer;
  }

  /** Where the next rows go; null while the disk has not taken what it was given. */
  get staging(): Staging | null {
    if (this.failure !== null) return null;
    return (this.filling ??= this.free.pop() ?? null);
  }

  /** Of what has been written, and what waits to be. */
  get totals(): WriterTotals {
    const { counted, filling } = this;
    return {
      rows: counted.rows + (filling?.rows ?? 0),
      payloads: counted.payloads,
      lost: counted.lost + (filling?.lost ?? 0),
      payloadsDropped: counted.payloadsDropped + (filling?.payloadsDropped ?? 0),
      bytes: this.position,
    };
  }

  /**
   * Sends what is staged on its way, if the one before has got there; false if
   * not. Throws (here or at the next call) what kept the disk from taking it.
   */
  flush(): boolean {
    this.throwFailure();
    const { filling } = this;
    if (filling === null || filling.isEmpty) return true;
    if (this.writing) return false;
    this.filling = null;
    this.writing = this.write(filling, null)
      .catch((thrown: unknown) => {
        this.failure ??= thrown;
      })
      .finally(() => {
        filling.clear();
        this.free.push(filling);
        this.writing = null;
      });
    return true;
  }

  /** Resolves when nothing is on its way any more. */
  async idle(): Promise<void> {
    await this.writing;
    this.throwFailure();
  }

  /** Asks the disk to keep what it was given, in the background. */
  sync(): void {
    if (this.syncing || this.syncedTo === this.position || this.failure !== null) return;
    const reached = this.position;
    this.syncing = this.file
      .datasync()
      .then(() => this.lookAfter())
      .then(() => {
        this.syncedTo = reached;
      })
      .catch((thrown: unknown) => {
        this.failure ??= thrown;
      })
      .finally(() => {
        this.syncing = null;
      });
  }

  /**
   * Writes the rest and the end, and closes. After a failure the file is cut
   * back to its last whole batch, and closed; then that failure is thrown.
   */
  async finish(): Promise<WriterTotals> {
    try {
      await this.writing;
      this.flush();
      await this.idle();
      await this.append([endOfStream()]);
      await this.syncing;
      await this.file.datasync();
      await this.lookAfter();
      this.throwFailure();
    } catch (thrown) {
      await this.syncing;
      // Half a batch at the end would be readable, but looks like a crash.
      await this.file
        .truncate(this.position)
        .then(() => this.append([endOfStream()]))
        .catch(() => undefined);
      throw writeError(this.path, thrown);
    } finally {
      await this.file.close().catch(() => undefined);
    }
    return this.totals;
  }

  /** A file without a name is gone when it is closed, whatever was written to it. */
  private async lookAfter(): Promise<void> {
    if ((await this.file.stat()).nlink === 0) throw removedCapture(this.path);
  }

  private throwFailure(): void {
    if (this.failure !== null) throw writeError(this.path, this.failure);
  }

  /** Writes a batch, behind `before` (the schema, for the first). */
  private async write(staging: Staging, before: Uint8Array | null): Promise<void> {
    const { rows, payloadBytes, lost, payloadsDropped } = staging;
    const layout = batchLayout(rows, payloadBytes);
    const body = new ArrayBuffer(layout.payload);
    toColumns(staging.records, rows, body, layout);
    const payloads = placePayloads(staging, body, layout);
    const prefix = [
      ...(before ? [before] : []),
      batchMessage(layout, rows, rows - payloads, payloadBytes),
    ];
    const records = new Uint8Array(body);
    const payload =
      payloadBytes > 0 ? new Uint8Array(staging.payload, 0, payloadBytes) : new Uint8Array(0);
    const sumRecords = this.checksum(records.subarray(HEAD_BYTES), 0);
    const { first, last } = staging.range();
    const head = {
      version: CAPTURE_VERSION,
      rows,
      sumBefore: prefix.reduce((sum, bytes) => this.checksum(bytes, sum), 0),
      sumRecords,
      sumPayload: this.checksum(payload, 0),
      payloadBytes,
      lost,
      payloadsDropped,
      first,
      last,
    };
    writeHead(head, records, this.checksum);
    const padding = new Uint8Array(layout.total - layout.payload - payloadBytes);
    await this.append([...prefix, records, payload, padding].filter(({ length }) => length > 0));
    this.counted.rows += rows;
    this.counted.payloads += payloads;
    this.counted.lost += lost;
    this.counted.payloadsDropped += payloadsDropped;
  }

  /** Writes all of `parts` at the end; the end moves only then. */
  private async append(parts: readonly Uint8Array[]): Promise<void> {
    let position = this.position;
    for (let rest = [...parts]; rest.length > 0;) {
      const { bytesWritten } = await this.file.writev(rest, position);
      position += bytesWritten;
      let written = bytesWritten;
      while (rest[0] !== undefined && written >= rest[0].length) {
        written -= rest[0].length;
        rest = rest.slice(1);
      }
      if (rest[0] !== undefined && written > 0) rest[0] = rest[0].subarray(written);
    }
    this.position = position;
  }
}

/** Which rows have a payload and where it begins, for `body`; returns how many have one. */
function placePayloads(staging: Staging, body: ArrayBuffer, layout: BodyLayout): number {
  const validity = new Uint8Array(body, layout.validity);
  const offsets = new Int32Array(body, layout.offsets, staging.rows + 1);
  let payloads = 0;
  let next = 0;
  for (let row = 0; row < staging.rows; row++) {
    offsets[row] = next;
    const length = staging.lengths[row] ?? -1;
    if (length < 0) continue;
    validity[row >>> 3] = (validity[row >>> 3] ?? 0) | (1 << (row & 7));
    next += length;
    payloads++;
  }
  offsets[staging.rows] = next;
  return payloads;
}
