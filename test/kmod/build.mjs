// Builds what a guest runs: the module for its kernel, and the programs of the tests.
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root, run, UserError } from '../../scripts/steps.mjs';
import { searchPath } from './kernels.mjs';

const built = join(root, 'build/kmod');

/** Where the daemons and the cases are, once built. */
export const programs = join(built, 'programs');

export async function buildPrograms() {
  await run('make', ['-C', join(root, 'test/kmod'), `OUT=${programs}`], { label: 'make' });
}

/**
 * Builds the module for one kernel, in a copy of its sources (two kernels must not share
 * objects, and the tree stays clean), and installs it below a folder of its own. Any
 * warning is an error.
 *
 * @param {import('./kernels.mjs').Kernel} kernel
 * @returns {Promise<{ module: string, installed: string }>} the path of dm-user.ko, and
 *   what `make install` took for the root directory
 */
export async function buildModule(kernel) {
  const directory = join(built, kernel.tree ? kernel.release : `${kernel.name}-${kernel.release}`);
  mkdirSync(directory, { recursive: true });
  const source = join(root, 'native/kmod');
  if (!existsSync(source)) throw new UserError('native/kmod is missing');
  // The time stamps are kept, so make sees what has changed.
  const isSource = (path) => !/\.(o|ko|cmd|mod|mod\.c|order|symvers)$/.test(path);
  const copy = { recursive: true, preserveTimestamps: true, filter: isSource };
  cpSync(source, join(directory, 'kmod'), copy);
  cpSync(join(root, 'native/wire'), join(directory, 'wire'), copy);
  const work = join(directory, 'kmod');
  const installed = join(directory, 'installed');
  rmSync(installed, { recursive: true, force: true });
  const parameters = ['install', 'W=1', `KDIR=${kernel.headers}`, `INSTALL_MOD_PATH=${installed}`];
  const output = await run('make', ['-C', work, ...parameters], {
    label: `the module for ${kernel.release}`,
    env: { ...process.env, PATH: searchPath },
  });
  // The headers of a kernel built elsewhere warn that the compiler differs: not ours.
  const warning = output
    .split('\n')
    .find((line) => /dm-user|kmod\/.*warning:/.test(line) && /warning:/.test(line));
  if (warning) throw new UserError(`the module does not build without warnings: ${warning}`);
  return { module: join(work, 'dm-user.ko'), installed };
}
