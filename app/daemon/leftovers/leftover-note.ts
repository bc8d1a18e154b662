/** What is left of a failed disk on the system, in words. */
import type { Holder } from '../../contract/errors';
import { describeHolders } from '../holders/scan-holders';

/** A sentence or two for the user on a loop device whose disk has failed and that is still in use. */
export function leftoverNote(device: string, holders: readonly Holder[]): string {
  const who =
    holders.length === 0
      ? `${device} is still held by something that cannot be named`
      : describeHolders(holders);
  return `${who}: I/O there fails now. Unmount or close that, and ${device} goes by itself.`;
}
