/**
 * The directory where the daemon keeps its socket, lock, log, state and trace
 * files, and what V8 made of its program (daemon.code, app/daemon/start.ts). Only its owner may enter it: whoever can open the socket in it can
 * attach disks.
 */
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  type Stats,
} from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { type Disk, diskSchema } from '../contract/disk';
import { BioscopeError } from '../contract/errors';

/** The longest socket path that fits into sockaddr_un with its closing zero. */
const LONGEST_SOCKET_PATH = 107;

export interface RuntimePaths {
  readonly directory: string;
  readonly socket: string;
  readonly lock: string;
  readonly log: string;
  readonly state: string;
  /** Directory of the trace files. */
  readonly traces: string;
  /** Directory of the mount points. */
  readonly mounts: string;
}

export function runtimePaths(directory: string): RuntimePaths {
  return {
    directory,
    socket: join(directory, 'daemon.sock'),
    lock: join(directory, 'daemon.lock'),
    log: join(directory, 'daemon.log'),
    state: join(directory, 'disks.json'),
    traces: join(directory, 'traces'),
    mounts: join(directory, 'mounts'),
  };
}

function ownedDirectory(path: string, uid: number): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats !== undefined && stats.isDirectory() && stats.uid === uid;
}

function currentUid(): number {
  return process.getuid?.() ?? 0;
}

/**
 * The path of the runtime directory by rule, whether it exists or not:
 * $BIOSCOPE_RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR/bioscope, else
 * /run/user/UID/bioscope, else /run/bioscope for root and /tmp/bioscope-UID for
 * others. An XDG_RUNTIME_DIR of somebody else (left over by su or sudo) is
 * passed over: root's files in it would lock its owner out.
 */
export function runtimeDirectoryPath(
  environment: NodeJS.ProcessEnv = process.env,
  uid: number = currentUid(),
): string {
  const chosen = environment['BIOSCOPE_RUNTIME_DIRECTORY'];
  if (chosen !== undefined && chosen !== '') {
    if (!isAbsolute(chosen)) {
      throw new BioscopeError(
        'RUNTIME_DIRECTORY',
        `BIOSCOPE_RUNTIME_DIRECTORY is "${chosen}", which is not an absolute path. Set it to one, or unset it.`,
      );
    }
    return chosen;
  }
  const session = environment['XDG_RUNTIME_DIR'];
  if (session !== undefined && isAbsolute(session) && ownedDirectory(session, uid)) {
    return join(session, 'bioscope');
  }
  const login = `/run/user/${uid}`;
  if (ownedDirectory(login, uid)) return join(login, 'bioscope');
  return uid === 0 ? '/run/bioscope' : `/tmp/bioscope-${uid}`;
}

const wayOut = 'Set BIOSCOPE_RUNTIME_DIRECTORY to a directory of your own.';

function refuse(message: string, cause?: unknown): BioscopeError {
  const errno = cause instanceof Error && 'code' in cause ? String(cause.code) : null;
  return new BioscopeError('RUNTIME_DIRECTORY', `${message} ${wayOut}`, { errno, cause });
}

function reason(thrown: unknown): string {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : String(thrown);
}

/** Throws unless `stats` is a directory of ours; a symbolic link is never followed. */
function checkOwner(path: string, stats: Stats, uid: number): void {
  if (stats.isSymbolicLink()) throw refuse(`The runtime directory ${path} is a symbolic link.`);
  if (!stats.isDirectory()) throw refuse(`The runtime directory ${path} is not a directory.`);
  if (stats.uid !== uid) {
    throw refuse(`The runtime directory ${path} belongs to user ${stats.uid}, not to user ${uid}.`);
  }
}

/**
 * The paths for talking to a daemon that may run already; makes nothing. Throws
 * RUNTIME_DIRECTORY when the directory is there but somebody else's: what
 * listens in it is not to be trusted.
 */
export function findRuntimeDirectory(
  environment: NodeJS.ProcessEnv = process.env,
  uid: number = currentUid(),
): RuntimePaths {
  const directory = runtimeDirectoryPath(environment, uid);
  const stats = lstatSync(directory, { throwIfNoEntry: false });
  if (stats) checkOwner(directory, stats, uid);
  return runtimePaths(directory);
}

/**
 * True when a daemon that ended left disks in its state file. The next daemon
 * clears up after them and lists them as failed.
 */
export function hasLeftovers(paths: RuntimePaths): boolean {
  try {
    const state: unknown = JSON.parse(readFileSync(paths.state, 'utf8'));
    if (typeof state !== 'object' || state === null || !('disks' in state)) return false;
    return Array.isArray(state.disks) && state.disks.length > 0;
  } catch {
    return false; // none, or one that nobody can read
  }
}

/** What others than the daemon need of its state file (app/daemon/disks/state-file.ts). */
const leftState = z.object({ disks: z.array(z.object({ disk: diskSchema })) });

/**
 * The disks in the state file of a daemon that ended, for who cannot start another one;
 * none where there is no such file, or it cannot be read.
 */
export function leftDisks(paths: RuntimePaths): readonly Disk[] {
  try {
    const { disks } = leftState.parse(JSON.parse(readFileSync(paths.state, 'utf8')));
    return disks.map(({ disk }) => disk);
  } catch {
    return [];
  }
}

/**
 * mkdir -p. Node's own never returns where a directory cannot be made although
 * its parent is there (/proc).
 */
function makeDirectory(path: string): void {
  const parent = dirname(path);
  if (parent !== path && !existsSync(parent)) makeDirectory(parent);
  mkdirSync(path, { mode: 0o700 });
}

/**
 * Makes the runtime directory (0700) and what belongs in it, and checks that it
 * is ours and can be written. Throws BioscopeError RUNTIME_DIRECTORY, which
 * names the path and the way out. Safe to call from several processes at once.
 */
export function prepareRuntimeDirectory(
  environment: NodeJS.ProcessEnv = process.env,
  uid: number = currentUid(),
): RuntimePaths {
  const directory = runtimeDirectoryPath(environment, uid);
  const paths = runtimePaths(directory);
  if (Buffer.byteLength(paths.socket) > LONGEST_SOCKET_PATH) {
    throw refuse(
      `The runtime directory ${directory} has too long a path for a Unix socket (${LONGEST_SOCKET_PATH} bytes with "/daemon.sock").`,
    );
  }
  for (const path of [directory, paths.traces, paths.mounts]) {
    try {
      makeDirectory(path);
    } catch (thrown) {
      if (reason(thrown) !== 'EEXIST') {
        throw refuse(`The runtime directory ${path} cannot be made (${reason(thrown)}).`, thrown);
      }
    }
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) throw refuse(`The runtime directory ${path} vanished.`);
    checkOwner(path, stats, uid);
    try {
      if ((stats.mode & 0o777) !== 0o700) chmodSync(path, 0o700);
      accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (thrown) {
      throw refuse(`The runtime directory ${path} cannot be written (${reason(thrown)}).`, thrown);
    }
  }
  return paths;
}
