/**
 * A place of its own for each test: images, a runtime directory, a
 * configuration directory. `end` takes away everything that was made in it and
 * throws if the product left anything behind.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  ftruncateSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectDaemon } from '../../app/client/start-daemon';
import { runtimePaths, type RuntimePaths } from '../../app/client/runtime-directory';
import type { Disk } from '../../app/contract/disk';
import { command, isAlive, until } from './commands';

const MEBIBYTE = 1 << 20;

export class Workspace {
  readonly directory = mkdtempSync(join(tmpdir(), 'bioscope-test-'));
  readonly paths: RuntimePaths = runtimePaths(join(this.directory, 'run'));
  readonly mountPoint = join(this.directory, 'mnt');

  constructor() {
    mkdirSync(this.mountPoint);
  }

  /** For every program of the product that a test starts. */
  environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    const inherited = Object.entries(process.env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && entry[0] !== 'NODE_OPTIONS',
    );
    return {
      ...Object.fromEntries(inherited),
      BIOSCOPE_RUNTIME_DIRECTORY: this.paths.directory,
      XDG_CONFIG_HOME: join(this.directory, 'config'),
      BIOSCOPE_IDLE_SECONDS: '1',
      ...more,
    };
  }

  /**
   * A sparse image. With `marked`, every 4 KiB block begins with its own number
   * in 16 decimal digits, so that a test can tell which bytes it sees.
   */
  image(name: string, mebibytes: number, marked = false): string {
    const path = join(this.directory, name);
    const file = openSync(path, 'wx', 0o600);
    ftruncateSync(file, mebibytes * MEBIBYTE);
    for (let block = 0; marked && block < mebibytes * 256; block++) {
      writeSync(file, String(block).padStart(16, '0'), block * 4096);
    }
    closeSync(file);
    return path;
  }

  /** What the daemon says of its disks; none when no daemon runs. */
  async disks(): Promise<readonly Disk[]> {
    const client = await connectDaemon(this.paths);
    if (!client) return [];
    try {
      return (await client.invoke('disks.list', {})).disks;
    } finally {
      client.close();
    }
  }

  async daemonPid(): Promise<number | null> {
    const client = await connectDaemon(this.paths);
    if (!client) return null;
    try {
      return (await client.invoke('hello', {})).pid;
    } finally {
      client.close();
    }
  }

  async unmount(): Promise<void> {
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
    if (mounts.includes(` ${this.mountPoint} `)) await command('umount', this.mountPoint);
  }

  /** Ends the daemon and looks for leftovers: loops, mounts, processes. */
  async end(): Promise<void> {
    await this.unmount();
    const pid = await this.daemonPid();
    const client = await connectDaemon(this.paths);
    const labels = (await this.disks()).map(({ id }) => `bioscope:${id}`);
    if (client) {
      await client.invoke('stop', { detachAll: true });
      client.close();
    }
    if (pid !== null) await until(`daemon ${pid} ends`, () => !isAlive(pid));
    const left = [
      ...loopsOf(labels),
      ...readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter((line) => line.includes(this.directory)),
    ];
    if (left.length > 0) throw new Error(`left behind:\n${left.join('\n')}`);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Loop devices whose label is one of `labels`. */
export function loopsOf(labels: readonly string[]): string[] {
  return readdirSync('/sys/block')
    .filter((name) => name.startsWith('loop'))
    .filter((name) => {
      const file = `/sys/block/${name}/loop/backing_file`;
      if (!existsSync(file)) return false;
      try {
        const text = readFileSync(file, 'utf8').trim();
        return labels.some((label) => text.includes(label));
      } catch {
        return false; // cleared in between
      }
    });
}
