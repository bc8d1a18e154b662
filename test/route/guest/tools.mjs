// What the tests in the guest are made of: the product's command line, the kernel's own
// account of a target, and a line for each test.
import { execFile, spawn } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** Some hundred small files, for a file system to work with. */
export const manyFiles = join(dirname(fileURLToPath(import.meta.url)), '../../../app');

/** A copy of dist/ that nobody builds anew meanwhile. */
const product = process.env.PRODUCT;
const runtime = '/run/bioscope-test';
export const environment = { ...process.env, BIOSCOPE_RUNTIME_DIRECTORY: runtime };

/** Nothing here takes so long; a guest under emulation on a busy machine is slow. */
const PATIENCE_MS = 300_000;

/** Runs a program to its end. */
export const run = (program, ...parameters) => runWith({}, program, ...parameters);

/** The same with more in its environment. */
export function runWith(more, program, ...parameters) {
  return new Promise((resolve) => {
    const options = { env: { ...environment, ...more }, maxBuffer: 64 << 20 };
    execFile(program, parameters, options, (error, stdout, stderr) => {
      const status = error ? (typeof error.code === 'number' ? error.code : 255) : 0;
      resolve({ status, stdout, stderr });
    });
  });
}

/** Runs a program that must succeed; its output. */
export async function must(program, ...parameters) {
  const { status, stdout, stderr } = await run(program, ...parameters);
  if (status === 0) return stdout;
  throw new Error(`${program} ${parameters.join(' ')}: status ${status}\n${stdout}${stderr}`);
}

/** The command line of the product with a daemon of its own, for another environment. */
export const bioscopeWith = (more, ...words) =>
  runWith(more, process.execPath, join(product, 'bioscope.cjs'), ...words);

/** The command line of the product. */
export const bioscope = (...words) =>
  run(process.execPath, join(product, 'bioscope.cjs'), ...words);
export const mustBioscope = (...words) =>
  must(process.execPath, join(product, 'bioscope.cjs'), ...words);

/** The command line where no daemon can be started: its program is not there. */
export function bioscopeAlone(...words) {
  const place = '/dev/shm/alone';
  mkdirSync(place, { recursive: true });
  for (const name of ['bioscope.cjs', 'bioscope-helper'])
    copyFileSync(join(product, name), join(place, name));
  const more = { BIOSCOPE_ADDON: join(product, 'bioscope.node') };
  return runWith(more, process.execPath, join(place, 'bioscope.cjs'), ...words);
}

/** Starts the daemon as the window does, without waiting for it; with more in its environment. */
export function startDaemon(more = {}) {
  const log = openSync(join(runtime, 'daemon.log'), 'a');
  const options = { env: { ...environment, ...more }, detached: true, stdio: ['ignore', log, log] };
  spawn(process.execPath, [join(product, 'daemon.cjs')], options).unref();
  closeSync(log);
}

export const daemonLog = () => readFileSync(join(runtime, 'daemon.log'), 'utf8');

/** The daemon's process; null when there is none. */
export const daemonPid = () => processNamed('bioscope-daemon');

/** A living process of this name (its first 15 bytes); null when there is none. */
export function processNamed(name) {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (readFileSync(`/proc/${pid}/comm`, 'utf8').trim() !== name.slice(0, 15)) continue;
      // A dead one whose parent has not asked how it ended has no files.
      if (readdirSync(`/proc/${pid}/fd`).length > 0) return Number(pid);
    } catch {
      // It has just ended.
    }
  }
  return null;
}

/** Until `condition` gives something; that. */
export async function until(what, condition, pause = 250) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`it never came about: ${what}`);
    await sleep(pause);
  }
}

const fields = [
  ...['queued', 'inFlight', 'channels', 'completed', 'errors', 'unsupported'],
  ...['requeued', 'aborted', 'timedOut'],
];

/** The module's own account of a target, by its device /dev/mapper/NAME; null when it is gone. */
export async function kernelStatus(device) {
  const { status, stdout } = await run('dmsetup', 'status', device.replace('/dev/mapper/', ''));
  if (status !== 0) return null;
  const words = stdout.trim().split(/\s+/).slice(3);
  const numbers = fields.map((name, index) => [name, Number(words[index])]);
  return { ...Object.fromEntries(numbers), state: words[fields.length] };
}

export async function attach(...words) {
  return JSON.parse(await mustBioscope('attach', '--json', ...words));
}

export async function disks() {
  const text = await mustBioscope('list', '--json');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

/** What the trace of a disk or a capture says of one kind of things. */
export async function traced(...of) {
  const lines = (await mustBioscope('trace', '--json', ...of)).split('\n').filter(Boolean);
  const things = lines.map((line) => JSON.parse(line));
  return (kind) => things.filter(({ type }) => type === kind);
}

export const traceOf = ({ id }) => traced('--no-follow', '--disk', id);

export const requests = async (disk) => (await traceOf(disk))('request');

export function check(condition, message) {
  if (!condition) throw new Error(message);
}

/** What was left behind by everything so far. */
export async function leftovers() {
  const targets = (await must('dmsetup', 'ls')).trim();
  return [
    ...(targets === 'No devices found' ? [] : [targets]),
    ...readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('/dev/mapper/')),
    ...(existsSync('/dev/dm-user') ? readdirSync('/dev/dm-user') : []),
  ];
}

/** Runs the tests in order; a line for each. Those after one that failed may need what it left: they run all the same. */
export async function runTests(tests) {
  let failed = 0;
  for (const [name, work] of Object.entries(tests)) {
    const begun = Date.now();
    const took = () => ((Date.now() - begun) / 1000).toFixed(1);
    try {
      const note = await work();
      if (note) console.log(`# ${note}`);
      console.log(`ok - ${name} (${took()} s)`);
    } catch (error) {
      failed++;
      console.log(String(error.stack ?? error).replace(/^/gm, '# '));
      try {
        console.log(daemonLog().trim().split('\n').slice(-12).join('\n').replace(/^/gm, '# log: '));
      } catch {
        // No daemon has run.
      }
      console.log(`not ok - ${name} (${took()} s)`);
    }
  }
  // For a look at it from outside.
  copyFileSync(join(runtime, 'daemon.log'), `/out/${basename(process.argv[1], '.mjs')}.log`);
  return failed;
}
