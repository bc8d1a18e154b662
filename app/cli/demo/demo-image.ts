/** Makes the demo disk: a small ext4 image in a directory of its own. */
import { execFile } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { BioscopeError, toErrorValue } from '../../contract/errors';

const run = promisify(execFile);
const IMAGE_BYTES = 64 * 1024 * 1024;

/** e2fsprogs is in sbin, which an ordinary user's PATH need not have. */
export const toolEnvironment: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: `${process.env['PATH'] ?? '/usr/bin:/bin'}:/usr/sbin:/sbin`,
};

export interface DemoImage {
  readonly path: string;
  /** Where it is; the workload may use it too. Removed as a whole. */
  readonly directory: string;
  remove(): Promise<void>;
}

/** Base name of a demo's image. */
export const DEMO_IMAGE = 'demo.img';

/** The process that made a demo's directory, from its name; null for any other directory. */
export function demoProcess(directory: string): number | null {
  const digits = /^bioscope-demo-(\d{1,10})-[A-Za-z0-9]{6}$/.exec(basename(directory))?.[1];
  return digits === undefined ? null : Number(digits);
}

export async function makeDemoImage(): Promise<DemoImage> {
  const directory = await mkdtemp(join(tmpdir(), `bioscope-demo-${process.pid}-`));
  const remove = () => rm(directory, { recursive: true, force: true });
  const path = join(directory, DEMO_IMAGE);
  try {
    const file = await open(path, 'w', 0o600);
    try {
      await file.truncate(IMAGE_BYTES);
    } finally {
      await file.close();
    }
    await run('mke2fs', ['-q', '-F', '-t', 'ext4', '-L', 'bioscope-demo', path], {
      env: toolEnvironment,
    });
    return { path, directory, remove };
  } catch (thrown) {
    await remove();
    const { errno, message } = toErrorValue(thrown);
    throw new BioscopeError(
      errno === 'ENOSPC' ? 'NO_SPACE' : 'INTERNAL',
      errno === 'ENOENT'
        ? 'The demo disk needs mke2fs. Install e2fsprogs, or name an image: bioscope demo IMAGE.'
        : `The demo disk cannot be made in ${directory}: ${message}`,
      { errno, cause: thrown },
    );
  }
}
