/**
 * Looks at an image before anything is opened or made for it, and refuses what
 * cannot become a disk. Every refusal names the image and the way out.
 */
import { constants, type BigIntStats } from 'node:fs';
import { access, open, realpath, stat } from 'node:fs/promises';
import { basename, isAbsolute } from 'node:path';
import { BioscopeError } from '../../contract/errors';
import { SECTOR_BYTES } from '../../contract/units';
import { blockDeviceState, nameOfDevice } from '../system/block-devices';
import { systemRoots, type SystemRoots } from '../system/roots';
import { errnoOf, imageError, quote } from './image-errors';
import { foreignFormat, LONGEST_SIGNATURE } from './foreign-formats';

export interface Image {
  /** Absolute path, symbolic links resolved. */
  readonly path: string;
  readonly name: string;
  readonly kind: 'file' | 'block-device';
  readonly readOnly: boolean;
  /** The same for two paths to the same image. */
  readonly identity: string;
  /** st_dev and st_ino of a file; of a block device, its st_rdev twice. */
  readonly device: bigint;
  readonly inode: bigint;
  /** What the user should know. */
  readonly notes: readonly string[];
}

/** Checks that `path` can be attached as asked. Throws BioscopeError IMAGE_*. */
export async function inspectImage(
  path: string,
  readOnly: boolean,
  roots: SystemRoots = systemRoots,
): Promise<Image> {
  if (path.includes('\0')) {
    throw new BioscopeError('IMAGE_MISSING', `${quote(path)} is not a path: it holds a zero byte.`);
  }
  if (!isAbsolute(path)) {
    throw new BioscopeError(
      'IMAGE_MISSING',
      `${quote(path)} is not an absolute path, and the daemon has no directory of yours to look in. Give the whole path.`,
    );
  }
  const { resolved, stats } = await resolve(path);
  const kind = kindOf(resolved, stats);
  const named = { path: resolved, readOnly };
  if (kind === 'file') checkFileSize(resolved, stats.size);
  else checkDevice(named, stats.rdev, roots);
  await checkAccess(named, stats);
  const device = kind === 'file' ? stats.dev : stats.rdev;
  const inode = kind === 'file' ? stats.ino : stats.rdev;
  return {
    path: resolved,
    name: basename(resolved),
    kind,
    readOnly,
    identity: `${kind} ${device}:${inode}`,
    device,
    inode,
    notes: await formatNotes(resolved),
  };
}

async function resolve(path: string): Promise<{ resolved: string; stats: BigIntStats }> {
  let resolved = path;
  try {
    resolved = await realpath(path);
    return { resolved, stats: await stat(resolved, { bigint: true }) };
  } catch (thrown) {
    // What Node, or a terminal, puts in the place of bytes that are no text.
    if (errnoOf(thrown) === 'ENOENT' && resolved.includes('\ufffd')) {
      throw new BioscopeError(
        'IMAGE_MISSING',
        `${quote(resolved)} cannot be found: its name seems to hold bytes that are not UTF-8. Rename it (or its directory) first.`,
        { errno: 'ENOENT', cause: thrown },
      );
    }
    throw imageError(thrown, { path, readOnly: true });
  }
}

function kindOf(path: string, stats: BigIntStats): 'file' | 'block-device' {
  if (stats.isFile()) return 'file';
  if (stats.isBlockDevice()) return 'block-device';
  const what = stats.isDirectory()
    ? 'a directory'
    : stats.isFIFO()
      ? 'a named pipe'
      : stats.isSocket()
        ? 'a socket'
        : 'a character device';
  throw new BioscopeError(
    'IMAGE_NOT_A_FILE',
    `${quote(path)} is ${what}. Only a regular file or a block device can be attached.`,
    { errno: stats.isDirectory() ? 'EISDIR' : 'ENOTBLK' },
  );
}

function checkFileSize(path: string, size: bigint): void {
  if (size === 0n) throw emptyImage(path);
  if (size < BigInt(SECTOR_BYTES)) {
    throw new BioscopeError(
      'IMAGE_TOO_SMALL',
      `${quote(path)} has ${size} ${size === 1n ? 'byte' : 'bytes'}, less than one sector of ${SECTOR_BYTES}. Is it truncated?`,
    );
  }
}

function emptyImage(path: string): BioscopeError {
  return new BioscopeError(
    'IMAGE_EMPTY',
    `${quote(path)} is empty: a device of no sectors cannot be made. For a blank disk give it a size first, e.g. truncate -s 1G.`,
  );
}

function checkDevice(
  image: { readonly path: string; readonly readOnly: boolean },
  rdev: bigint,
  roots: SystemRoots,
): void {
  const name = nameOfDevice(rdev, roots);
  const state = name && blockDeviceState(name.name, roots);
  if (!state) {
    throw imageError(Object.assign(new Error('no such device'), { code: 'ENXIO' }), image);
  }
  if (state.size === 0n) throw emptyImage(image.path);
  if (state.readOnly && !image.readOnly) {
    throw imageError(Object.assign(new Error('read-only device'), { code: 'EROFS' }), image);
  }
}

async function checkAccess(
  image: { readonly path: string; readonly readOnly: boolean },
  stats: BigIntStats,
): Promise<void> {
  try {
    await access(image.path, constants.R_OK);
  } catch (thrown) {
    throw imageError(thrown, { path: image.path, readOnly: true });
  }
  if (image.readOnly) return;
  // Root may write to anything; but a file without any write permission was made so on purpose.
  if (stats.isFile() && (stats.mode & 0o222n) === 0n) {
    const mode = (stats.mode & 0o7777n).toString(8).padStart(4, '0');
    throw new BioscopeError(
      'IMAGE_NOT_WRITABLE',
      `${quote(image.path)} is read-only (mode ${mode}). Attach it read-only, or make it writable first (chmod u+w).`,
      { errno: 'EACCES' },
    );
  }
  try {
    await access(image.path, constants.W_OK);
  } catch (thrown) {
    throw imageError(thrown, image);
  }
}

/** A note when the bytes are a container of another format: attached raw, they are not the disk inside. */
async function formatNotes(path: string): Promise<readonly string[]> {
  const buffer = Buffer.alloc(LONGEST_SIGNATURE);
  let length: number;
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      length = (await file.read(buffer, 0, buffer.length, 0)).bytesRead;
    } finally {
      await file.close();
    }
  } catch {
    return []; // Opening it for real will tell why.
  }
  const format = foreignFormat(buffer.subarray(0, length));
  if (format === null) return [];
  return [
    `This looks like ${format}. It is attached as raw bytes: the device is the container, not the disk inside it.`,
  ];
}
