/**
 * What only disks on the dm-user route can do: change size, leave with their last
 * user, be served by one daemon after another, fail what waits, come from a target
 * made by hand.
 */
import { closeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Disk, Gap } from '../../contract/disk';
import { BioscopeError, toErrorValue } from '../../contract/errors';
import { bytes, type DiskId, type Nanoseconds } from '../../contract/units';
import { ownTag, type TargetState, type TargetVerbs } from '../../privileged/targets';
import { scanHolders } from '../holders/scan-holders';
import { errnoOf, quote } from '../images/image-errors';
import { inspectImage, type Image } from '../images/inspect-image';
import { openChannels, serversOf, targetState, type DmUserOptions } from '../routes/dm-user-route';
import type { SavedTarget, TargetControl } from '../routes/route';
import type { Attached } from './attach-disk';
import { busyError, lastingHolders } from './detach-disk';
import type { DiskEntry } from './disk-entry';
import type { DiskTableOptions } from './disk-table';
import { resumeDisk } from './resume-disk';
import { channelsOf } from './trace-options';

/** What the table of disks lets this one do with it. */
export interface TableAccess {
  find(id: DiskId): DiskEntry;
  list(): readonly DiskEntry[];
  reserve(image: Image): DiskEntry;
  refuseAttached(image: Image): void;
  served(entry: DiskEntry, attached: Attached, changes?: Partial<Disk>): void;
  change(entry: DiskEntry, changes: Partial<Disk>): void;
  remove(entry: DiskEntry): void;
  /** From now on nothing is saved, and no disk is attached, detached or changed. */
  setHandedOver(): void;
  /** Throws DAEMON_STOPPING from then on. */
  refuseHandedOver(): void;
}

/** A target whose channels were opened before the old daemon let go. */
export interface OpenedTarget {
  readonly state: TargetState;
  /** Empty once the engine owns them. */
  readonly channels: number[];
}

/** Of each disk. */
const GAPS_KEPT = 64;
/** How often somebody that held up an abort or a removal is tried again. */
const CLEAR_TRIES = 20;
const CLEAR_PAUSE_MS = 100;

export class TargetDisks {
  /** Changes of size that are under way. */
  private readonly changes = new Set<Promise<unknown>>();
  /** Disks that are being gone on with: what ends when that is over. */
  private readonly resuming = new Map<DiskEntry, Promise<void>>();

  constructor(
    private readonly options: DiskTableOptions,
    private readonly table: TableAccess,
  ) {}

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
      await this.verbs().abort(target.tag);
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
  async adopt(name: string, path: string, readOnly: boolean): Promise<Disk> {
    this.table.refuseHandedOver();
    const tag = ownTag(name);
    const saved = { tag: tag ?? name, foreign: tag === null };
    this.refuseServed(name, saved);
    const state = await this.stateOf(saved);
    if (!state?.live) {
      throw new BioscopeError(
        'DISK_UNKNOWN',
        saved.foreign
          ? `There is no dm-user target ${quote(name)} that was made by hand. "dmsetup table --target user" lists them.`
          : `There is no target ${quote(name)} of this user with a table.`,
      );
    }
    const [server] = saved.foreign ? [] : await serversOf(saved.tag);
    if (server) {
      throw new BioscopeError(
        'DISK_BUSY',
        `${quote(name)} is served by ${server.name} (process ${server.pid ?? '?'}), with a runtime directory of its own.`,
        { errno: 'EBUSY', holders: [server] },
      );
    }
    const image = await inspectImage(path, readOnly);
    this.table.refuseHandedOver();
    // Again: another may have been quicker. From here to `entry.target` nobody comes between.
    this.refuseServed(name, saved);
    this.table.refuseAttached(image);
    const entry = this.table.reserve(image);
    entry.target = saved;
    try {
      const attached = await resumeDisk(
        { ...this.requestOf(entry, image), saved, state },
        this.options.addon,
        this.dmUser(),
      );
      const size = bytes(state.sectors * 512n);
      this.table.served(entry, attached, { route: 'dm-user', size });
      return entry.disk;
    } catch (thrown) {
      this.table.remove(entry);
      if (thrown instanceof BioscopeError) throw thrown;
      throw failed(`${quote(name)} could not be adopted`, thrown);
    }
  }

  /** Two disks on one target would write into two images. Throws DISK_BUSY. */
  private refuseServed(name: string, { tag, foreign }: SavedTarget): void {
    const served = this.table
      .list()
      .find(
        ({ target, disk }) =>
          target?.tag === tag &&
          target.foreign === foreign &&
          (disk.state !== 'failed' || !foreign),
      );
    if (!served) return;
    throw new BioscopeError(
      'DISK_BUSY',
      served.disk.state === 'failed'
        ? `${quote(name)} is the target of ${nameOf(served)}: attach its image again.`
        : `${nameOf(served)} serves ${quote(name)} already.`,
    );
  }

  /**
   * Goes on with the targets of a daemon that died or handed over. Never rejects: a
   * disk that cannot be gone on with is failed, and says what hangs.
   */
  async resumeAll(before: Predecessor): Promise<void> {
    const waiting = this.table
      .list()
      .filter(({ target, disk }) => target !== null && disk.state === 'attaching');
    await Promise.all(waiting.map((entry) => this.resume(entry, before)));
    // Those nobody reads: while they are open the module takes the target for served.
    for (const { channels } of before.opened.values())
      channels.splice(0).forEach((channel) => closeSync(channel));
  }

  /** Stops serving, for another daemon: see `handOver` of the contract. Throws DISK_BUSY. */
  async handOver(): Promise<void> {
    // The next daemon is to find a table, and in the state file its size.
    while (this.changes.size > 0) await Promise.allSettled(this.changes);
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
    const state = await this.stateOf(target);
    if (state === null) return;
    // A program may be stuck on it (blkid) until the abort; a mount would lose what was written.
    const holders = await scanHolders(state.device, { ignoredPid: process.pid });
    const lasting = holders.filter(({ kind }) => kind !== 'process');
    if (lasting.length > 0) throw busyError(entry, lasting);
    const { tag } = target;
    for (let left = CLEAR_TRIES; ; left--) {
      try {
        await this.verbs().abort(tag);
        await this.verbs().remove({ tag, deferred: false });
        return;
      } catch (thrown) {
        if (errnoOf(thrown) !== 'EBUSY')
          throw failed(`${nameOf(entry)} could not be removed`, thrown);
        if (left === 0) throw busyError(entry, entry.disk.holders);
        await sleep(CLEAR_PAUSE_MS);
      }
    }
  }

  /**
   * The disk whose requests wait for this image to be served again: nobody else may
   * have the image, or what was written would be lost. Null in the usual case.
   */
  waitingFor({ path }: Image): DiskEntry | null {
    const waits = (entry: DiskEntry) =>
      this.resuming.has(entry) || (entry.disk.state === 'failed' && entry.disk.hanging === true);
    const found = this.table.list().find((one) => one.disk.imagePath === path && waits(one));
    return found ?? null;
  }

  /**
   * Tries again to go on with a disk whose requests hang, or waits where that is being
   * tried at this moment. Throws why not.
   */
  async tryAgain(entry: DiskEntry): Promise<Disk> {
    const underWay = this.resuming.get(entry);
    if (!underWay) this.table.change(entry, { state: 'attaching', failure: null });
    await (underWay ?? this.resume(entry, { pid: 0, diedAt: null, opened: new Map() }));
    if (entry.disk.failure) throw BioscopeError.from(entry.disk.failure);
    return entry.disk;
  }

  private resume(entry: DiskEntry, before: Predecessor): Promise<void> {
    const over = this.goOn(entry, before).finally(() => this.resuming.delete(entry));
    this.resuming.set(entry, over);
    return over;
  }

  /** Takes the image, so that nobody attaches it by another name while a password is asked for. */
  private async takeImage(entry: DiskEntry): Promise<void> {
    const { imagePath, readOnly } = entry.disk;
    const image = await inspectImage(imagePath, readOnly).catch(() => null);
    if (image && entry.disk.state === 'attaching') entry.identity = image.identity;
  }

  private async goOn(entry: DiskEntry, before: Predecessor): Promise<void> {
    const { target, disk } = entry;
    if (target === null) return;
    entry.unservedSince ??= before.diedAt;
    void this.takeImage(entry); // what is wrong with it is said below
    let gone = false;
    try {
      const opened = before.opened.get(target.tag);
      const state = opened?.state ?? (await this.stateOf(target));
      if (state === null) {
        gone = true;
        throw new BioscopeError('DISK_FAILED', goneMessage(entry, before));
      }
      const image = await inspectImage(disk.imagePath, disk.readOnly);
      const channels = opened?.channels;
      const request = { ...this.requestOf(entry, image), saved: target, state, channels };
      const attached = await resumeDisk(
        { ...request, resumeTrace: true },
        this.options.addon,
        this.dmUser(),
      );
      entry.identity = image.identity;
      const notes = [...disk.notes, ...gapNotes(before)];
      const { tracePath, since } = attached;
      const gaps = gapsOf(entry, since);
      entry.unservedSince = null;
      this.table.served(entry, { ...attached, notes }, { tracePath, size: disk.size, gaps });
    } catch (thrown) {
      const { message, errno } = toErrorValue(thrown);
      this.options.log(`cannot go on with ${disk.id}: ${message}`);
      // Not being able to ask (no password given, say) is no sign that it is gone.
      const hanging = !gone && !target.foreign;
      const where = disk.device ?? disk.name;
      entry.identity = null;
      const text = hanging
        ? `${message} Until then every request to ${where} waits. Mend it and attach again, or fail what waits (abort).`
        : message + (gone ? '' : unservedText(target, where, disk.imagePath));
      this.table.change(entry, {
        state: 'failed',
        hanging,
        failure: new BioscopeError('DISK_FAILED', text, { errno, cause: thrown }).value,
        device: gone ? null : disk.device,
        notes: [],
      });
    }
  }

  private requestOf(entry: DiskEntry, image: Image) {
    const { trace } = this.options;
    const { disk, label, mountDirectory } = entry;
    const { number, tracePath } = disk;
    const options = { ...trace, threads: channelsOf(trace) * 2 };
    return { image, number, tracePath, mountDirectory, label, options };
  }

  private dmUser(): DmUserOptions {
    const { trace, log } = this.options;
    return { targets: this.verbs(), channels: channelsOf(trace), log };
  }

  private verbs(): TargetVerbs {
    const { targets, explanation } = this.options.privileges;
    if (targets) return targets;
    throw new BioscopeError(
      'PRIVILEGE_MISSING',
      `dm-user targets need root, or Bioscope’s helper. ${explanation}`,
      { errno: 'EPERM' },
    );
  }

  /** Opens channels of a target that another daemon serves still. Throws DISK_FAILED. */
  async open(saved: SavedTarget): Promise<OpenedTarget> {
    const state = await this.stateOf(saved);
    if (state) return { state, channels: await openChannels(this.dmUser(), saved) };
    throw new BioscopeError('DISK_FAILED', `The target ${quote(saved.tag)} is gone.`);
  }

  private stateOf(saved: SavedTarget): Promise<TargetState | null> {
    return targetState(this.verbs(), saved);
  }

  private controlOf(entry: DiskEntry): TargetControl {
    if (entry.disk.state !== 'attached' || entry.route === null) throw notServed(entry);
    if (entry.route.target === null) throw noTarget(entry);
    return entry.route.target;
  }
}

/** The daemon before this one. */
export interface Predecessor {
  readonly pid: number;
  /** When it showed life last; null when it handed over. */
  readonly diedAt: Nanoseconds | null;
  /** By the target's tag. */
  readonly opened: ReadonlyMap<string, OpenedTarget>;
}

const nameOf = ({ disk }: DiskEntry) => `${disk.name} (${disk.id})`;

const abortCommand = ({ tag }: SavedTarget) => `sudo dmsetup message ${tag} 0 abort`;

/** What becomes of a target made by hand that is not served any more, and what to do; with a space before it. */
export function unservedText(saved: SavedTarget, device: string, imagePath: string): string {
  return ` ${device} was made by hand: its requests wait, or fail, as its table says, until it is served again (bioscope adopt ${saved.tag} ${quote(imagePath)}). To fail what waits: ${abortCommand(saved)}`;
}

function gapsOf({ disk, unservedSince: from }: DiskEntry, to: Nanoseconds): readonly Gap[] {
  const { gaps = [] } = disk;
  return from === null ? gaps : [...gaps, { from, to }].slice(-GAPS_KEPT);
}

const clock = () => new Date().toTimeString().slice(0, 8);

function gapNotes({ pid, diedAt }: Predecessor): readonly string[] {
  if (diedAt === null) return [];
  return [
    `The daemon that served it (process ${pid}) ended unexpectedly; another has served it since ${clock()}. Requests waited meanwhile and none was lost, though some may have been executed twice; what the old daemon was serving at its end has no row in the trace.`,
  ];
}

function goneMessage({ disk }: DiskEntry, { pid }: Predecessor): string {
  return `The daemon (process ${pid}) ended, and ${disk.device ?? 'the target'} of ${disk.name} (${disk.id}) is gone, removed by another program or by a restart of the machine. Attach the image again; check its file system first.`;
}

function notServed(entry: DiskEntry): BioscopeError {
  return new BioscopeError('DISK_BUSY', `${nameOf(entry)} is ${entry.disk.state} at this moment.`, {
    errno: 'EBUSY',
  });
}

function noTarget(entry: DiskEntry): BioscopeError {
  return new BioscopeError(
    'ROUTE_UNAVAILABLE',
    `${nameOf(entry)} is on the route ${entry.disk.route}; only the dm-user route can do that.`,
    { errno: 'EOPNOTSUPP' },
  );
}

function failed(what: string, thrown: unknown): BioscopeError {
  if (thrown instanceof BioscopeError) return thrown;
  const errno = errnoOf(thrown);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new BioscopeError('DISK_FAILED', `${what} (${message}).`, { errno, cause: thrown });
}
