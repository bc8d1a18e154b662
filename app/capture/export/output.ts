/** A file that is written from its beginning to its end, in large pieces. */
import { closeSync, constants, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { writeError } from '../capture-errors';

const PIECE = 1 << 20;

export class Output {
  readonly path: string;
  /** Where it is until it is whole: what it replaces stays until then. */
  private readonly partPath: string;
  private readonly descriptor: number;
  private readonly piece = Buffer.alloc(PIECE);
  private used = 0;
  private isOpen = true;
  /** Bytes written so far. */
  size = 0;

  /** Makes the file, mode 0600. Throws BioscopeError: FILE_EXISTS, FILE_NOT_WRITABLE. */
  constructor(path: string, overwrite: boolean) {
    this.path = path;
    this.partPath = overwrite ? `${path}.part` : path;
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
    try {
      this.descriptor = openSync(this.partPath, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600);
    } catch (thrown) {
      throw writeError(this.partPath, thrown);
    }
  }

  /** Throws BioscopeError: NO_SPACE, FILE_NOT_WRITABLE. */
  write(data: Uint8Array | string): void {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    this.size += bytes.length;
    if (bytes.length > PIECE - this.used) this.flush();
    if (bytes.length > PIECE) {
      this.writeAll(bytes);
      return;
    }
    this.piece.set(bytes, this.used);
    this.used += bytes.length;
  }

  /** Replaces bytes that were written before. */
  patch(bytes: Uint8Array, position: number): void {
    this.flush();
    this.attempt(() => writeSync(this.descriptor, bytes, 0, bytes.length, position));
  }

  close(): void {
    if (!this.isOpen) return;
    this.flush();
    if (this.partPath !== this.path) this.attempt(() => renameSync(this.partPath, this.path));
    this.isOpen = false;
    closeSync(this.descriptor);
  }

  /** Takes away what was written: half an export is worth nothing. */
  discard(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    closeSync(this.descriptor);
    rmSync(this.partPath, { force: true });
  }

  private flush(): void {
    const { used } = this;
    this.used = 0;
    if (used > 0) this.writeAll(this.piece.subarray(0, used));
  }

  private writeAll(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      done += this.attempt(() => writeSync(this.descriptor, bytes, done));
    }
  }

  private attempt<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (thrown) {
      throw writeError(this.path, thrown);
    }
  }
}
