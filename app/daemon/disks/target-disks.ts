/**
 * What only disks on the dm-user route can do: change size, leave with their last
 * user, be served by one daemon after another, fail what waits, come from a target
 * made by hand.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Disk } from '../../contract/disk';
import { BioscopeError } from '../../contract/errors';
import { bytes, type DiskId } from '../../contract/units';
import { scanHolders } from '../holders/scan-holders';
import { errnoOf } from '../images/image-errors';
import type { TargetControl } from '../routes/route';
import { adoptTarget } from './adopt-target';
import { busyError, lastingHolders } from './detach-disk';
import type { DiskEntry } from './disk-entry';
import type { DiskTableOptions } from './disk-table';
import { ResumingTargets } from './resuming-targets';
import { type TableAccess, TargetAccess } from './target-access';
import { abortCommand, clock, failed, nameOf, noTarget, notServed } from './target-words';

/** How often somebody that held up an abort or a removal is tried again. */
const CLEAR_TRIES = 20;
const CLEAR_PAUSE_MS = 100;

export class TargetDisks {
  /** Changes of size that are under way. */
  private readonly changes = new Set<Promise<unknown>>();
  private readonly access: TargetAccess;
  /** Those of a daemon before this one. */
  readonly resuming: ResumingTargets;

  constructor(
    private readonly options: DiskTableOptions,
    private readonly table: TableAccess,
  ) {
    this.access = new TargetAccess(options, table);
    this.resuming = new ResumingTargets(this.access);
  }

  /** Marks the target to go with its last user; at once where there is none. */
  async detachDeferred(entry: DiskEntry): Promise<void> {
    const control = this.controlOf(entry);
    if (control.saved.foreign) {
      throw new BioscopeError(
        'ROUTE_UNAVAILABLE',
        `${nameOf(entry)} was made by hand and is not Bioscope’s to remove: detach it (it is then no longer served), and remove it with dmsetup.`,
      );
    }
    entry.isLeaving = true;
    try {
      await control.removeDeferred();
    } catch (thrown) {
      entry.isLeaving = false;
      throw failed(`${nameOf(entry)} could not be marked for removal`, thrown);
    }
    if (entry.route === null) return; // gone already
    this.table.change(entry, {
      notes: [...entry.disk.notes, 'It goes with its last user: unmount or close it.'],
    });
  }

  /** Gives the device the size its image has now. */
  async resize(id: DiskId): Promise<Disk> {
    this.table.refuseHandedOver();
    const change = this.changeSize(id);
    this.changes.add(change);
    try {
      return await change;
    } finally {
      this.changes.delete(change);
    }
  }

  private async changeSize(id: DiskId): Promise<Disk> {
    const entry = this.table.find(id);
    const control = this.controlOf(entry);
    const { native, route } = entry;
    if (native === null || route === null) throw notServed(entry);
    if (control.saved.foreign) {
      throw new BioscopeError(
        'ROUTE_UNAVAILABLE',
        `${nameOf(entry)} was made by hand: reload its table with dmsetup.`,
      );
    }
    // Of the device: the image's may have been taken by an attempt that then failed.
    const before = entry.disk.size;
    const wanted = native.presentSize();
    if (wanted === before) return entry.disk;
    if (wanted < before) {
      const holders = await lastingHolders(route, () => []);
      if (holders.length > 0) throw busyError(entry, holders);
    }
    try {
      if (wanted > before) native.takePresentSize();
      await control.resize(wanted / 512n);
      if (wanted < before) native.takePresentSize();
    } catch (thrown) {
      throw failed(`The size of ${nameOf(entry)} could not be changed`, thrown);
    }
    const note = `Its size changed from ${before} to ${native.size} bytes at ${clock()}.`;
    this.options.log(`${id}: ${note}`);
    this.table.change(entry, {
      size: bytes(native.size),
      tail: bytes(native.tail),
      notes: [...entry.disk.notes, note],
    });
    return entry.disk;
  }

  /** Fails every request that waits. */
  async abort(id: DiskId): Promise<void> {
    const entry = this.table.find(id);
    const { target } = entry;
    if (target === null) throw noTarget(entry);
    if (target.foreign) {
      throw new BioscopeError(
        'ROUTE_UNAVAILABLE',
        `${nameOf(entry)} was made by hand, and is not Bioscope’s to fail. This does it: ${abortCommand(target)}`,
      );
    }
    try {
      await this.access.verbs().abort(target.tag);
    } catch (thrown) {
      throw failed(`What waits on ${nameOf(entry)} could not be failed`, thrown);
    }
    this.options.log(`${id}: what waited was failed on demand`);
  }

  /** Tags of the targets that disks stand for. */
  tags(): ReadonlySet<string> {
    const own = this.table
      .list()
      .map(({ target }) => (target?.foreign === false ? target.tag : null));
    return new Set(own.filter((tag) => tag !== null));
  }

  /** Serves a target that somebody made with dmsetup, or one of ours that nobody knows any more. */
  adopt(name: string, path: string, readOnly: boolean): Promise<Disk> {
    return adoptTarget(this.access, name, path, readOnly);
  }

  /**
   * Stops serving, for another daemon: see `handOver` of the contract. Throws DISK_BUSY.
   * `onBegin` is called when that is decided, while requests are answered still.
   */
  async handOver(onBegin: () => void = () => undefined): Promise<void> {
    // The next daemon is to find a table, and in the state file its size.
    while (this.changes.size > 0) await Promise.allSettled(this.changes);
    // Somebody else may have asked first: its answer frees the lock, and no other.
    this.table.refuseHandedOver();
    const entries = this.table.list().filter(({ disk }) => disk.state !== 'failed');
    const stuck = entries.filter(
      ({ disk, target }) => target === null || disk.state !== 'attached',
    );
    if (stuck.length > 0) {
      throw new BioscopeError(
        'DISK_BUSY',
        `${stuck.map((entry) => `${nameOf(entry)} (${entry.disk.route}, ${entry.disk.state})`).join(', ')} cannot change hands: only disks on the dm-user route can. Detach first.`,
        { errno: 'EBUSY' },
      );
    }
    this.table.setHandedOver(); // what is asked for while this waits must not reach the disks
    onBegin();
    await Promise.all(
      entries.map(async (entry) => {
        const { native } = entry;
        entry.native = null;
        entry.route = null;
        // There is no way back, and no need of one: this process ends, and with it its channels.
        await native?.handOver().catch((thrown: unknown) => {
          this.options.log(`handing over ${entry.disk.id}: ${String(thrown)}`);
        });
      }),
    );
  }

  /** Takes away what is left of a failed disk's target. Throws DISK_BUSY while it is in use. */
  async clear(entry: DiskEntry): Promise<void> {
    const { target } = entry;
    if (target === null || target.foreign) return;
    const state = await this.access.stateOf(target);
    if (state === null) return;
    // A program may be stuck on it (blkid) until the abort; a mount would lose what was written.
    const holders = await scanHolders(state.device, { ignoredPid: process.pid });
    const lasting = holders.filter(({ kind }) => kind !== 'process');
    if (lasting.length > 0) throw busyError(entry, lasting);
    const { tag } = target;
    for (let left = CLEAR_TRIES; ; left--) {
      try {
        await this.access.verbs().abort(tag);
        await this.access.verbs().remove({ tag, deferred: false });
        return;
      } catch (thrown) {
        if (errnoOf(thrown) !== 'EBUSY')
          throw failed(`${nameOf(entry)} could not be removed`, thrown);
        if (left === 0) throw busyError(entry, entry.disk.holders);
        await sleep(CLEAR_PAUSE_MS);
      }
    }
  }

  private controlOf(entry: DiskEntry): TargetControl {
    if (entry.disk.state !== 'attached' || entry.route === null) throw notServed(entry);
    if (entry.route.target === null) throw noTarget(entry);
    return entry.route.target;
  }
}
