/**
 * The steps that make an image a disk, in order: open and lock it and make its
 * trace file, then put it on its route. A step that fails undoes those before it.
 */
import { rm } from 'node:fs/promises';
import type { NativeAddon, NativeDisk } from '../../addon/addon';
import type { RouteName } from '../../contract/disk';
import { BioscopeError } from '../../contract/errors';
import { SECTOR_BYTES } from '../../contract/units';
import { errnoOf, imageError, quote } from '../images/image-errors';
import { imageTaken } from '../images/image-users';
import type { Image } from '../images/inspect-image';
import type { Log } from '../log';
import { allOrNothing } from '../rollback';
import type { AttachedRoute, Route } from '../routes/route';
import type { EngineOptions } from './trace-options';

export interface AttachRequest {
  readonly image: Image;
  readonly number: number;
  readonly tracePath: string;
  readonly mountDirectory: string;
  readonly label: string;
  readonly options: EngineOptions;
  /** Goes on with the trace of a daemon that is gone. */
  readonly resumeTrace?: boolean;
  /** Of one that serves still: see `takeOver` of NativeDisk. */
  readonly succeeds?: boolean;
}

export interface Attached {
  readonly native: NativeDisk;
  readonly route: AttachedRoute;
  readonly notes: readonly string[];
}

/** All or nothing. Throws BioscopeError; an errno nobody expected comes as DISK_FAILED. */
export async function attachDisk(
  request: AttachRequest,
  addon: NativeAddon,
  route: Route,
  log: Log,
): Promise<Attached> {
  return allOrNothing(log, async (rollback) => {
    const native = await openImage(request, addon, route.name);
    rollback.add('open the image', async () => {
      await native.close();
      await rm(request.tracePath, { force: true });
    });
    const attached = await startRoute(request, native, route);
    const notes = [...request.image.notes, ...tailNote(native.tail), ...attached.notes];
    return { native, route: attached, notes };
  });
}

/** Opens and locks the image, with its trace. Throws BioscopeError. */
export async function openImage(
  request: AttachRequest,
  addon: NativeAddon,
  route: RouteName,
): Promise<NativeDisk> {
  const { image, number, tracePath, options, resumeTrace = false, succeeds = false } = request;
  // Its name is never used twice, so a file there is a leftover of a state that was lost.
  if (!resumeTrace) await rm(tracePath, { force: true });
  try {
    return await addon.openDisk({
      imagePath: image.path,
      readOnly: image.readOnly,
      number,
      route,
      tracePath,
      resumeTrace,
      succeeds,
      ...options,
    });
  } catch (thrown) {
    if (isAbout(thrown, tracePath)) throw traceError(thrown, tracePath);
    const taken = await imageTaken(errnoOf(thrown), image);
    if (taken) throw taken;
    const error = imageError(thrown, image);
    if (error instanceof BioscopeError) throw error;
    throw failed(`${quote(image.path)} could not be opened`, thrown);
  }
}

async function startRoute(
  request: AttachRequest,
  native: NativeDisk,
  route: Route,
): Promise<AttachedRoute> {
  const { image, mountDirectory, label } = request;
  try {
    return await route.attach({
      native,
      fileName: image.name,
      readOnly: image.readOnly,
      mountDirectory,
      label,
    });
  } catch (thrown) {
    if (thrown instanceof BioscopeError) throw thrown;
    throw routeError(thrown, image);
  }
}

function tailNote(tail: bigint): readonly string[] {
  if (tail === 0n) return [];
  return [
    `The last ${tail} ${tail === 1n ? 'byte' : 'bytes'} of the image fill no sector of ${SECTOR_BYTES} bytes: they are not part of the device and are never touched.`,
  ];
}

function isAbout(thrown: unknown, path: string): boolean {
  return thrown instanceof Error && 'path' in thrown && thrown.path === path;
}

function traceError(thrown: unknown, tracePath: string): BioscopeError {
  const errno = errnoOf(thrown);
  if (errno === 'ENOSPC' || errno === 'EDQUOT' || errno === 'ENOMEM') {
    return new BioscopeError(
      'NO_SPACE',
      `There is no room for the trace file ${tracePath} (${errno}). Make room there, keep fewer records (BIOSCOPE_TRACE_RECORDS), or set BIOSCOPE_RUNTIME_DIRECTORY to a directory elsewhere.`,
      { errno, cause: thrown },
    );
  }
  return new BioscopeError(
    'RUNTIME_DIRECTORY',
    `The trace file ${tracePath} cannot be made (${errno ?? String(thrown)}). Set BIOSCOPE_RUNTIME_DIRECTORY to a directory of your own.`,
    { errno, cause: thrown },
  );
}

function failed(what: string, thrown: unknown): BioscopeError {
  const errno = errnoOf(thrown);
  const syscall =
    thrown instanceof Error && 'syscall' in thrown && typeof thrown.syscall === 'string'
      ? `${thrown.syscall}: `
      : '';
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new BioscopeError('DISK_FAILED', `${what} (${syscall}${errno ?? message}).`, {
    errno,
    cause: thrown,
  });
}

/** What the route's own steps fail with, where a user can do something about it. */
function routeError(thrown: unknown, image: Image): BioscopeError {
  const path = quote(image.path);
  const errno = errnoOf(thrown);
  const about = thrown instanceof Error && 'path' in thrown ? String(thrown.path) : '';
  const more = { errno, cause: thrown };
  const syscall = thrown instanceof Error && 'syscall' in thrown ? thrown.syscall : null;
  if (syscall === 'fusermount3' && (errno === 'EACCES' || errno === 'EPERM')) {
    return new BioscopeError(
      'ROUTE_UNAVAILABLE',
      `${path} cannot be served: this user may not mount FUSE file systems. /dev/fuse must be open to all (mode 0666, as udev makes it) and fusermount3 setuid root.`,
      more,
    );
  }
  if (syscall === 'fusermount3' && errno === 'ENOENT') {
    return new BioscopeError(
      'ROUTE_UNAVAILABLE',
      `${path} cannot be served: fusermount3 is not installed. Install the package fuse3.`,
      more,
    );
  }
  if (about === '/dev/fuse' || (errno === 'ENODEV' && about === '')) {
    return new BioscopeError(
      'ROUTE_UNAVAILABLE',
      `${path} cannot be served: this kernel has no FUSE, or /dev/fuse cannot be opened (${errno ?? 'unknown'}). Load it first (modprobe fuse).`,
      more,
    );
  }
  if (about.startsWith('/dev/loop')) {
    return new BioscopeError(
      'ROUTE_UNAVAILABLE',
      `${path} cannot become a device: ${about} cannot be used (${errno ?? 'unknown'}). The kernel's loop driver may be missing (modprobe loop).`,
      more,
    );
  }
  return failed(`${path} could not be attached`, thrown);
}
