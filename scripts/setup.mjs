// Makes a fresh clone on a fresh Debian ready, one purpose at a time; where
// nothing is due it takes about a second.
//
//   node scripts/setup.mjs [start|test|package]     (start is the default)
import { existsSync, readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import {
  UsageError,
  UserError,
  digestOf,
  isStamped,
  root,
  run,
  runMain,
  say,
  stamp,
} from './steps.mjs';

/** Debian packages by purpose; a|b: the first that apt knows (Ubuntu 24.04 renamed some). */
const packages = {
  start: [
    // the native addon and the privileged helper
    ...['g++', 'make', 'python3', 'pkg-config', 'libfuse3-dev', 'libseccomp-dev'],
    // attaching and the demo disk
    ...['fuse3', 'e2fsprogs', 'util-linux', 'mount'],
    // Electron
    ...['libgtk-3-0|libgtk-3-0t64', 'libnss3', 'libasound2|libasound2t64', 'libgbm1'],
    ...['fonts-dejavu-core', 'tar'],
  ],
  test: [
    ...['xvfb', 'xauth', 'fio', 'dosfstools', 'fdisk', 'procps', 'git'],
    ...['clang', 'clang-format', 'clang-tidy', 'doctest-dev'],
    // file systems whose structures the inspector explains
    ...['ntfs-3g', 'exfatprogs', 'xfsprogs', 'cryptsetup-bin', 'genisoimage', 'mtools'],
    // reads what captures are exported to
    'blktrace',
    // the helper, with a real polkit and a fuzzer
    ...['polkitd', 'pkexec', 'dbus', 'dmsetup', 'python3-dbus', 'python3-gi'],
    'libclang-rt-14-dev|libclang-rt-18-dev',
    // the page on its own, with an outside that is made up
    'chromium',
  ],
  package: [],
};
const purposes = {
  start: ['start'],
  test: ['start', 'test'],
  package: ['start', 'package'],
};

function checkMachine() {
  if (process.platform !== 'linux') {
    throw new UserError(`Bioscope makes Linux block devices; this is ${process.platform}.`);
  }
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20) {
    throw new UserError(`Node.js 20 or newer is needed; this is ${process.version}.`);
  }
}

/** The names of `wanted` that dpkg does not have installed. */
function missingPackages(wanted) {
  const names = wanted.flatMap((entry) => entry.split('|'));
  const query = spawnSync(
    'dpkg-query',
    ['--show', '--showformat', '${Package} ${db:Status-Status}\n', ...names],
    { encoding: 'utf8' },
  );
  if (query.error) return null; // not a Debian: the programs are looked for as they are used
  const installed = new Set(
    query.stdout
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  );
  return wanted.filter((entry) => !entry.split('|').some((name) => installed.has(name)));
}

/** Of an entry a|b the name that apt can install. */
function installable(entry) {
  const names = entry.split('|');
  const isKnown = (name) => {
    const policy = spawnSync('apt-cache', ['policy', name], { encoding: 'utf8' });
    return /Candidate: (?!\(none\))/.test(policy.stdout ?? '');
  };
  return names.find(isKnown) ?? names[0];
}

/**
 * Installs what is missing of `wanted` (Debian's names) where this user may; a
 * UserError says what to do where not.
 */
export async function ensurePackages(wanted) {
  const missing = missingPackages(wanted);
  if (missing === null) {
    say('this is not a Debian: its packages are not checked (see README.md for what is needed)');
    return;
  }
  if (missing.length === 0) return;
  const apt = (words, label) =>
    run('apt-get', words, {
      label,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  if (process.getuid() !== 0) {
    throw new UserError(
      `these Debian packages are missing. Install them, then run this again:\n\n` +
        `  sudo apt-get install --yes ${missing.map(installable).join(' ')}\n`,
    );
  }
  await ensureLists();
  const names = missing.map(installable);
  const install = ['install', '--yes', '-q', '--no-install-recommends', ...names];
  say(`installing Debian packages: ${names.join(' ')}`);
  try {
    await apt(install, 'apt-get install');
  } catch {
    // The lists may be older than the archive.
    await apt(['update', '-q'], 'apt-get update');
    await apt(install, 'apt-get install');
  }
}

/** Fetches apt's lists where there are none, as in a container; needs root. */
export async function ensureLists() {
  const known = spawnSync('apt-cache', ['policy', 'make'], { encoding: 'utf8' });
  if (/Candidate: (?!\(none\))/.test(known.stdout ?? '')) return;
  say('fetching the lists of Debian packages');
  await run('apt-get', ['update', '-q'], { label: 'apt-get update' });
}

async function ensureNodeModules() {
  const digest = digestOf(['package-lock.json'], process.version);
  const installed = join(root, 'node_modules/.package-lock.json');
  if (existsSync(installed)) {
    if (isStamped('npm', digest)) return;
    if (matchesLock(installed)) return stamp('npm', digest);
  }
  say('installing the npm packages');
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { label: 'npm ci' });
  stamp('npm', digest);
}

/** True when what npm says it installed is what the lock asks for (installed by hand, not by us). */
function matchesLock(installed) {
  const read = (path) => JSON.parse(readFileSync(path, 'utf8')).packages;
  const have = read(installed);
  const want = read(join(root, 'package-lock.json'));
  return Object.entries(want).every(
    ([path, { version, optional, peer }]) =>
      path === '' || have[path]?.version === version || (!have[path] && (optional || peer)),
  );
}

/**
 * Everything `purpose` needs: Debian packages, npm packages, the build.
 * Throws UserError with what to do where it cannot.
 */
export async function ensureSetup({ for: purpose }) {
  const groups = purposes[purpose];
  if (!groups) throw new UsageError(`unknown purpose ${purpose}: start, test or package`);
  checkMachine();
  await ensurePackages(groups.flatMap((group) => packages[group]));
  await ensureNodeModules();
  const { buildAll } = await import('./build.mjs');
  await buildAll();
}

if (process.argv[1] === join(root, 'scripts/setup.mjs')) {
  await runMain(([purpose = 'start']) => ensureSetup({ for: purpose }));
}
