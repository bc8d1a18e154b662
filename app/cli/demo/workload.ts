/** Puts the demo disk to work, in a process of its own for each way of doing so. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Disk } from '../../contract/disk';
import type { Terminal } from '../terminal';
import { toolEnvironment } from './demo-image';
import { startFileWorkload } from './file-workload';
import { WORKLOAD_COMMAND } from './mounted-workload';

export interface Workload {
  /** True when it ended before it was stopped. */
  readonly failed: boolean;
  /** Stops it and waits until it has let go of the disk. */
  stop(): Promise<void>;
}

/** As root the disk is mounted; as an ordinary user debugfs works on the FUSE file. */
export function startWorkload(disk: Disk, directory: string, terminal: Terminal): Workload {
  if (disk.device !== null) return startMountedWorkload(disk.device, directory, terminal);
  return startFileWorkload(disk.fuseFile ?? disk.imagePath, directory, terminal);
}

/**
 * The mount is made in a mount namespace that the workload's process alone is
 * in: nobody else sees it, and it goes with that process, however it ends. The
 * process ends when its standard input does, so it never outlives us; and it has
 * a session of its own, so that Ctrl-C does not cut its mount or umount short.
 */
function startMountedWorkload(device: string, directory: string, terminal: Terminal): Workload {
  const mountPoint = join(directory, 'mount');
  mkdirSync(mountPoint, { mode: 0o700 });
  const words = [WORKLOAD_COMMAND, device, mountPoint];
  const child = spawn(
    'unshare',
    [
      '--mount',
      '--propagation',
      'private',
      '--',
      process.execPath,
      process.argv[1] ?? '',
      ...words,
    ],
    { detached: true, stdio: ['pipe', 'ignore', 'inherit'], env: toolEnvironment },
  );
  return childWorkload(child, terminal);
}

function childWorkload(child: ChildProcess, terminal: Terminal): Workload {
  let stopping = false;
  let failed = false;
  const ended = new Promise<void>((resolve) => {
    const over = (how: string) => {
      if (!stopping) {
        failed = true;
        terminal.say(`the demo's work ended (${how}); the disk is still attached and traced`);
      }
      resolve();
    };
    child.once('error', (error) => over(error.message));
    child.once('exit', (code, signal) => over(signal ?? `status ${code ?? '?'}`));
  });
  child.stdin?.on('error', () => undefined); // it has ended; `over` tells
  return {
    get failed() {
      return failed;
    },
    async stop() {
      stopping = true;
      child.stdin?.end();
      await ended;
    },
  };
}
