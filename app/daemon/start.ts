/**
 * Where the daemon's process begins: loads its program, daemon.ts, bundled beside this as
 * daemon-body.cjs. The requests of the disks of a daemon that died wait for that, and
 * half of the time goes into compiling. So what V8 made of the program is kept in the
 * runtime directory, where the next daemon finds it.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Script } from 'node:vm';
import type * as daemon from './daemon';

/** A digest of the program; scripts/build.mjs puts it in. */
declare const DAEMON_BODY: string;

/** After the daemon has begun to listen: making it holds up JavaScript, though no request. */
const SAVE_MS = 500;

interface Body {
  exports: Partial<typeof daemon>;
}
type Wrapper = (
  exports: object,
  require: NodeJS.Require,
  module: Body,
  filename: string,
  directory: string,
) => void;

/** The kept code; undefined where there is none of this very program. V8 refuses another V8's. */
function readCode(path: string): Buffer | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    // It is as good as the program itself: nobody else may have written it.
    const { uid, mode } = fstatSync(file);
    if (uid !== process.getuid?.() || (mode & 0o077) !== 0) return undefined;
    const bytes = readFileSync(file);
    const body = bytes.subarray(0, DAEMON_BODY.length).toString('latin1');
    return body === DAEMON_BODY ? bytes.subarray(DAEMON_BODY.length) : undefined;
  } catch {
    return undefined;
  } finally {
    closeSync(file);
  }
}

/** Never throws: without it the next start takes longer, and that is all. */
function saveCode(path: string, code: Buffer): void {
  const fresh = `${path}.${process.pid}`;
  try {
    const file = openSync(fresh, 'wx', 0o600);
    try {
      const whole = Buffer.concat([Buffer.from(DAEMON_BODY, 'latin1'), code]);
      if (writeSync(file, whole) < whole.length) throw new Error('no room');
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(fresh, path);
  } catch {
    rmSync(fresh, { force: true });
  }
}

function start(): void {
  const filename = join(__dirname, 'daemon-body.cjs');
  const source = readFileSync(filename, 'latin1'); // esbuild writes ASCII
  // Whoever starts a daemon has made sure that the directory is the user's own.
  const directory = process.env['BIOSCOPE_RUNTIME_DIRECTORY'];
  const path = directory ? join(directory, 'daemon.code') : null;
  const cachedData = path === null ? undefined : readCode(path);
  const wrapped = `(function (exports, require, module, __filename, __dirname) {${source}\n})`;
  const script = new Script(wrapped, { filename, ...(cachedData ? { cachedData } : {}) });
  const body: Body = { exports: {} };
  const run = script.runInThisContext() as Wrapper;
  run(body.exports, createRequire(filename), body, filename, __dirname);
  if (!body.exports.begin) throw new Error(`${filename} is not the daemon: npm run build.`);
  const isKeptCode = cachedData !== undefined && script.cachedDataRejected !== true;
  const listening = body.exports.begin(isKeptCode);
  if (path === null || isKeptCode) return;
  const save = () => saveCode(path, script.createCachedData());
  void listening.then(() => setTimeout(save, SAVE_MS).unref());
}

start();
