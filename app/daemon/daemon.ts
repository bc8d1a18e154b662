/**
 * The daemon: owns the engine and the disks, and answers on a Unix socket. It is
 * started by the window or the command line and outlives both.
 *
 * Ends: after a few seconds without disks and clients; when told to (`stop`); on
 * SIGTERM or SIGINT, once every disk is detached. A disk in use is not torn away
 * from under its user: the daemon then says so in its log, keeps serving, and
 * tries again at the next signal.
 */
import { existsSync } from 'node:fs';
import { loadAddon } from '../addon/load';
import { EXIT_DAEMON_RUNNING } from '../client/exit-codes';
import { prepareRuntimeDirectory, type RuntimePaths } from '../client/runtime-directory';
import { version } from '../client/version';
import { toErrorValue } from '../contract/errors';
import { choosePrivileges } from '../privileged/choose';
import { CpuMeter } from './cpu-meter';
import { DiskTable } from './disks/disk-table';
import { traceOptions } from './disks/trace-options';
import { succeed } from './succeed';
import { logToStderr as log } from './log';
import { methods } from './methods';
import { Recordings } from './recordings/recordings';
import { showLife } from './signs-of-life';
import { DaemonServer } from './server/server';
import { takeOver } from './take-over';

const STATISTICS_MS = 250;
const LIFE_MS = 250;
const REFRESH_MS = 1500;
/** Looking at every process's files must not cost more than a thirtieth of a CPU. */
const REFRESH_COST_FACTOR = 30;
const IDLE_SECONDS = 5;

async function main(isKeptCode: boolean): Promise<void> {
  process.title = 'bioscope-daemon';
  process.umask(0o077);
  surviveTheUnforeseen();
  const paths = prepareRuntimeDirectory();
  const addon = loadAddon();
  const privileges = choosePrivileges(addon);
  const trace = traceOptions(process.env, log);
  const disks = new DiskTable({ addon, privileges, paths, trace, log });
  const succession =
    process.env['BIOSCOPE_SUCCEED'] === '1' ? await succeed(disks, addon, paths, log) : null;
  const lock = succession ? succession.lock : addon.lockFile(paths.lock);
  if (lock === null) process.exit(EXIT_DAEMON_RUNNING);
  const kept = isKeptCode ? ', of kept code' : '';
  log(`daemon ${version} (process ${process.pid}) in ${paths.directory}${kept}`);
  const { resumed, cleared } = await takeOver(disks, succession?.before ?? null, {
    paths,
    privileges,
    log,
  });

  const recordings = new Recordings(log);
  const cpu = new CpuMeter();
  let isLockOurs = true;
  const shutDown = ({ handedOver }: { readonly handedOver: boolean }) => {
    // The next daemon serves from here on.
    isLockOurs = !handedOver;
    if (handedOver) addon.unlockFile(lock);
    else log('ends');
    disks.setClosing(true);
    // After the answer to the call has been written; what is on its way gets a moment.
    setImmediate(() => {
      server.close();
      // Recordings may take a while, and who unmounts an image's file system waits for none.
      const letGo = handedOver ? addon.letGoOfImages() : Promise.resolve();
      letGo.catch((thrown: unknown) => log(`an image stays open: ${toErrorValue(thrown).message}`));
    });
    setTimeout(() => void recordings.finish(null).finally(() => process.exit(0)), 100);
  };
  const end = () => shutDown({ handedOver: false });
  const server: DaemonServer = new DaemonServer(
    methods({
      disks,
      recordings,
      privileges,
      addon,
      channels: trace.channels,
      paths,
      cpu,
      shutDown,
      // Before the lock: who has that listens on the socket.
      leave: () => {
        log('hands over');
        server.leave();
      },
      onWatch: () => refresher.soon(),
    }),
    log,
  );
  const refresher = new Refresher(disks, server);
  const list = () => ({ disks: [...disks.list()] });
  disks.onChange(() => server.announceDisks(list));
  const standings = () => ({ recordings: [...recordings.list()] });
  recordings.onChange = () => server.announceRecordings(standings);
  setInterval(() => {
    if (!server.watched) return;
    const data = { disks: disks.statistics(), cpu: cpu.sample() };
    server.announceStatistics(() => data);
  }, STATISTICS_MS);
  const live = () => {
    // After a change of daemons the other one's life is what counts.
    if (isLockOurs && disks.targets.tags().size > 0) showLife(paths.lock);
  };
  setInterval(live, LIFE_MS);
  // One that has just been attached: the lock's time may be hours old.
  disks.onChange(live);
  void cleared.then(() => endWhenIdle(disks, server, end));
  endOnSignals(disks, end);
  endWhenForgotten(paths, disks, end);
  await server.listen(paths.socket);
  await resumed;
}

/** Looks at partitions and holders now and then while somebody watches. */
class Refresher {
  private timer: NodeJS.Timeout | null = null;
  private busy = false;

  constructor(
    private readonly disks: DiskTable,
    private readonly server: DaemonServer,
  ) {}

  /** Looks at once, and then again and again while somebody watches. */
  soon(): void {
    if (this.busy) return;
    if (this.timer) clearTimeout(this.timer);
    void this.look();
  }

  private async look(): Promise<void> {
    this.busy = true;
    const before = performance.now();
    try {
      await this.disks.refresh();
    } catch (thrown) {
      log(`cannot look at the disks' users: ${String(thrown)}`);
    }
    this.busy = false;
    if (!this.server.watched) return;
    const cost = performance.now() - before;
    this.timer = setTimeout(
      () => void this.look(),
      Math.max(REFRESH_MS, cost * REFRESH_COST_FACTOR),
    );
  }
}

/** Failed disks do not keep the daemon alive: the state file does, and the next daemon lists them. */
function endWhenIdle(disks: DiskTable, server: DaemonServer, shutDown: () => void): void {
  const seconds = Number(process.env['BIOSCOPE_IDLE_SECONDS'] ?? IDLE_SECONDS);
  const limit = (Number.isFinite(seconds) && seconds >= 0 ? seconds : IDLE_SECONDS) * 1000;
  let timer: NodeJS.Timeout | null = null;
  const look = () => {
    const idle = disks.liveCount === 0 && server.connectionCount === 0;
    if (idle) timer ??= setTimeout(shutDown, limit);
    else if (timer) {
      clearTimeout(timer);
      timer = null;
    }
  };
  server.onConnections = look;
  disks.onChange(look);
  look();
}

function endOnSignals(disks: DiskTable, shutDown: () => void): void {
  let ending = false;
  const end = async (signal: string) => {
    if (ending) return;
    ending = true;
    log(`${signal}: detaching all disks`);
    disks.setClosing(true);
    const errors = await disks.detachAll({ allOrNone: false });
    if (errors.length === 0 && disks.liveCount === 0) {
      shutDown();
      return;
    }
    for (const { message } of errors) log(message);
    log(`${signal}: still serving ${disks.liveCount} in use; signal again once they are free`);
    disks.setClosing(false);
    ending = false;
  };
  process.on('SIGTERM', (signal) => void end(signal));
  process.on('SIGINT', (signal) => void end(signal));
  // The terminal it was started from went away; that is not its business.
  process.on('SIGHUP', () => undefined);
}

/** Without its runtime directory nobody can reach the daemon any more: without disks it ends. */
function endWhenForgotten(paths: RuntimePaths, disks: DiskTable, shutDown: () => void): void {
  const look = setInterval(() => {
    if (existsSync(paths.socket) || disks.liveCount > 0) return;
    clearInterval(look);
    shutDown();
  }, 5000);
}

/**
 * A mistake in the control plane must not become a disk error: the engine's
 * threads go on serving, so the process does too, and the log has the reason.
 */
function surviveTheUnforeseen(): void {
  const tell = (thrown: unknown) => {
    log(
      `unforeseen: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}`,
    );
  };
  process.on('uncaughtException', tell);
  process.on('unhandledRejection', tell);
}

/**
 * Resolves once clients are heard and the targets found are served, or failed; the process
 * ends where clients cannot be heard. `isKeptCode`: V8 had not to compile this.
 */
export async function begin(isKeptCode: boolean): Promise<void> {
  try {
    await main(isKeptCode);
  } catch (thrown) {
    process.stderr.write(`bioscope-daemon: ${toErrorValue(thrown).message}\n`);
    process.exit(1);
  }
}
