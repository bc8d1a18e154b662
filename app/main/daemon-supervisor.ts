/**
 * The main process's view of the daemon: starts it, connects to it, keeps its
 * list of disks, and when it is lost says why and shows its disks as failed.
 * Where disks outlive their daemon (dm-user) it starts the next one at once.
 */
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DaemonClient } from '../client/daemon-client';
import { runtimeDirectoryPath, runtimePaths } from '../client/runtime-directory';
import { startDaemon } from '../client/start-daemon';
import type {
  DaemonEventData,
  DaemonInfo,
  DaemonMethod,
  DaemonInput,
  DaemonResult,
} from '../contract/daemon-api';
import type { Disk } from '../contract/disk';
import { BioscopeError, toErrorValue, type ErrorValue } from '../contract/errors';
import type { DiskId } from '../contract/units';
import type { DaemonState, WindowState } from '../contract/window-api';
import { ownTag } from '../privileged/targets';

/** How long a dead daemon's exit status may take to reach us after its socket closed. */
const EXIT_WAIT_MS = 2000;
const LOG_LINES_SHOWN = 6;
/** A daemon that lived no longer than this, so many times in a row, is not started again. */
const SHORT_LIFE_MS = 5000;
const MOST_SHORT_LIVES = 5;

interface Events {
  state: [WindowState];
  statistics: [DaemonEventData<'statistics'>];
  recordings: [DaemonEventData<'recordings'>];
}

export interface SupervisorOptions {
  readonly daemonScript: string;
  /** The Node to run the daemon on; undefined for the app's own binary. */
  readonly program: string | undefined;
  /** Fails what waits on this user's target with this tag, where there is no daemon to do so. */
  readonly abortTarget: (tag: string) => Promise<void>;
}

export class DaemonSupervisor {
  private readonly options: SupervisorOptions;
  private readonly events = new EventEmitter<Events>();
  private daemon: DaemonState = { phase: 'starting' };
  private disks: readonly Disk[] = [];
  private client: DaemonClient | null = null;
  private starting: Promise<DaemonInfo> | null = null;
  private begun = 0;
  private shortLives = 0;
  /** How the daemons that we started ended, by process id. */
  private readonly ends = new Map<number, string>();

  constructor(options: SupervisorOptions) {
    this.options = options;
  }

  get state(): WindowState {
    return { daemon: this.daemon, disks: this.disks };
  }

  /** Disks that a living daemon serves. */
  get servedDisks(): readonly Disk[] {
    return this.daemon.phase === 'running'
      ? this.disks.filter(({ state }) => state !== 'failed')
      : [];
  }

  on<Event extends keyof Events>(event: Event, listener: (...data: Events[Event]) => void): void {
    // The emitter's own type does not follow a generic event name.
    this.events.on(event, listener as never);
  }

  /**
   * Connects, starting a daemon where none runs. Calls made meanwhile share the
   * attempt. Rejects with BioscopeError, and the state says the same.
   */
  start(): Promise<DaemonInfo> {
    if (this.daemon.phase === 'running') return Promise.resolve(this.daemon.info);
    this.starting ??= this.connect().finally(() => (this.starting = null));
    return this.starting;
  }

  /** Calls the daemon, starting it first if there is none. */
  async invoke<Method extends DaemonMethod>(
    method: Method,
    params: DaemonInput<Method>,
  ): Promise<DaemonResult<Method>> {
    if (this.starting) await this.starting;
    if (!this.client) throw BioscopeError.from(this.lostError());
    return this.client.invoke(method, params);
  }

  /** Forgets a failed disk: the daemon's, or one that only we still show because its daemon died. */
  async dismiss(disk: DiskId): Promise<DaemonResult<'disks.dismiss'>> {
    if (this.client) {
      try {
        return await this.client.invoke('disks.dismiss', { disk });
      } catch (thrown) {
        if (toErrorValue(thrown).code !== 'DISK_UNKNOWN') throw thrown;
      }
    }
    this.change(
      this.daemon,
      this.disks.filter(({ id }) => id !== disk),
    );
    return {};
  }

  /** Fails what waits on a disk: the daemon does, or we where none could be started. */
  async abort(id: DiskId): Promise<DaemonResult<'disks.abort'>> {
    // A start that fails leaves no daemon: that is what this is for.
    await this.starting?.catch(() => null);
    if (this.client) return this.client.invoke('disks.abort', { disk: id });
    const disk = this.disks.find((one) => one.id === id);
    const tag = disk ? tagOfHanging(disk) : null;
    if (!disk || tag === null) throw BioscopeError.from(this.lostError());
    try {
      await this.options.abortTarget(tag);
    } catch (thrown) {
      if (thrown instanceof BioscopeError) throw thrown;
      const { message, errno } = toErrorValue(thrown);
      throw new BioscopeError(
        'DISK_FAILED',
        `What waits on ${disk.name} (${id}) could not be failed (${message}).`,
        { errno, cause: thrown },
      );
    }
    return {};
  }

  private lostError(): ErrorValue {
    if (this.daemon.phase === 'lost') return this.daemon.error;
    return new BioscopeError('DAEMON_UNREACHABLE', 'The daemon does not run.').value;
  }

  private async connect(): Promise<DaemonInfo> {
    this.change({ phase: 'starting' });
    let client: DaemonClient | null = null;
    try {
      client = await startDaemon({
        daemonScript: this.options.daemonScript,
        program: this.options.program,
        onExit: (how, pid) => this.ends.set(pid, how),
      });
      client.on('disks', ({ disks }) => this.change(this.daemon, disks));
      client.on('statistics', (statistics) => this.events.emit('statistics', statistics));
      client.on('recordings', (recordings) => this.events.emit('recordings', recordings));
      const info = await client.invoke('hello', {});
      const { disks } = await client.invoke('watch', {});
      this.client = client;
      this.begun = Date.now();
      this.change({ phase: 'running', info }, disks);
      this.events.emit('recordings', await client.invoke('recordings.list', {}));
      const connected = client;
      void client.closed.then(() => this.lost(connected, info));
      return info;
    } catch (thrown) {
      client?.close();
      this.client = null;
      const error = toErrorValue(thrown);
      this.change(
        { phase: 'lost', error },
        this.disks.map((disk) => withoutDaemon(disk, error)),
      );
      throw thrown;
    }
  }

  private async lost(client: DaemonClient, info: DaemonInfo): Promise<void> {
    if (this.client !== client) return;
    this.client = null;
    if (this.mayGoOn()) {
      // Its requests wait in the kernel meanwhile: nobody waits for an explanation.
      this.change({ phase: 'starting' });
      this.start().catch(() => undefined);
      return;
    }
    const error = await this.explainLoss(info);
    this.change(
      { phase: 'lost', error },
      this.disks.map((disk) => withoutDaemon(disk, error)),
    );
  }

  /** Whether the next daemon can serve a disk on, and is not likely to die of it at once. */
  private mayGoOn(): boolean {
    const isShort = Date.now() - this.begun < SHORT_LIFE_MS;
    this.shortLives = isShort ? this.shortLives + 1 : 0;
    const waits = this.disks.some(({ route, state }) => route === 'dm-user' && state !== 'failed');
    return waits && this.shortLives < MOST_SHORT_LIVES;
  }

  /** Why the connection ended: its exit status if it was our child, and the end of its log. */
  private async explainLoss(info: DaemonInfo): Promise<ErrorValue> {
    const begun = Date.now();
    while (!this.ends.has(info.pid) && isAlive(info.pid) && Date.now() - begun < EXIT_WAIT_MS) {
      await sleep(20);
    }
    // The child's end is reported a moment after the process is gone.
    if (!this.ends.has(info.pid)) await sleep(50);
    const who = `The daemon (process ${info.pid})`;
    const end = this.ends.get(info.pid);
    if (end === 'status 0') {
      return new BioscopeError('DAEMON_UNREACHABLE', `${who} was stopped.`).value;
    }
    let what = `${who} ended unexpectedly.`;
    if (end !== undefined) what = `${who} ended unexpectedly: ${end}.`;
    else if (isAlive(info.pid)) what = `${who} closed the connection, but still runs.`;
    const log = lastLines(runtimePaths(runtimeDirectoryPath()).log);
    return new BioscopeError('DAEMON_UNREACHABLE', log ? `${what}\nIts log ends:\n${log}` : what)
      .value;
  }

  private change(daemon: DaemonState, disks: readonly Disk[] = this.disks): void {
    this.daemon = daemon;
    this.disks = disks;
    this.events.emit('state', this.state);
  }
}

/** The tag of a disk's target, where that is this user's: one made by hand is not ours to fail. */
const tagOfHanging = ({ route, device }: Disk): string | null =>
  route === 'dm-user' ? ownTag((device ?? '').replace('/dev/mapper/', '')) : null;

/** What a disk is while no daemon runs and none could be started. */
function withoutDaemon(disk: Disk, { message }: ErrorValue): Disk {
  if (disk.state === 'failed') return disk;
  const why = message.split('\n')[0] ?? '';
  const where = disk.device ?? disk.name;
  const hanging = tagOfHanging(disk) !== null;
  const command = `sudo dmsetup message ${where.replace('/dev/mapper/', '')} 0 abort`;
  const waits = hanging
    ? 'wait in the kernel, and so does whoever made them,'
    : 'wait or fail, as its table says,';
  const text =
    disk.route === 'dm-user'
      ? `${why} Requests to ${where} ${waits} until a daemon is started; then they go on, and nothing is lost. To give them up (they fail with EIO): ${command}`
      : `${why} Requests to ${where} fail until the daemon is started again, which clears it away. The image is safe up to its last flush.`;
  const { value } = new BioscopeError('DISK_FAILED', text);
  return { ...disk, state: 'failed', hanging, failure: value };
}

/** A dead process whose parent has not asked how it ended (a zombie) does not count. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const state = stat.charAt(stat.lastIndexOf(')') + 2);
    return state !== 'Z' && state !== 'X';
  } catch {
    return false;
  }
}

function lastLines(path: string): string {
  try {
    return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-LOG_LINES_SHOWN).join('\n');
  } catch {
    return '';
  }
}
