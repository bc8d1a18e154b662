/**
 * Reads the traces of the daemon's disks straight from shared memory and prints
 * them in the order of arrival. Disks come and go meanwhile: the daemon's events
 * tell.
 */
import type { NativeAddon, NativeTraceReader } from '../../addon/addon';
import type { DaemonClient } from '../../client/daemon-client';
import type { Disk, Gap } from '../../contract/disk';
import { toErrorValue } from '../../contract/errors';
import { RECORD_BYTES, decodeRecord, type TraceRecord } from '../../contract/trace';
import type { DiskId } from '../../contract/units';
import type { Filter } from '../../filter/filter';
import { pause, type Terminal } from '../terminal';
import { BatchFilter, keptPayloads } from './batch-filter';
import type { TraceFormat } from './format';
import { GapsPassed } from './gaps-passed';

const BATCH_RECORDS = 8192;
/** How often the rings are looked at while nothing happens. */
const POLL_MS = 20;

export interface FollowOptions {
  readonly client: DaemonClient;
  readonly addon: NativeAddon;
  readonly terminal: Terminal;
  readonly format: TraceFormat;
  /** These disks alone; it ends when all of them have ended. Null: all there are and will be. */
  readonly only: ReadonlySet<DiskId> | null;
  readonly from: 'oldest' | 'newest';
  /** False: print what is kept now, and end. */
  readonly follow: boolean;
  /** Ends after so many requests. */
  readonly count: number;
  /** Only requests that pass are printed and counted; all without one. */
  readonly filter?: Filter | null;
}

interface Followed {
  disk: Disk;
  readonly reader: NativeTraceReader;
  readonly filter: BatchFilter | null;
  readonly gaps: GapsPassed;
  /** Why it ends, once it does: what is left in the rings is still printed. */
  ended: string | null;
}

/** A request, or a time in which nobody served. */
interface Line {
  readonly disk: Disk;
  readonly what: TraceRecord | Gap;
  /** When the request arrived, or somebody served again. */
  readonly realtime: bigint;
  readonly offset: bigint;
}

/** Returns when there is nothing more to follow, `count` is reached, or the terminal ends it. */
export async function followDisks(options: FollowOptions): Promise<void> {
  const { client, terminal, format, follow } = options;
  const follower = new Follower(options);
  await terminal.print(...format.header());
  const daemon = new AbortController();
  const stopListening = client.on('disks', ({ disks }) => follower.update(disks));
  void client.closed.then(() => daemon.abort());
  try {
    const { disks } = await client.invoke('watch', {});
    follower.update(disks);
    for (;;) {
      const printed = await follower.printRound();
      if (terminal.end.aborted || follower.full || follower.allEnded) return;
      if (printed > 0) continue;
      if (!follow) return;
      if (daemon.signal.aborted) {
        await follower.daemonLost();
        return;
      }
      await pause(POLL_MS, terminal.end);
    }
  } finally {
    stopListening();
    follower.close();
  }
}

class Follower {
  private readonly options: FollowOptions;
  private readonly followed = new Map<DiskId, Followed>();
  /** Disks that were there and have ended: not taken up again. */
  private readonly done = new Set<DiskId>();
  private readonly buffer = new ArrayBuffer(BATCH_RECORDS * RECORD_BYTES);
  private readonly view = new DataView(this.buffer);
  private notices: string[] = [];
  private first = true;
  private printed = 0;

  constructor(options: FollowOptions) {
    this.options = options;
  }

  get full(): boolean {
    return this.printed >= this.options.count;
  }

  /** True when the disks that were asked for by name have all ended. */
  get allEnded(): boolean {
    const { only } = this.options;
    return only !== null && [...only].every((id) => this.done.has(id));
  }

  update(disks: readonly Disk[]): void {
    const byId = new Map(disks.map((disk) => [disk.id, disk]));
    for (const followed of this.followed.values()) {
      const disk = byId.get(followed.disk.id);
      if (disk === undefined) followed.ended ??= 'detached';
      else if (disk.state === 'failed') followed.ended ??= disk.failure?.message ?? 'failed';
    }
    for (const disk of disks) this.take(disk);
    for (const id of this.options.only ?? []) {
      if (!byId.has(id) && !this.followed.has(id)) this.done.add(id);
    }
    this.first = false;
  }

  private take(disk: Disk): void {
    const { only, addon, from, format } = this.options;
    if (this.followed.has(disk.id) || this.done.has(disk.id) || only?.has(disk.id) === false)
      return;
    // What a failed disk did before is shown only when it is asked for by name.
    if (disk.state === 'attaching' || (disk.state === 'failed' && only === null)) return;
    let reader: NativeTraceReader;
    try {
      // Of a disk that comes later, everything is new.
      reader = addon.openTrace(disk.tracePath, this.first ? from : 'oldest');
    } catch (thrown) {
      this.done.add(disk.id);
      const { errno, message } = toErrorValue(thrown);
      // Gone again before we came: there is nothing to tell.
      if (errno !== 'ENOENT') this.options.terminal.say(`${disk.id}: no trace (${message})`);
      return;
    }
    const ended = disk.state === 'failed' ? (disk.failure?.message ?? 'failed') : null;
    const { client, filter: wanted = null } = this.options;
    const filter =
      wanted && new BatchFilter(wanted, keptPayloads(client, disk.id), reader.epochMonotonicNs);
    const gaps = new GapsPassed(disk.gaps);
    this.followed.set(disk.id, { disk, reader, filter, gaps, ended });
    this.notices.push(format.attached(disk));
  }

  /** Prints what has come since the last round; returns how many requests that were, passed or not. */
  async printRound(): Promise<number> {
    const { terminal, format } = this.options;
    await terminal.print(...this.notices.splice(0));
    const lines: Line[] = [];
    const notices: string[] = [];
    let came = 0;
    for (const followed of [...this.followed.values()]) {
      const ended = followed.ended;
      const taken = await this.readBatch(followed, lines, notices);
      came += taken;
      if (taken > 0 || ended === null) continue;
      followed.reader.close();
      this.followed.delete(followed.disk.id);
      this.done.add(followed.disk.id);
      this.notices.push(format.ended(followed.disk, ended));
    }
    lines.sort((a, b) => (a.realtime < b.realtime ? -1 : a.realtime > b.realtime ? 1 : 0));
    const texts: string[] = [];
    for (const { disk, what, realtime, offset } of lines) {
      if (this.full) break;
      const isRequest = 'sequence' in what;
      texts.push(isRequest ? format.request(disk, what, realtime) : format.gap(disk, what, offset));
      if (isRequest) this.printed++;
    }
    await terminal.print(...notices, ...texts);
    if (!this.full) await terminal.print(...this.notices.splice(0));
    return came;
  }

  private async readBatch(followed: Followed, lines: Line[], notices: string[]): Promise<number> {
    const { disk, reader, filter, gaps } = followed;
    const { count, lost } = reader.read(this.buffer);
    if (lost > 0n) notices.push(this.options.format.lost(disk, lost));
    const passing = filter && (await filter.passing(this.buffer, count));
    if (passing && passing.gone > 0) notices.push(this.options.format.gone(disk, passing.gone));
    const offset = reader.epochRealtimeNs - reader.epochMonotonicNs;
    for (let index = 0; index < count; index++) {
      for (const what of gaps.before(this.view, index * RECORD_BYTES))
        lines.push({ disk, what, realtime: what.to + offset, offset });
      if (passing?.has(index) === false) continue;
      const what = decodeRecord(this.view, index * RECORD_BYTES);
      lines.push({ disk, what, realtime: what.arrival + offset, offset });
    }
    return count;
  }

  /** The daemon has gone: every disk ends, after what it wrote last has been printed. */
  async daemonLost(): Promise<void> {
    for (const followed of this.followed.values()) followed.ended ??= 'the daemon ended';
    while ((await this.printRound()) > 0 && !this.full);
  }

  close(): void {
    for (const { reader } of this.followed.values()) reader.close();
    this.followed.clear();
  }
}
