/** Makes the demo disk: a small ext4 image in a directory of its own. */
import { execFile } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

export async function makeDemoImage(): Promise<DemoImage> {
  const directory = await mkdtemp(join(tmpdir(), 'bioscope-demo-'));
  const remove = () => rm(directory, { recursive: true, force: true });
  const path = join(directory, 'demo.img');
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
