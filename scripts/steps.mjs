// What every script shares: where the project is, how a step is announced, how
// a program is run, and stamps that tell whether a step is due. Node built-ins
// only: a fresh clone has nothing else.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';

/** The project's directory. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Something a user can mend: printed without a stack. */
export class UserError extends Error {}

/** A command line that cannot be meant: printed with what the script says of itself. */
export class UsageError extends UserError {}

/** The comment at a script's head: what it does and how it is called. */
function headOf(script) {
  const lines = readFileSync(script, 'utf8').split('\n');
  const end = lines.findIndex((line) => !line.startsWith('//'));
  return lines
    .slice(0, end)
    .map((line) => line.replace(/^\/\/ ?/, ''))
    .join('\n');
}

/** As `util.parseArgs` throws it for an option that it does not know, too. */
const isUsage = (error) =>
  error instanceof UsageError || String(error?.code).startsWith('ERR_PARSE_ARGS');

/** One line that says what happens now; on stderr, so that what is asked for can be piped. */
export function say(text) {
  process.stderr.write(`bioscope: ${text}\n`);
}

/**
 * Runs `main` with the words of the command line and ends the process: a UserError is a line and
 * exit code 1, wrong usage exit code 2. `--help` prints `usage`, by itself the script's head.
 */
export async function runMain(main, usage = () => headOf(process.argv[1])) {
  const words = process.argv.slice(2);
  const options = words.includes('--') ? words.slice(0, words.indexOf('--')) : words;
  if (options.includes('--help') || options.includes('-h')) {
    console.log(usage());
    return;
  }
  try {
    process.exitCode = (await main(words)) ?? 0;
  } catch (error) {
    if (isUsage(error)) console.error(`bioscope: ${error.message}\n\n${usage()}`);
    else if (error instanceof UserError) console.error(`bioscope: ${error.message}`);
    else console.error(error);
    process.exitCode = isUsage(error) ? 2 : 1;
  }
}

/**
 * Runs a program to its end, without a shell. Its output is kept and shown only
 * when it fails, or in full with `show`. While it is quiet and long, a line
 * every 15 seconds says that it is still at work.
 */
export async function run(program, parameters, options = {}) {
  const { show = false, label = program, timeout = 0, ...rest } = options;
  const child = spawn(program, parameters, {
    cwd: root,
    stdio: ['ignore', show ? 'inherit' : 'pipe', show ? 'inherit' : 'pipe'],
    ...rest,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text) => (output += text));
  }
  const begun = Date.now();
  const ticker = setInterval(
    () => say(`  … ${label}, ${Math.round((Date.now() - begun) / 1000)} s so far`),
    15_000,
  );
  let expired = false;
  const limit = timeout
    ? setTimeout(() => {
        expired = true;
        child.kill('SIGKILL');
      }, timeout)
    : undefined;
  try {
    await new Promise((resolve, reject) => {
      child.on('error', (error) =>
        reject(new UserError(`cannot run ${program}: ${error.message}`)),
      );
      child.on('close', (code, signal) => {
        if (code === 0) return resolve();
        const end = expired
          ? `took longer than ${timeout / 1000} s`
          : `ended with ${signal ?? code}`;
        const tail = output.trim().split('\n').slice(-40).join('\n');
        reject(new UserError(`${label} ${end}${tail ? `:\n${tail}` : ''}`));
      });
    });
  } finally {
    clearInterval(ticker);
    clearTimeout(limit);
  }
  return output;
}

/** Files below the paths (relative to the project), sorted; what is missing is left out. */
export function filesBelow(paths, skip = () => false) {
  const found = [];
  const visit = (path) => {
    if (!existsSync(path) || skip(relative(root, path))) return;
    if (!statSync(path).isDirectory()) return void found.push(path);
    for (const entry of readdirSync(path).sort()) visit(join(path, entry));
  };
  for (const path of paths) visit(join(root, path));
  return found;
}

/** One digest over names and contents, and `more` (versions, options). */
export function digestOf(paths, more = '', skip = undefined) {
  const hash = createHash('sha256').update(more);
  for (const file of filesBelow(paths, skip)) {
    hash.update(`\0${relative(root, file)}\0`).update(readFileSync(file));
  }
  return hash.digest('hex');
}

const stampPath = (name) => join(root, 'build/stamps', name);

/** True when the step `name` was last done for this digest. */
export function isStamped(name, digest) {
  return existsSync(stampPath(name)) && readFileSync(stampPath(name), 'utf8') === digest;
}

export function stamp(name, digest) {
  mkdirSync(dirname(stampPath(name)), { recursive: true });
  writeFileSync(stampPath(name), digest);
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** The process that has the lock; 0 when that cannot be told at this moment. */
function lockOwner(lock) {
  try {
    return Number(readFileSync(lock, 'utf8'));
  } catch {
    return 0; // gone in between
  }
}

/** Runs `work` while no other process of ours builds in this directory. */
export async function withBuildLock(work) {
  const lock = join(root, 'build/lock');
  mkdirSync(dirname(lock), { recursive: true });
  for (let told = false; ; await sleep(200)) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const owner = lockOwner(lock);
    // An empty file is one that is being written at this moment.
    if (owner && !isAlive(owner)) rmSync(lock, { force: true });
    else if (!told && owner) {
      say(`waiting for another build (process ${owner})`);
      told = true;
    }
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}
