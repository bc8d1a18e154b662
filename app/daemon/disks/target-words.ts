/** What is said of disks on the dm-user route. */
import { BioscopeError } from '../../contract/errors';
import { errnoOf, quote } from '../images/image-errors';
import type { SavedTarget } from '../routes/route';
import type { DiskEntry } from './disk-entry';

/** Of a disk, for a sentence. */
export const nameOf = ({ disk }: DiskEntry) => `${disk.name} (${disk.id})`;

/** Fails what waits on a target made by hand. */
export const abortCommand = ({ tag }: SavedTarget) => `sudo dmsetup message ${tag} 0 abort`;

/** What becomes of a target made by hand that is not served any more, and what to do; with a space before it. */
export function unservedText(saved: SavedTarget, device: string, imagePath: string): string {
  return ` ${device} was made by hand: its requests wait, or fail, as its table says, until it is served again (bioscope adopt ${saved.tag} ${quote(imagePath)}). To fail what waits: ${abortCommand(saved)}`;
}

/** The time of day, for a note. */
export const clock = () => new Date().toTimeString().slice(0, 8);

/** It is not attached. */
export function notServed(entry: DiskEntry): BioscopeError {
  return new BioscopeError('DISK_BUSY', `${nameOf(entry)} is ${entry.disk.state} at this moment.`, {
    errno: 'EBUSY',
  });
}

/** It is on another route. */
export function noTarget(entry: DiskEntry): BioscopeError {
  return new BioscopeError(
    'ROUTE_UNAVAILABLE',
    `${nameOf(entry)} is on the route ${entry.disk.route}; only the dm-user route can do that.`,
    { errno: 'EOPNOTSUPP' },
  );
}

/** `thrown` as a DISK_FAILED, unless it says more by itself. */
export function failed(what: string, thrown: unknown): BioscopeError {
  if (thrown instanceof BioscopeError) return thrown;
  const errno = errnoOf(thrown);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new BioscopeError('DISK_FAILED', `${what} (${message}).`, { errno, cause: thrown });
}
