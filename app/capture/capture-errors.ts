/** What can be wrong with a capture, in words that name it and the way out. */
import { BioscopeError, type ErrorCode } from '../contract/errors';

function errnoOf(thrown: unknown): string | null {
  const code: unknown = thrown instanceof Error && 'code' in thrown ? thrown.code : null;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : null;
}

const fullDisk = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** A file (of ours to be, or an export) that cannot be made or written. */
export function writeError(path: string, thrown: unknown): Error {
  const errno = errnoOf(thrown);
  // One of ours already, or a bug.
  if (thrown instanceof Error && errno === null) return thrown;
  const make = (code: ErrorCode, message: string) =>
    new BioscopeError(code, message, { errno, cause: thrown });
  if (errno === 'EEXIST') {
    return make('FILE_EXISTS', `${path} exists already. Choose another name, or remove it first.`);
  }
  if (errno !== null && fullDisk.has(errno)) {
    return make(
      'NO_SPACE',
      `There is no room left to write ${path} (${errno}). What was written before is readable; free some space or choose another disk.`,
    );
  }
  return make(
    'FILE_NOT_WRITABLE',
    `${path} cannot be written (${errno ?? String(thrown)}). Choose a directory that you may write to.`,
  );
}

/** A capture that somebody took away while it was recorded. */
export const removedCapture = (path: string): BioscopeError =>
  new BioscopeError(
    'FILE_NOT_WRITABLE',
    `${path} was removed while it was recorded: what was in it is lost. Begin another, where nobody takes it away.`,
    { errno: 'ENOENT' },
  );

/** A file that cannot be opened or read. */
export function readError(path: string, thrown: unknown): Error {
  const errno = errnoOf(thrown);
  if (thrown instanceof Error && errno === null) return thrown;
  const message =
    errno === 'ENOENT'
      ? `${path} does not exist.`
      : `${path} cannot be read (${errno ?? String(thrown)}).`;
  return new BioscopeError('FILE_UNREADABLE', message, { errno, cause: thrown });
}

export const notACapture = (path: string): BioscopeError =>
  new BioscopeError(
    'CAPTURE_FOREIGN',
    `${path} is no capture of Bioscope's. "bioscope import" takes what blktrace recorded.`,
  );

export const newerCapture = (path: string): BioscopeError =>
  new BioscopeError(
    'CAPTURE_NEWER',
    `${path} was recorded by a newer version of Bioscope. Open it with that one, or a later one.`,
  );

/** `where`: which part, e.g. "batch 17 (requests 1001 to 2000)". */
export const damagedCapture = (path: string, where: string): BioscopeError =>
  new BioscopeError(
    'CAPTURE_DAMAGED',
    `${path} is damaged: the checksum of ${where} does not match. If it is a copy, copy it again; if it was recorded here, the disk that it is on has lost part of it.`,
    { errno: 'EBADMSG' },
  );

/**
 * Whole, by its checksum, but nothing that was recorded. `where`: as for `damagedCapture`;
 * `what` is wrong there, e.g. "request 17 ends before it begins".
 */
export const impossibleRequests = (path: string, where: string, what: string): BioscopeError =>
  new BioscopeError(
    'CAPTURE_DAMAGED',
    `${path} is damaged: ${where} has numbers that no request can have: ${what}. Record it, or import it, again.`,
    { errno: 'EBADMSG' },
  );
