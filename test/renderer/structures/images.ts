/** Disk images made by the real programs, and what the structures say of them. */
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, fstatSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { truncateSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DeviceReader } from '../../../renderer/structures/recogniser';
import { recognise } from '../../../renderer/structures/recognise';
import type { Structure, StructureNode } from '../../../renderer/structures/structure';
import { survey } from '../../../renderer/structures/survey';

export { golden } from '../../support/golden';

/** The programs lie in /usr/sbin, which not every user has in PATH. */
const environment = {
  ...process.env,
  PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
  LC_ALL: 'C',
};

/** Whether a program is installed. */
export const hasProgram = (name: string): boolean =>
  ['/usr/sbin', '/sbin', '/usr/bin', '/bin'].some((folder) => existsSync(join(folder, name)));

/** Runs a program and returns what it prints; throws if it fails. */
export function run(program: string, argv: readonly string[], input = ''): string {
  return execFileSync(program, argv, {
    env: environment,
    input,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** Puts `bytes` at `offset` of a file. */
export function overwrite(path: string, offset: number, bytes: Uint8Array): void {
  const file = openSync(path, 'r+');
  writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
}

/** A folder of images that is removed with it. */
export class Images {
  readonly folder = mkdtempSync(join(tmpdir(), 'bioscope-structures-'));

  /** An empty (sparse) image of `size` bytes; returns its path. */
  make(name: string, size: number): string {
    const path = join(this.folder, name);
    writeFileSync(path, '');
    truncateSync(path, size);
    return path;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** An image as a device. */
export class Device {
  readonly #file: number;
  readonly size: number;

  constructor(path: string) {
    this.#file = openSync(path, 'r');
    this.size = fstatSync(this.#file).size;
  }

  bytes(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.size - offset)));
    readSync(this.#file, bytes, 0, bytes.length, offset);
    return bytes;
  }

  readonly read: DeviceReader = (offset, length) =>
    Promise.resolve(
      offset >= 0 && offset + length <= this.size ? this.bytes(offset, length) : null,
    );

  /** The structures of the request that carries [offset, offset + length). */
  async recognise(offset: number, length: number): Promise<readonly Structure[]> {
    const regions = await survey(this.size, this.read);
    return recognise(this.bytes(offset, length), offset, regions);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** The one structure of that name; throws with the names there are. */
export function named(structures: readonly Structure[], name: string): Structure {
  const found = structures.find((structure) => structure.name === name);
  if (found) return found;
  const names = structures.map((structure) => structure.name).join(', ');
  throw new Error(`no ${name} among: ${names}`);
}

/** The node at `path` of names below `root`. */
export function field(root: StructureNode, ...path: readonly string[]): StructureNode {
  let node = root;
  for (const name of path) {
    const children: readonly StructureNode[] = node.children?.() ?? [];
    const next = children.find((child) => child.name === name);
    if (!next) {
      const names = children.map((child) => child.name).join(', ');
      throw new Error(`no ${name} among: ${names}`);
    }
    node = next;
  }
  return node;
}

export const value = (root: StructureNode, ...path: readonly string[]): string =>
  field(root, ...path).value;
