/**
 * The demo's work for an ordinary user, who cannot mount: debugfs writes, reads
 * and deletes files of the ext4 file system inside the FUSE file.
 */
import { spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toErrorValue } from '../../contract/errors';
import { pause, type Terminal } from '../terminal';
import { toolEnvironment } from './demo-image';
import type { Workload } from './workload';

const ROUND_MS = 500;
const MOST_FILES = 16;

export function startFileWorkload(
  fuseFile: string,
  directory: string,
  terminal: Terminal,
): Workload {
  const stop = new AbortController();
  let failed = false;
  const ended = work(fuseFile, directory, stop.signal).catch((thrown: unknown) => {
    failed = true;
    const { message } = toErrorValue(thrown);
    terminal.say(`the demo's work ended (${message}); the disk is still attached and traced`);
  });
  return {
    get failed() {
      return failed;
    },
    async stop() {
      stop.abort();
      await ended;
    },
  };
}

async function work(fuseFile: string, directory: string, stop: AbortSignal): Promise<void> {
  const source = join(directory, 'source');
  for (let round = 0; !stop.aborted; round++) {
    await writeFile(source, randomBytes(4096 * randomInt(1, 16)));
    await debugfs(fuseFile, [
      `write ${source} note-${round}`,
      `dump note-${round} /dev/null`,
      ...(round >= MOST_FILES ? [`rm note-${round - MOST_FILES}`] : []),
    ]);
    await pause(ROUND_MS, stop);
  }
}

/** In a process group of its own, so that Ctrl-C does not cut it off half-way through a change. */
function debugfs(file: string, commands: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('debugfs', ['-w', '-f', '-', file], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: toolEnvironment,
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`debugfs ended with ${signal ?? `status ${code ?? '?'}`}`));
    });
    child.stdin.on('error', () => undefined); // its end tells
    child.stdin.end(`${commands.join('\n')}\n`);
  });
}
