/**
 * The product as the block tests use it: its command line, on images in a
 * workspace of their own, and what the kernel says about the devices.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestContext } from 'vitest';
import type { Holder } from '../../app/contract/errors';
import { command } from '../support/commands';
import { Workspace } from '../support/workspace';

const cli = fileURLToPath(new URL('../../dist/bioscope.cjs', import.meta.url));

/** A disk as `attach --json` prints it: 64-bit numbers are decimal strings. */
export interface AttachedDisk {
  readonly id: string;
  readonly device: string;
  readonly size: string;
  readonly tail: string;
  readonly readOnly: boolean;
  readonly state: string;
  readonly failure: { readonly code: string; readonly message: string } | null;
  readonly partitions: readonly string[];
  readonly holders: readonly Holder[];
  readonly notes: readonly string[];
}

/** A request as `trace --json` prints it. */
export interface TracedRequest {
  readonly type: 'request';
  readonly sequence: string;
  readonly operation: string;
  readonly sector: string;
  readonly length: string;
  readonly flags: readonly string[];
  readonly result: string;
  readonly error: string | null;
}

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** For `beforeEach`: these tests make loop devices and mount file systems. */
export function needsRoot(context: TestContext): void {
  if (process.getuid?.() !== 0) context.skip('needs root: loop devices and mounts');
}

export class Product {
  readonly workspace = new Workspace();
  readonly mountPoint = this.workspace.mountPoint;

  /** Runs the command line to its end; any exit status is an answer. */
  run(...words: string[]): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      execFile(
        process.execPath,
        [cli, ...words],
        { env: this.workspace.environment(), maxBuffer: 256 << 20 },
        (error, stdout, stderr) => {
          const status = error ? error.code : 0;
          if (typeof status === 'number') resolve({ status, stdout, stderr });
          else reject(error ?? new Error('no exit status'));
        },
      );
    });
  }

  /** Attaches an image that must attach. */
  async attach(path: string, ...options: string[]): Promise<AttachedDisk> {
    const { status, stdout, stderr } = await this.run('attach', '--json', ...options, path);
    if (status !== 0) throw new Error(`attach failed: ${stderr}`);
    return JSON.parse(stdout) as AttachedDisk;
  }

  async list(): Promise<AttachedDisk[]> {
    const { stdout } = await this.run('list', '--json');
    return stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as AttachedDisk);
  }

  /** Detaches a disk that must detach. */
  async detach(disk: AttachedDisk): Promise<void> {
    const { status, stderr } = await this.run('detach', disk.id);
    if (status !== 0) throw new Error(`detach failed: ${stderr}`);
  }

  /** What is kept of a disk's requests, the oldest first; with `most`, no more than that. */
  async requests(disk: AttachedDisk, most?: number): Promise<TracedRequest[]> {
    const limit = most === undefined ? [] : ['--count', String(most)];
    const { stdout } = await this.run(
      ...['trace', '--json', '--no-follow', '--disk', disk.id],
      ...limit,
    );
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as TracedRequest | { readonly type: 'attached' | 'lost' })
      .filter((row) => row.type === 'request');
  }

  async mount(device: string, ...options: string[]): Promise<void> {
    await command('mount', ...options, device, this.mountPoint);
  }

  async unmount(): Promise<void> {
    await this.workspace.unmount();
  }

  /** Takes everything away and throws if anything was left behind. */
  async end(): Promise<void> {
    await this.workspace.end();
  }
}

/** The name under /sys/block, e.g. loop3. */
export const nameOf = (device: string): string => device.replace('/dev/', '');

/** True while the loop device has a backing file. */
export function isConfigured(device: string): boolean {
  return existsSync(join('/sys/block', nameOf(device), 'loop/backing_file'));
}

export function systemText(device: string, attribute: string): string {
  return readFileSync(join('/sys/block', nameOf(device), attribute), 'utf8').trim();
}

/** Bytes that a file takes up on its medium. */
export function allocatedBytes(path: string): number {
  return statSync(path).blocks * 512;
}
