/**
 * The demo's work on a mounted file system: mounts the device in this process's
 * own mount namespace and writes, syncs, reads and deletes small files until
 * standard input ends; then it unmounts.
 */
import { execFile } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { open, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { usageError } from '../arguments';
import { pause } from '../terminal';

/** The hidden command that runs it. */
export const WORKLOAD_COMMAND = 'demo-workload';

const run = promisify(execFile);
const ROUND_MS = 400;
const MOST_FILES = 24;

export async function workloadCommand(words: readonly string[]): Promise<number> {
  const [device, mountPoint] = words;
  if (device === undefined || mountPoint === undefined) {
    throw usageError(`${WORKLOAD_COMMAND} is for the demo itself.`);
  }
  const stop = new AbortController();
  process.stdin.on('error', () => stop.abort());
  process.stdin.on('end', () => stop.abort());
  process.stdin.resume();

  // `discard`: so that deleting shows, too.
  await run('mount', ['-t', 'ext4', '-o', 'noatime,discard', device, mountPoint]);
  try {
    await work(mountPoint, stop.signal);
  } finally {
    await run('umount', [mountPoint]);
  }
  return 0;
}

async function work(directory: string, stop: AbortSignal): Promise<void> {
  for (let round = 0; !stop.aborted; round++) {
    await writeFile(join(directory, `note-${round}`));
    const files = (await readdir(directory)).filter((name) => name.startsWith('note-'));
    const chosen = files[randomInt(files.length)];
    if (chosen !== undefined) await readPastCache(join(directory, chosen));
    for (const name of files.slice(0, Math.max(0, files.length - MOST_FILES))) {
      await unlink(join(directory, name));
    }
    await pause(ROUND_MS, stop);
  }
}

async function writeFile(path: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(randomBytes(4096 * randomInt(1, 16)));
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Direct I/O: what was just written would else come from the page cache, and nothing would show. */
async function readPastCache(path: string): Promise<void> {
  await run('dd', [`if=${path}`, 'of=/dev/null', 'bs=64k', 'iflag=direct', 'status=none']);
}
