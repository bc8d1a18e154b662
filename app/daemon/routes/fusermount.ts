/** Unmounts a FUSE file system of this user with fusermount3, which is setuid for exactly that. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Rejects with an Error whose `code` is EBUSY when somebody uses it (and
 * `lazily` is false), and with ENOENT when fusermount3 is not installed.
 */
export async function unmountUserFuse(
  directory: string,
  options: { readonly lazily: boolean },
): Promise<void> {
  const flags = options.lazily ? ['-u', '-z'] : ['-u'];
  try {
    await run('fusermount3', [...flags, '--', directory], {
      // The C locale: its message is read below.
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' },
    });
  } catch (thrown) {
    const text = thrown instanceof Error && 'stderr' in thrown ? String(thrown.stderr).trim() : '';
    if (/busy/i.test(text)) throw Object.assign(new Error(text), { code: 'EBUSY' });
    throw thrown;
  }
}
