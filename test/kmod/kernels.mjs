// The kernels that the module is tested on: Debian's generic ones, unpacked below
// the user's cache and never installed, or any other that `--kernel` names.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { ensureLists, ensurePackages as install } from '../../scripts/setup.mjs';
import { UserError, run, say } from '../../scripts/steps.mjs';

/**
 * The Debian packages that these tests need, by what for (a|b as in scripts/setup.mjs).
 * gcc-12 is what Debian 12 builds its kernels with; any gcc does where that one does
 * not exist.
 */
export const packages = {
  rig: ['qemu-system-x86', 'busybox-static', 'cpio', 'kmod', 'xz-utils'],
  // The last two: what the kernels' own build tools are linked with.
  build: ['gcc', 'make', 'libc6-dev', 'linux-libc-dev', 'libelf1|libelf1t64', 'libssl3|libssl3t64'],
  tests: ['fio', 'e2fsprogs', 'dmsetup', 'util-linux', 'mount', 'procps'],
  bench: ['nbdkit', 'nbd-client'],
};

/** What `packages` installs, as programs: how a machine without dpkg is checked. */
const programs = {
  rig: ['qemu-system-x86_64', 'busybox', 'cpio', 'depmod', 'xz', 'dpkg-deb', 'apt-get'],
  build: ['gcc', 'make'],
  tests: ['fio', 'mkfs.ext4', 'e2fsck', 'dmsetup', 'mount'],
  bench: ['nbdkit', 'nbd-client'],
};

/** The series that must work: the oldest and the newest kernel of Debian 12. */
export const series = ['6.1', '6.12'];

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'bioscope/kernels');

/** stdout of a short program, or '' when it fails. */
function ask(program, ...parameters) {
  const { stdout, status } = spawnSync(program, parameters, { encoding: 'utf8' });
  return status === 0 ? stdout : '';
}

/** PATH with the administrator's programs, which an ordinary user's may lack. */
export const searchPath = `${process.env.PATH}:/usr/sbin:/sbin`;

function isThere(program) {
  return searchPath.split(':').some((directory) => existsSync(join(directory, program)));
}

/** Installs what is missing of the groups where this user may; a UserError says what to do where not. */
export async function ensurePackages(groups) {
  await install(groups.flatMap((group) => packages[group]));
  const absent = groups.flatMap((group) => programs[group].filter((name) => !isThere(name)));
  if (absent.length > 0) throw new UserError(`missing: ${absent.join(', ')}`);
}

/** The newest version of a series that apt offers, as in linux-image-VERSION; or undefined. */
function newestOffered(name) {
  const pattern = new RegExp(`^linux-image-(${name.replaceAll('.', '\\.')}\\.\\d.*-amd64)$`);
  return ask('apt-cache', 'pkgnames', `linux-image-${name}.`)
    .split('\n')
    .map((line) => pattern.exec(line)?.[1])
    .filter((version) => version && !/-(cloud|rt)-/.test(version))
    .sort((left, right) => left.localeCompare(right, 'en', { numeric: true }))
    .at(-1);
}

/** The newest version of a series that was fetched before, for a machine without a network. */
function newestCached(name) {
  if (!existsSync(cache)) return undefined;
  return readdirSync(cache)
    .filter((version) => version.startsWith(`${name}.`) && existsSync(join(cache, version, 'ok')))
    .sort((left, right) => left.localeCompare(right, 'en', { numeric: true }))
    .at(-1);
}

/** Downloads and unpacks image and headers of one version into `cache`/VERSION. */
async function fetchKernel(version) {
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, '.fetch-'));
  try {
    say(`fetching Debian's kernel ${version}`);
    const headers = `linux-headers-${version}`;
    const needed = ask('apt-cache', 'depends', headers)
      .split('\n')
      .map((line) => /Depends: (linux-(?:headers-.*-common|kbuild-.*))$/.exec(line)?.[1])
      .filter(Boolean);
    const download = ['download', '-q', `linux-image-${version}`, headers, ...needed];
    // As root, apt would complain that its own user cannot write here.
    const sandbox = process.getuid() === 0 ? ['-o', 'APT::Sandbox::User=root'] : [];
    try {
      await run('apt-get', [...sandbox, ...download], { cwd: work, label: 'apt-get download' });
    } catch {
      // The lists may be older than the archive.
      if (process.getuid() === 0) await run('apt-get', ['update', '-q'], { label: 'apt-get' });
      await run('apt-get', [...sandbox, ...download], { cwd: work, label: 'apt-get download' });
    }
    const tree = join(work, 'tree');
    for (const file of readdirSync(work).filter((name) => name.endsWith('.deb')))
      await run('dpkg', ['-x', join(work, file), tree]);
    // 6.12's image leaves the modules below /usr/lib.
    if (!existsSync(join(tree, 'lib'))) symlinkSync('usr/lib', join(tree, 'lib'));
    const makefile = join(tree, `usr/src/${headers}/Makefile`);
    const final = join(cache, version);
    // Debian's headers name their other half by an absolute path.
    writeFileSync(
      makefile,
      readFileSync(makefile, 'utf8').replaceAll('/usr/src/', `${final}/usr/src/`),
    );
    await run('depmod', ['-b', tree, version], { env: { ...process.env, PATH: searchPath } });
    writeFileSync(join(tree, 'ok'), '');
    rmSync(final, { recursive: true, force: true });
    renameSync(tree, final);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/**
 * @typedef {{
 *   name: string, release: string, image: string, headers: string,
 *   tree: string | undefined, debug: boolean,
 * }} Kernel `tree` holds lib/modules; without one, all is built in.
 */

/** @returns {Promise<Kernel>} */
async function debianKernel(name) {
  if (process.getuid() === 0 && isThere('apt-get')) await ensureLists();
  let version = newestOffered(name) ?? newestCached(name);
  if (!version) throw new UserError(`apt offers no generic kernel ${name} for amd64`);
  if (!existsSync(join(cache, version, 'ok'))) {
    try {
      await fetchKernel(version);
    } catch (error) {
      version = newestCached(name);
      if (!version) throw error;
      say(`${error.message}\nbioscope: ${version} is there and does as well`);
    }
  }
  const tree = join(cache, version);
  return {
    name,
    release: version,
    image: join(tree, `boot/vmlinuz-${version}`),
    headers: join(tree, `usr/src/linux-headers-${version}`),
    tree,
    debug: false,
  };
}

/**
 * A kernel of one's own: a directory with vmlinuz and either headers/ or
 * headers.tar.xz, everything the rig needs built in (see README.md).
 *
 * @returns {Promise<Kernel>}
 */
async function ownKernel(name, directory) {
  const image = ['vmlinuz', 'bzImage'].map((file) => join(directory, file)).find(existsSync);
  if (!image) throw new UserError(`${directory} has neither vmlinuz nor bzImage`);
  let headers = join(directory, 'headers');
  const archive = join(directory, 'headers.tar.xz');
  if (!existsSync(headers)) {
    if (!existsSync(archive)) throw new UserError(`${directory} has no headers`);
    const unpacked = join(cache, `own-${basename(name)}`);
    rmSync(unpacked, { recursive: true, force: true });
    mkdirSync(unpacked, { recursive: true });
    await run('tar', ['-xJf', archive, '-C', unpacked], { label: 'tar' });
    const top = readdirSync(unpacked);
    headers = top.length === 1 ? join(unpacked, top[0]) : unpacked;
  }
  const release = readFileSync(join(headers, 'include/config/kernel.release'), 'utf8').trim();
  const configuration = join(headers, 'include/config/auto.conf');
  const debug = /^CONFIG_(KASAN|PROVE_LOCKING)=y/m.test(readFileSync(configuration, 'utf8'));
  return { name, release, image, headers, tree: undefined, debug };
}

/**
 * @param {string} wanted a series ('6.12') or NAME=DIRECTORY
 * @returns {Promise<Kernel>}
 */
export function findKernel(wanted) {
  const [name, directory] = wanted.split('=', 2);
  return directory ? ownKernel(name, resolve(directory)) : debianKernel(name);
}
