/** Turns the errno of touching an image into an error a user can act on. */
import { BioscopeError } from '../../contract/errors';

/** The symbolic errno of a thrown thing, or null. */
export function errnoOf(thrown: unknown): string | null {
  if (thrown instanceof BioscopeError) return thrown.value.errno;
  if (!(thrown instanceof Error) || !('code' in thrown)) return null;
  return typeof thrown.code === 'string' && /^E[A-Z0-9]+$/.test(thrown.code) ? thrown.code : null;
}

/** A path as it may stand in a message: control characters and quotes shown as escapes. */
export function quote(path: string): string {
  // \p{Cc}: every control character.
  return /[\p{Cc}"\\]/u.test(path) ? JSON.stringify(path) : path;
}

/**
 * The error for `thrown`, which came of opening or examining `image`. What is no
 * errno of an image is passed through.
 */
export function imageError(
  thrown: unknown,
  image: { readonly path: string; readonly readOnly: boolean },
): Error {
  if (thrown instanceof BioscopeError) return thrown;
  const errno = errnoOf(thrown);
  const path = quote(image.path);
  const more = { errno, cause: thrown };
  switch (errno) {
    case 'ENOENT':
      return new BioscopeError('IMAGE_MISSING', `${path} does not exist.`, more);
    case 'ENOTDIR':
      return new BioscopeError(
        'IMAGE_MISSING',
        `${path} does not exist: a part of its path is not a directory.`,
        more,
      );
    case 'ELOOP':
      return new BioscopeError(
        'IMAGE_MISSING',
        `${path} cannot be found: its symbolic links lead in a circle.`,
        more,
      );
    case 'ENAMETOOLONG':
      return new BioscopeError(
        'IMAGE_MISSING',
        `${path} cannot exist: its path is too long.`,
        more,
      );
    case 'EROFS':
      return new BioscopeError(
        'IMAGE_NOT_WRITABLE',
        `${path} cannot be written: it, or the file system it is on, is read-only. Attach it read-only.`,
        more,
      );
    case 'ETXTBSY':
      return new BioscopeError(
        'IMAGE_IN_USE',
        `${path} is in use by the kernel (a running program or swap). Stop that, or attach it read-only.`,
        more,
      );
    case 'EACCES':
    case 'EPERM':
      return image.readOnly
        ? new BioscopeError(
            'IMAGE_UNREADABLE',
            `${path} may not be read by this user (${errno}). Change its permissions (or those of its directories), or run Bioscope as a user who may.`,
            more,
          )
        : new BioscopeError(
            'IMAGE_NOT_WRITABLE',
            `${path} may not be written by this user (${errno}). Attach it read-only, or change its permissions.`,
            more,
          );
    case 'EIO':
    case 'ENXIO':
    case 'ENODEV':
    case 'ENOMEDIUM':
    case 'ESTALE':
    case 'ENOTCONN':
      return new BioscopeError(
        'IMAGE_UNREADABLE',
        `${path} cannot be read (${errno}): the device or file system it is on does not answer.`,
        more,
      );
    default:
      return thrown instanceof Error ? thrown : new Error(String(thrown));
  }
}
