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
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectDaemon, startDaemon } from '../../app/client/start-daemon';
import { runtimePaths, type RuntimePaths } from '../../app/client/runtime-directory';
import type { Disk } from '../../app/contract/disk';
import { command, isAlive, until } from './commands';
import { projectDirectory } from './project';

const MEBIBYTE = 1 << 20;

export class Workspace {
  readonly directory = mkdtempSync(join(tmpdir(), 'bioscope-desktop-'));
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

  /**
   * Ends the daemon; what it served. One that was killed is started once more:
   * clearing up after it is the product's business.
   */
  private async stopDaemon(): Promise<{ device: string; name: string }[]> {
    if (!existsSync(this.paths.state)) return [];
    const state = readFileSync(this.paths.state, 'utf8');
    const served = [...state.matchAll(/"name":\s*"([^"]+)"[^{}]*?"device":\s*"([^"]+)"/g)].map(
      ([, name = '', device = '']) => ({ device, name }),
    );
    const client = await startDaemon({
      daemonScript: join(projectDirectory, 'dist/daemon.cjs'),
      environment: this.environment(),
    });
    const { pid } = await client.invoke('hello', {});
    await client.invoke('stop', { detachAll: true });
    client.close();
    await until(`daemon ${pid} ends`, () => !isAlive(pid));
    return served;
  }

  /** Ends the daemon and looks for leftovers: loops, mounts, processes. */
  async end(): Promise<void> {
    await this.unmount();
    const served = await this.stopDaemon();
    const left = [
      ...served.filter(({ device, name }) => isServing(device, name)).map(({ device }) => device),
      ...readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter((line) => line.includes(this.directory)),
    ];
    if (left.length > 0) throw new Error(`left behind:\n${left.join('\n')}`);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** True while the device, e.g. /dev/loop0, serves the image of this name. */
export function isServing(device: string, name: string): boolean {
  const file = `/sys/block/${device.replace('/dev/', '')}/loop/backing_file`;
  try {
    // The engine's file is named after the image; its mount is gone, so this is the whole path.
    return readFileSync(file, 'utf8').trim() === `/${name}`;
  } catch {
    return false; // not configured, or cleared in between
  }
}
