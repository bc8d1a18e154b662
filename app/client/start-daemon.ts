/**
 * Connects to the daemon, starting it first where none runs. The daemon is a
 * process of its own: it outlives whoever started it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BioscopeError } from '../contract/errors';
import { DaemonClient } from './daemon-client';
import { EXIT_DAEMON_RUNNING } from './exit-codes';
import { withoutInheritance } from './inherited-descriptors';
import { prepareRuntimeDirectory, type RuntimePaths } from './runtime-directory';

/** The log begins anew past this many bytes. */
const LONGEST_LOG = 1024 * 1024;
const POLL_MS = 20;
const RELAUNCH_MS = 200;
/** Clearing what a dead daemon left behind can take some seconds. */
const START_TIMEOUT_MS = 30_000;
/** The old daemon serves all the while: there is no hurry, and asking it takes time from that. */
const REPLACE_TIMEOUT_MS = 120_000;
const REPLACE_POLL_MS = 100;
const LOG_LINES_SHOWN = 8;

export interface StartOptions {
  /** Absolute path of the bundled daemon, dist/daemon.cjs. */
  readonly daemonScript: string;
  readonly environment?: NodeJS.ProcessEnv;
  /** The Node to run it on; without it this process's own binary. */
  readonly program?: string | undefined;
  /** Called when a daemon that this call started has ended: how, in words for a sentence. */
  readonly onExit?: (how: string, pid: number) => void;
}

/** Connects to a daemon that runs already; null when there is none. */
export async function connectDaemon(
  paths: RuntimePaths,
  patience?: number,
): Promise<DaemonClient | null> {
  const client = await DaemonClient.connect(paths.socket);
  if (client === null) return null;
  try {
    await client.hello(patience);
    return client;
  } catch (thrown) {
    client.close();
    throw thrown;
  }
}

/**
 * Connects to the daemon, starting it where none runs. Throws BioscopeError:
 * RUNTIME_DIRECTORY, DAEMON_RUNNING (of another version), or DAEMON_UNREACHABLE
 * with the last lines of its log.
 */
export async function startDaemon(options: StartOptions): Promise<DaemonClient> {
  const environment = options.environment ?? process.env;
  const paths = prepareRuntimeDirectory(environment);
  const running = await connectUnlessEnding(paths);
  if (running) return running;

  const logStart = rotateLog(paths.log);
  const deadline = Date.now() + START_TIMEOUT_MS;
  let attempt = launch(options, paths, environment);
  while (Date.now() < deadline) {
    const client = await connectUnlessEnding(paths);
    if (client) return client;
    if (attempt.end === null) {
      await Promise.race([sleep(POLL_MS), attempt.ended]);
    } else if (attempt.end === `status ${EXIT_DAEMON_RUNNING}`) {
      // Another daemon has the lock but does not listen: it is about to, or about to end.
      await sleep(RELAUNCH_MS);
      attempt = launch(options, paths, environment);
    } else {
      throw startFailed(`The daemon could not start (${attempt.end}).`, paths.log, logStart);
    }
  }
  const held = attempt.end === `status ${EXIT_DAEMON_RUNNING}`;
  throw startFailed(
    held
      ? `Another process has ${paths.lock} locked, but none listens on ${paths.socket}: a daemon that hangs?`
      : `The daemon did not answer within ${START_TIMEOUT_MS / 1000} s.`,
    paths.log,
    logStart,
  );
}

/**
 * Starts a daemon that takes over from the one that runs, and connects to it. Throws
 * BioscopeError with the new one's words when it could not; the old one then serves on.
 */
export async function replaceDaemon(options: StartOptions, oldPid: number): Promise<DaemonClient> {
  const environment = options.environment ?? process.env;
  const paths = prepareRuntimeDirectory(environment);
  const logStart = rotateLog(paths.log);
  const deadline = Date.now() + REPLACE_TIMEOUT_MS;
  const attempt = launch(options, paths, { ...environment, BIOSCOPE_SUCCEED: '1' });
  while (Date.now() < deadline) {
    const client = await connectUnlessEnding(paths);
    // The old one may end between two calls.
    const pid = await client?.hello().then(
      (info) => info.pid,
      () => oldPid,
    );
    if (client && pid !== oldPid) return client;
    client?.close();
    // A third one was quicker with the lock: it goes on with the disks as well.
    const outrun = attempt.end === `status ${EXIT_DAEMON_RUNNING}`;
    if (attempt.end !== null && !outrun)
      throw startFailed(`The next daemon ended (${attempt.end}).`, paths.log, logStart);
    const pause = sleep(REPLACE_POLL_MS);
    await (outrun ? pause : Promise.race([pause, attempt.ended]));
  }
  throw startFailed(
    `No other daemon served within ${REPLACE_TIMEOUT_MS / 1000} s.`,
    paths.log,
    logStart,
  );
}

/** Like connectDaemon; null too for a daemon that accepts and then closes because it is ending. */
async function connectUnlessEnding(paths: RuntimePaths): Promise<DaemonClient | null> {
  try {
    return await connectDaemon(paths);
  } catch (thrown) {
    if (thrown instanceof BioscopeError && thrown.value.code === 'DAEMON_UNREACHABLE') {
      const { errno } = thrown.value;
      if (errno === null || errno === 'EPIPE' || errno === 'ECONNRESET') return null;
    }
    throw thrown;
  }
}

interface Launch {
  /** How the process ended; null while it runs. */
  end: string | null;
  readonly ended: Promise<void>;
}

function launch(
  options: StartOptions,
  paths: RuntimePaths,
  environment: NodeJS.ProcessEnv,
): Launch {
  const child = spawnDaemon(options, paths, environment);
  const result: Launch = {
    end: null,
    ended: new Promise((resolve) => {
      const over = (how: string) => {
        result.end = how;
        resolve();
        options.onExit?.(how, child.pid ?? 0);
      };
      child.once('error', (error) => over(error.message));
      child.once('exit', (code, signal) =>
        over(code === null ? `ended by ${signal ?? 'a signal'}` : `status ${code}`),
      );
    }),
  };
  return result;
}

function spawnDaemon(
  { daemonScript: script, program }: StartOptions,
  paths: RuntimePaths,
  environment: NodeJS.ProcessEnv,
): ChildProcess {
  const runsOnOurselves = program === undefined;
  if (!existsSync(script)) {
    throw new BioscopeError(
      'DAEMON_UNREACHABLE',
      `The daemon's program ${script} is missing. Build Bioscope first (npm run build).`,
    );
  }
  const log = openSync(paths.log, 'a', 0o600);
  try {
    const child = withoutInheritance(log, (stdio) =>
      spawn(program ?? process.execPath, [script], {
        detached: true,
        cwd: '/',
        stdio,
        env: {
          ...withoutCertificates(environment),
          BIOSCOPE_RUNTIME_DIRECTORY: paths.directory,
          ...(runsOnOurselves && 'electron' in process.versions
            ? { ELECTRON_RUN_AS_NODE: '1' }
            : {}),
        },
      }),
    );
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

/**
 * Node reads and parses more certificates at every start, which takes as long as all else
 * it does then; the daemon speaks to nobody by TLS.
 */
function withoutCertificates(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { NODE_EXTRA_CA_CERTS: _, ...rest } = environment;
  return rest;
}

/** Where in the log the next daemon's lines begin. */
function rotateLog(path: string): number {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size <= LONGEST_LOG) return size;
  truncateSync(path);
  return 0;
}

function startFailed(message: string, logPath: string, logStart: number): BioscopeError {
  let tail = '';
  try {
    const lines = readFileSync(logPath).subarray(logStart).toString('utf8').trimEnd().split('\n');
    tail = lines.slice(-LOG_LINES_SHOWN).join('\n');
  } catch {
    // Without a log there is nothing to add to the message.
  }
  const said =
    tail === '' ? `Its log ${logPath} says nothing.` : `Its log ${logPath} ends:\n${tail}`;
  return new BioscopeError('DAEMON_UNREACHABLE', `${message} ${said}`);
}
