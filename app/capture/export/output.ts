/** A file that is written from its beginning to its end, in large pieces. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { writeError } from '../capture-errors';

const PIECE = 1 << 20;
/** What follows the name of a file that is not whole yet: the process that writes it, and its try. */
const partEnding = /^\.(\d+)-[0-9a-f]{8}\.part$/;

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
    const attempt = `${process.pid}-${randomBytes(4).toString('hex')}`;
    this.partPath = overwrite ? `${path}.${attempt}.part` : path;
    if (overwrite) clearParts(path);
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
    try {
      this.descriptor = openSync(this.partPath, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600);
    } catch (thrown) {
      throw writeError(path, thrown);
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

/** Removes what exports to `path` have left whose process was killed. What cannot be removed stays. */
function clearParts(path: string): void {
  const directory = dirname(path);
  const name = basename(path);
  try {
    for (const one of readdirSync(directory)) {
      const pid = one.startsWith(name) ? partEnding.exec(one.slice(name.length))?.[1] : undefined;
      if (pid === undefined || isAlive(Number(pid))) continue;
      const part = join(directory, one);
      if (lstatSync(part).isFile()) rmSync(part, { force: true });
    }
  } catch {
    // It is in nobody's way.
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    // Another user's (EPERM) is alive as well.
    return !(thrown instanceof Error && 'code' in thrown && thrown.code === 'ESRCH');
  }
}
