/**
 * The daemon's disks: attach, detach, what goes wrong in between, and telling
 * everybody of every change. All state changes happen here, on the event loop;
 * the steps themselves are in attach-disk.ts and detach-disk.ts.
 */
import { rmSync } from 'node:fs';
import type { NativeAddon, NativeDisk } from '../../addon/addon';
import type { Disk, DiskStatistics, RouteWish } from '../../contract/disk';
import { BioscopeError, toErrorValue, type ErrorValue, type Holder } from '../../contract/errors';
import { bytes, type DiskId } from '../../contract/units';
import type { RuntimePaths } from '../../client/runtime-directory';
import type { Privileges } from '../../privileged/privileges';
import { quote } from '../images/image-errors';
import { refuseLoopedImage } from '../images/image-users';
import { inspectImage, type Image } from '../images/inspect-image';
import type { Log } from '../log';
import { channelsFor } from '../routes/channels';
import type { AttachedRoute } from '../routes/route';
import type { Attached } from './attach-disk';
import { attachOnRoute } from './attach-on-route';
import { busyError, closeImage, detachDisk, lastingHolders } from './detach-disk';
import { newEntry, type DiskEntry } from './disk-entry';
import { diskStatistics } from './disk-statistics';
import { FailedLoops } from './failed-loops';
import { removeState, writeState } from './state-file';
import { monotonicNow } from '../signs-of-life';
import { TargetDisks } from './target-disks';
import { unservedText } from './target-words';
import type { TraceOptions } from './trace-options';

export interface DiskTableOptions {
  readonly addon: NativeAddon;
  readonly privileges: Privileges;
  readonly paths: RuntimePaths;
  readonly trace: TraceOptions;
  readonly log: Log;
  /** Why this kernel cannot have a dm-user target; the tests play one that can. */
  readonly obstacle?: () => string | null;
}

export class DiskTable {
  private readonly options: DiskTableOptions;
  /** What only disks on the dm-user route can do. */
  readonly targets: TargetDisks;
  private readonly failedLoops: FailedLoops;
  private readonly entries = new Map<DiskId, DiskEntry>();
  private readonly listeners = new Set<() => void>();
  private nextNumber = 1;
  private closing = false;
  /** The disks are the next daemon's, and so is the state file: nothing changes here any more. */
  private handedOver = false;

  constructor(options: DiskTableOptions) {
    this.options = options;
    this.failedLoops = new FailedLoops(options, (entry, changes) => this.change(entry, changes));
    this.targets = new TargetDisks(options, {
      find: (id) => this.find(id),
      list: () => [...this.entries.values()],
      reserve: (image) => this.reserve(image),
      refuseAttached: (image) => this.refuseAttached(image),
      served: (entry, attached, changes) => this.served(entry, attached, changes),
      change: (entry, changes) => this.change(entry, changes),
      remove: (entry) => this.remove(entry),
      setHandedOver: () => {
        this.handedOver = true;
      },
      refuseHandedOver: () => this.refuseHandedOver(),
    });
  }

  /** Called after every change of the list. Returns what ends it. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  list(): readonly Disk[] {
    return [...this.entries.values()].map(({ disk }) => disk);
  }

  /** Disks that serve somebody or are about to: those the daemon must live for. */
  get liveCount(): number {
    return this.list().filter(({ state }) => state !== 'failed').length;
  }

  /** Takes over what an earlier daemon left: its failed disks and its numbering. `noteAdopted` writes it down. */
  adopt(entries: readonly DiskEntry[], nextNumber: number): void {
    for (const entry of entries) this.entries.set(entry.disk.id, entry);
    this.nextNumber = nextNumber;
  }

  /** Until then the state file is the earlier daemon's, which names the same disks. */
  noteAdopted(): void {
    this.saveOrLog();
  }

  /**
   * Names the loop device that is left of a failed disk; null: none is. Until then the next
   * daemon is to look for it. One that has been forgotten meanwhile has none.
   */
  settleLeftover(id: DiskId, device: string | null, holders: readonly Holder[]): void {
    const entry = this.entries.get(id);
    if (entry?.disk.state !== 'failed') return;
    entry.mayHaveLoop = false;
    if (device !== null) this.failedLoops.tell(entry, device, holders);
    const { imagePath } = entry.disk;
    const again = this.list().some(
      (disk) => disk.state === 'attached' && disk.imagePath === imagePath,
    );
    if (again) this.forgetFailed(imagePath);
    this.saveOrLog();
    this.announce();
  }

  /**
   * Makes the image a disk, on the best route that works or the one wished for.
   * Throws BioscopeError; nothing is left behind then.
   */
  async attach(path: string, readOnly: boolean, wish: RouteWish = 'auto'): Promise<Disk> {
    this.refuseWhenClosing();
    const image = await inspectImage(path, readOnly);
    this.refuseWhenClosing(); // it may have begun to end meanwhile
    const waiting = this.targets.resuming.waitingFor(image);
    if (waiting) return this.targets.resuming.tryAgain(waiting);
    this.refuseAttached(image);
    const entry = this.reserve(image);
    try {
      await refuseLoopedImage(image, this.options.privileges);
      const save = () => this.save();
      this.served(entry, await attachOnRoute(entry, image, wish, this.options, save));
      this.forgetFailed(image.path);
      return entry.disk;
    } catch (thrown) {
      this.remove(entry);
      this.options.log(`cannot attach ${quote(image.path)}: ${toErrorValue(thrown).message}`);
      throw thrown;
    }
  }

  /** A disk's requests are served from now on. */
  private served(
    entry: DiskEntry,
    attached: Attached & { readonly reason?: string | null },
    changes: Partial<Disk> = {},
  ): void {
    const { native, route, notes, reason = null } = attached;
    entry.native = native;
    entry.route = route;
    this.change(entry, {
      state: 'attached',
      failure: null,
      hanging: false,
      imageKind: native.imageKind,
      size: bytes(native.size),
      tail: bytes(native.tail),
      device: route.device,
      fuseFile: route.fuseFile,
      ...(route.target ? { channels: channelsFor(native.threads) } : {}),
      partitions: [...route.partitions()],
      notes: [...notes],
      ...(reason === null ? {} : { routeReason: reason }),
      ...changes,
    });
    void native.ended().then((why) => this.routeEnded(entry, native, why));
    const { id, imagePath } = entry.disk;
    this.options.log(
      `attached ${id} ${quote(imagePath)} as ${route.device ?? route.fuseFile ?? 'nothing'}`,
    );
  }

  /**
   * Flushes and detaches. DISK_BUSY names the holders; nothing has changed then.
   * With `deferred` a disk in use goes with its last user.
   */
  async detach(id: DiskId, deferred = false): Promise<void> {
    this.refuseHandedOver();
    const entry = this.find(id);
    if (entry.disk.state === 'failed') return this.dismiss(id);
    if (deferred && entry.disk.state === 'attached') return this.targets.detachDeferred(entry);
    if (entry.disk.state !== 'attached') {
      throw new BioscopeError(
        'DISK_BUSY',
        `${entry.disk.name} (${id}) is ${entry.disk.state} at this moment. Wait for it.`,
        { errno: 'EBUSY' },
      );
    }
    this.change(entry, { state: 'detaching' });
    try {
      await detachDisk(entry, () => this.disksOn(entry));
    } catch (thrown) {
      // Closed already: the image could not be flushed at the very end. It is gone all the same.
      if (entry.native === null) this.remove(entry);
      else this.change(entry, { state: 'attached', holders: [...toErrorValue(thrown).holders] });
      throw thrown;
    }
    this.remove(entry);
    this.options.log(`detached ${id}`);
  }

  /** Forgets a failed disk, once nobody holds what is left of it. */
  async dismiss(id: DiskId): Promise<void> {
    this.refuseHandedOver();
    const entry = this.find(id);
    if (entry.disk.state !== 'failed') {
      throw new BioscopeError(
        'DISK_BUSY',
        `${entry.disk.name} (${id}) has not failed: it is ${entry.disk.state}. Detach it instead.`,
      );
    }
    await (entry.target === null ? this.failedLoops.clear(entry) : this.targets.clear(entry));
    rmSync(entry.disk.tracePath, { force: true });
    this.remove(entry);
  }

  /**
   * Detaches every disk that nobody uses, the last attached first, since it may
   * lie on an earlier one. Returns the errors of those that stayed. With
   * `allOrNone` nothing is detached when one is in use.
   */
  async detachAll(options: { readonly allOrNone: boolean }): Promise<readonly ErrorValue[]> {
    const attached = [...this.entries.values()]
      .filter(({ disk }) => disk.state === 'attached')
      .reverse();
    const errors: ErrorValue[] = [];
    if (options.allOrNone) {
      for (const entry of attached) {
        // A disk under another of ours is free by the time its turn comes.
        const holders = entry.route ? await lastingHolders(entry.route, () => []) : [];
        if (holders.length > 0) errors.push(busyError(entry, holders).value);
      }
      if (errors.length > 0) return errors;
    }
    for (const { disk } of attached) {
      try {
        await this.detach(disk.id);
      } catch (thrown) {
        errors.push(toErrorValue(thrown));
      }
    }
    return errors;
  }

  /** No disk can be attached from now on (or, with false, again). */
  setClosing(closing: boolean): void {
    this.closing = closing;
  }

  /** Looks at partitions, holders and leftovers again, and tells of changes. */
  async refresh(): Promise<void> {
    for (const entry of [...this.entries.values()]) {
      if (entry.disk.state === 'failed') await this.failedLoops.refresh(entry);
      if (entry.disk.state !== 'attached' || entry.route === null) continue;
      const partitions = [...entry.route.partitions()];
      const holders = [...(await entry.route.holders()), ...this.disksOn(entry)];
      const { disk } = entry;
      if (disk.state !== 'attached') continue; // changed while we looked
      const same =
        JSON.stringify([partitions, holders]) === JSON.stringify([disk.partitions, disk.holders]);
      if (!same) this.change(entry, { partitions, holders });
    }
  }

  /** Counters of every disk that is served at this moment. */
  statistics(): DiskStatistics[] {
    return [...this.entries.values()]
      .filter(({ disk }) => disk.state === 'attached' || disk.state === 'detaching')
      .flatMap(({ disk, native }) =>
        native === null ? [] : [diskStatistics(disk.id, native, this.options.trace)],
      );
  }

  /** The entry, for reading its data. Throws DISK_UNKNOWN. */
  find(id: DiskId): DiskEntry {
    const entry = this.entries.get(id);
    if (entry) return entry;
    throw new BioscopeError('DISK_UNKNOWN', `There is no disk ${id}. It may have been detached.`);
  }

  private refuseWhenClosing(): void {
    this.refuseHandedOver();
    if (this.closing) throw stopping();
  }

  private refuseHandedOver(): void {
    if (this.handedOver) throw stopping();
  }

  private refuseAttached(image: Image): void {
    const waiting = this.targets.resuming.waitingFor(image);
    for (const entry of this.entries.values()) {
      const { disk, identity } = entry;
      if (identity !== image.identity && entry !== waiting) continue;
      const where = disk.device ?? disk.fuseFile;
      throw new BioscopeError(
        'IMAGE_IN_USE',
        `${quote(image.path)} is attached already: it is disk ${disk.id}${where === null ? '' : ` at ${where}`}.`,
        { errno: 'EBUSY' },
      );
    }
  }

  /** Enters the image into the list, so that nobody else attaches it meanwhile. */
  private reserve(image: Image): DiskEntry {
    const entry = newEntry(image, this.nextNumber++, this.options.paths);
    this.entries.set(entry.disk.id, entry);
    this.announce();
    return entry;
  }

  /** The route's threads ended although nobody detached the disk. */
  private async routeEnded(
    entry: DiskEntry,
    native: NativeDisk,
    reason: string | null,
  ): Promise<void> {
    const { route } = entry;
    if (entry.native !== native || route === null) return;
    if (entry.isLeaving && reason === null) return this.left(entry);
    if (entry.disk.state !== 'attached') return;
    const { id, name } = entry.disk;
    // Our own end is not the target's: it keeps its requests for whoever serves it next.
    const hanging = reason !== null && route.target?.saved.foreign === false;
    const { target } = route;
    const unserved =
      target?.saved.foreign === true && reason !== null
        ? unservedText(target.saved, route.device ?? name, entry.disk.imagePath)
        : '';
    const wait = hanging ? ` Until then every request to ${route.device ?? name} waits.` : unserved;
    const message =
      reason === null
        ? `${name} (${id}) was taken away by another program (${takenAway(route)}). What was written before is on the image. Attach it again to go on.`
        : `${name} (${id}) ended: ${reason}. Attach it again to go on.${wait}`;
    this.options.log(message);
    entry.native = null;
    entry.route = null;
    entry.identity = null;
    if (hanging) entry.unservedSince = monotonicNow();
    const device = hanging || route.target === null ? entry.disk.device : null;
    this.change(entry, {
      state: 'failed',
      hanging,
      device,
      failure: new BioscopeError('DISK_FAILED', message).value,
      partitions: [],
      fuseFile: null,
    });
    if (!hanging) await route.abandon();
    // The image is given back, so that it can be attached again; its trace can still be read.
    await native.close().catch((thrown: unknown) => {
      this.options.log(`closing ${id}: ${String(thrown)}`);
    });
    await this.failedLoops.refresh(entry);
  }

  /** A disk that was to go with its last user is gone. */
  private async left(entry: DiskEntry): Promise<void> {
    try {
      await closeImage(entry);
    } catch (thrown) {
      this.options.log(`flushing ${entry.disk.id} at its end: ${toErrorValue(thrown).message}`);
    }
    this.remove(entry);
    this.options.log(`detached ${entry.disk.id} with its last user`);
  }

  /** Our own disks whose image is this disk's device. */
  private disksOn(entry: DiskEntry): readonly Holder[] {
    const { device, partitions } = entry.disk;
    if (device === null) return [];
    const devices = [device, ...partitions];
    return this.list()
      .filter((disk) => disk.state !== 'failed' && devices.includes(disk.imagePath))
      .map((disk) => ({
        kind: 'device',
        device: disk.imagePath,
        name: disk.device ?? `disk ${disk.id}`,
        pid: null,
      }));
  }

  /** A fresh attach of the same image makes the failed one old news. */
  private forgetFailed(imagePath: string): void {
    for (const entry of [...this.entries.values()]) {
      const { disk } = entry;
      if (disk.state !== 'failed' || disk.imagePath !== imagePath) continue;
      if (disk.device !== null || entry.mayHaveLoop) continue;
      rmSync(disk.tracePath, { force: true });
      this.entries.delete(disk.id);
    }
  }

  private change(entry: DiskEntry, changes: Partial<Disk>): void {
    entry.disk = { ...entry.disk, ...changes };
    this.saveOrLog();
    this.announce();
  }

  private remove(entry: DiskEntry): void {
    this.entries.delete(entry.disk.id);
    this.saveOrLog();
    this.announce();
  }

  private announce(): void {
    for (const listener of this.listeners) listener();
  }

  /** Not being able to note a change must not undo what has happened. */
  private saveOrLog(): void {
    try {
      this.save();
    } catch (thrown) {
      this.options.log(toErrorValue(thrown).message);
    }
  }

  private save(): void {
    if (this.handedOver) return;
    const { state } = this.options.paths;
    if (this.entries.size === 0 && this.nextNumber === 1) {
      removeState(state);
      return;
    }
    writeState(state, {
      version: 1,
      pid: process.pid,
      nextNumber: this.nextNumber,
      disks: [...this.entries.values()].map((entry) => {
        const { disk, label, mountDirectory, target, isLeaving, mayHaveLoop, unservedSince } =
          entry;
        return { disk, label, mountDirectory, target, isLeaving, mayHaveLoop, unservedSince };
      }),
    });
  }
}

const stopping = () =>
  new BioscopeError('DAEMON_STOPPING', 'The daemon is stopping. Try again in a moment.');

/** How somebody else takes a disk away, by its route. */
function takenAway({ device, target }: AttachedRoute): string {
  if (device === null) return 'its FUSE file was unmounted';
  return target === null
    ? `${device} was detached, e.g. with losetup -d`
    : `${device} was removed, e.g. with dmsetup remove`;
}
