/**
 * Where the daemon's process begins: loads its program, daemon.ts, bundled beside this as
 * daemon-body.cjs. The requests of the disks of a daemon that died wait for that, and
 * half of the time goes into compiling. So what V8 made of the program is kept in the
 * runtime directory, where the next daemon finds it. V8 believes what it finds in there
 * (it looks at the program's length alone): a digest over both makes sure that the code is
 * whole and this program's. And while a daemon starts from it, it is under another name,
 * where it stays if that daemon crashes: the next one starts without.
 */
import { createHash } from 'node:crypto';
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

/** After the daemon has begun: making it holds up JavaScript, though no request. */
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

/** SHA-256 of the program and the code that V8 made of it: what the file begins with. */
const DIGEST_BYTES = 32;
const digestOf = (program: Buffer, code: Buffer) =>
  createHash('sha256').update(program).update(code).digest();

/** Where it is while a daemon starts from it. */
const triedPath = (path: string) => `${path}.tried`;

/** The kept code; undefined where there is none of this very program. V8 refuses another V8's. */
function readCode(path: string, program: Buffer): Buffer | undefined {
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
    const code = bytes.subarray(DIGEST_BYTES);
    if (!digestOf(program, code).equals(bytes.subarray(0, DIGEST_BYTES))) return undefined;
    renameSync(path, triedPath(path));
    return code;
  } catch {
    return undefined;
  } finally {
    closeSync(file);
  }
}

/** Never throws: without it the next start takes longer, and that is all. */
function saveCode(path: string, program: Buffer, code: Buffer): void {
  const fresh = `${path}.new`;
  try {
    rmSync(fresh, { force: true }); // of one that was killed
    const file = openSync(fresh, 'wx', 0o600);
    try {
      const whole = Buffer.concat([digestOf(program, code), code]);
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

/** What was tried did no harm. Never throws. */
function putBack(path: string): void {
  try {
    renameSync(triedPath(path), path);
  } catch {
    // It is back, or another daemon that starts has taken it: this costs a start some time.
  }
}

function start(): void {
  const filename = join(__dirname, 'daemon-body.cjs');
  const program = readFileSync(filename);
  // Whoever starts a daemon has made sure that the directory is the user's own.
  const directory = process.env['BIOSCOPE_RUNTIME_DIRECTORY'];
  const path = directory ? join(directory, 'daemon.code') : null;
  const cachedData = path === null ? undefined : readCode(path, program);
  const wrapped = `(function (exports, require, module, __filename, __dirname) {${program.toString()}\n})`;
  const script = new Script(wrapped, { filename, ...(cachedData ? { cachedData } : {}) });
  const body: Body = { exports: {} };
  const run = script.runInThisContext() as Wrapper;
  run(body.exports, createRequire(filename), body, filename, __dirname);
  if (!body.exports.begin) throw new Error(`${filename} is not the daemon: npm run build.`);
  const isKeptCode = cachedData !== undefined && script.cachedDataRejected !== true;
  // Ending by itself, where another daemon runs, say, is no crash.
  if (path !== null && isKeptCode) process.once('exit', () => putBack(path));
  const begun = body.exports.begin(isKeptCode);
  if (path === null) return;
  if (isKeptCode) {
    void begun.then(() => putBack(path));
    return;
  }
  const save = () => saveCode(path, program, script.createCachedData());
  void begun.then(() => setTimeout(save, SAVE_MS).unref());
}

start();
