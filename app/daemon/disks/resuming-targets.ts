/** Disks on the dm-user route whose daemon died or handed over: this one goes on with them. */
import type { Disk, Gap } from '../../contract/disk';
import { BioscopeError, toErrorValue } from '../../contract/errors';
import { bytes, type Nanoseconds } from '../../contract/units';
import { quote } from '../images/image-errors';
import { inspectImage, type Image } from '../images/inspect-image';
import { openChannels } from '../routes/dm-user-route';
import type { SavedTarget } from '../routes/route';
import { monotonicNow } from '../signs-of-life';
import type { DiskEntry } from './disk-entry';
import {
  closeChannels,
  type OpenedTarget,
  type ReadyEngine,
  readyEngine,
  resumeDisk,
  type Serving,
} from './resume-disk';
import type { TargetAccess } from './target-access';
import { clock, unservedText } from './target-words';

/** The daemon before this one. */
export interface Predecessor {
  readonly pid: number;
  /** When it showed life last; null when it handed over. One may die of that. */
  readonly diedAt: Nanoseconds | null;
  /** By the target's tag. */
  readonly opened: ReadonlyMap<string, PreparedTarget>;
}

/** All that takes time, done before the old daemon lets go. */
export interface PreparedTarget extends OpenedTarget {
  /** Looked at already; null where something is wrong with it. */
  readonly image: Image | null;
  /** Ready to serve; null where that has to wait for the old daemon's end. */
  readonly engine: ReadyEngine | null;
  /** That engine, once it serves. */
  readonly serving?: Serving;
}

/** A disk of the state file that goes on. */
export interface SavedDisk {
  readonly disk: Disk;
  readonly label: string;
  readonly mountDirectory: string;
  readonly target: SavedTarget;
}

/** Of each disk. */
const GAPS_KEPT = 64;

export class ResumingTargets {
  /** Disks that are being gone on with: what ends when that is over. */
  private readonly resuming = new Map<DiskEntry, Promise<void>>();

  constructor(private readonly access: TargetAccess) {}

  /**
   * Goes on with the targets of a daemon that died or handed over. Never rejects: a
   * disk that cannot be gone on with is failed, and says what hangs.
   */
  async resumeAll(before: Predecessor): Promise<void> {
    const waiting = this.access.table
      .list()
      .filter(({ target, disk }) => target !== null && disk.state === 'attaching');
    const tags = new Set(waiting.map(({ target }) => target?.tag));
    // Of disks detached since they were prepared. First: they have locked images that
    // others may be attached to by now.
    await this.abandon(new Map([...before.opened].filter(([tag]) => !tags.has(tag))));
    await Promise.all(waiting.map((entry) => this.resume(entry, before)));
  }

  /** Closes what was prepared. Never rejects. */
  async abandon(prepared: ReadonlyMap<string, PreparedTarget>): Promise<void> {
    for (const opened of prepared.values()) {
      closeChannels(opened);
      await opened.engine?.native.close().catch(() => undefined);
    }
  }

  /**
   * The old daemon has let go: what was prepared serves at once. Without waiting for
   * anything: every request waits for this. What could not is opened anew later.
   */
  takeOver(prepared: ReadonlyMap<string, PreparedTarget>): Map<string, PreparedTarget> {
    const taken = new Map<string, PreparedTarget>();
    for (const [tag, target] of prepared) {
      const { engine } = target;
      try {
        const since = monotonicNow();
        engine?.native.takeOver();
        taken.set(tag, engine ? { ...target, serving: { ...engine, since } } : target);
        if (engine) this.access.options.log(`serves ${tag}`);
      } catch (thrown) {
        this.access.options.log(`cannot serve ${tag} at once: ${toErrorValue(thrown).message}`);
        void engine?.native.close().catch(() => undefined);
      }
    }
    return taken;
  }

  /**
   * The disk whose requests wait for this image to be served again: nobody else may
   * have the image, or what was written would be lost. Null in the usual case.
   */
  waitingFor({ path }: Image): DiskEntry | null {
    const waits = (entry: DiskEntry) =>
      this.resuming.has(entry) || (entry.disk.state === 'failed' && entry.disk.hanging === true);
    const found = this.access.table.list().find((one) => one.disk.imagePath === path && waits(one));
    return found ?? null;
  }

  /**
   * Tries again to go on with a disk whose requests hang, or waits where that is being
   * tried at this moment. Throws why not.
   */
  async tryAgain(entry: DiskEntry): Promise<Disk> {
    const underWay = this.resuming.get(entry);
    if (!underWay) this.access.table.change(entry, { state: 'attaching', failure: null });
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
    const begun = monotonicNow();
    entry.unservedSince ??= before.diedAt;
    const prepared = this.preparedFor(target, before);
    const opening = prepared ? Promise.resolve(prepared) : this.open(target);
    opening.catch(() => undefined); // it is heard of below
    if (prepared?.image) entry.identity = prepared.image.identity;
    else void this.takeImage(entry); // what is wrong with it is said below
    try {
      const image = prepared?.image ?? (await inspectImage(disk.imagePath, disk.readOnly));
      const request = {
        ...this.access.requestOf(entry, image),
        saved: target,
        size: disk.size,
        opening,
        serving: prepared?.serving,
      };
      const attached = await resumeDisk(
        { ...request, resumeTrace: true },
        this.access.options.addon,
        this.access.dmUser(),
      );
      entry.identity = image.identity;
      const notes = withGapNote(disk.notes, before);
      const { tracePath, since } = attached;
      const gaps = gapsOf(entry, since);
      entry.unservedSince = null;
      this.access.table.served(entry, { ...attached, notes }, { tracePath, size: disk.size, gaps });
    } catch (failure) {
      const opened = await opening.catch(() => undefined);
      closeChannels(opened);
      const state = opened ? await opened.state.catch(() => undefined) : opened;
      const gone = state === null;
      const thrown = gone ? new BioscopeError('DISK_FAILED', goneMessage(entry, before)) : failure;
      const { message, errno } = toErrorValue(thrown);
      this.access.options.log(`cannot go on with ${disk.id}: ${message}`);
      // Not being able to ask (no password given, say) is no sign that it is gone.
      const hanging = !gone && !target.foreign;
      const where = disk.device ?? disk.name;
      entry.identity = null;
      if (hanging) entry.unservedSince ??= begun;
      const text = hanging
        ? `${message} Until then every request to ${where} waits. Mend it and attach again, or fail what waits (abort).`
        : message + (gone ? '' : unservedText(target, where, disk.imagePath));
      this.access.table.change(entry, {
        state: 'failed',
        hanging,
        failure: new BioscopeError('DISK_FAILED', text, { errno, cause: thrown }).value,
        device: gone ? null : disk.device,
        notes: [],
      });
    }
  }

  /**
   * Prepares to go on with a target that another daemon serves still, up to its first
   * read. Throws DISK_FAILED.
   */
  async prepare(saved: SavedDisk): Promise<PreparedTarget> {
    const { disk, target } = saved;
    const [opened, image] = await Promise.all([
      this.open(target),
      inspectImage(disk.imagePath, disk.readOnly).catch(() => null),
    ]);
    const state = await opened?.state.catch((thrown: unknown) => {
      closeChannels(opened);
      throw thrown;
    });
    if (!opened || !state) {
      closeChannels(opened);
      throw new BioscopeError('DISK_FAILED', `The target ${quote(target.tag)} is gone.`);
    }
    const { options } = this.access;
    // Others make and change one that was made by hand.
    const size = target.foreign ? bytes(state.sectors * 512n) : disk.size;
    const engine = image
      ? await readyEngine(
          { ...this.access.requestOf(saved, image), saved: target, size },
          opened.channels,
          options.addon,
          this.access.dmUser(),
        )
      : null;
    return { ...opened, isOld: true, image, engine };
  }

  /** One that died may have been changing the target's size: it is asked about again. */
  private preparedFor(saved: SavedTarget, { opened, diedAt }: Predecessor): PreparedTarget | null {
    const prepared = opened.get(saved.tag) ?? null;
    if (prepared === null || diedAt === null) return prepared;
    const state = this.access.stateOf(saved);
    state.catch(() => undefined); // it is heard of by who needs it
    return { ...prepared, state, isOld: false };
  }

  /**
   * Opens its channels, and asks for its state meanwhile; null when it is gone. That it
   * is may turn out only by the state.
   */
  private async open(saved: SavedTarget): Promise<OpenedTarget | null> {
    const opening = openChannels(this.access.dmUser(), saved);
    const state = this.access.stateOf(saved);
    state.catch(() => undefined); // it is heard of by who needs it
    try {
      return { state, isOld: false, channels: await opening };
    } catch (thrown) {
      if ((await state) === null) return null;
      throw thrown;
    }
  }
}

function gapsOf({ disk, unservedSince: from }: DiskEntry, to: Nanoseconds): readonly Gap[] {
  const { gaps = [] } = disk;
  if (from === null) return gaps;
  // A sign of life from before the last gap is none of the daemon that served after it.
  const last = gaps.at(-1)?.to ?? from;
  return [...gaps, { from: last > from ? last : from, to }].slice(-GAPS_KEPT);
}

/** The notes, with one on the last daemon that died: `gaps` know of those before. */
function withGapNote(notes: readonly string[], { pid, diedAt }: Predecessor): readonly string[] {
  if (diedAt === null) return notes;
  const beginning = 'The daemon that served it (process ';
  return [
    ...notes.filter((note) => !note.startsWith(beginning)),
    `${beginning}${pid}) ended unexpectedly; another has served it since ${clock()}. Requests waited meanwhile and none was lost, though some may have been executed twice; what the old daemon was serving at its end has no row in the trace.`,
  ];
}

function goneMessage({ disk }: DiskEntry, { pid }: Predecessor): string {
  return `The daemon (process ${pid}) ended, and ${disk.device ?? 'the target'} of ${disk.name} (${disk.id}) is gone, removed by another program or by a restart of the machine. Attach the image again; check its file system first.`;
}
