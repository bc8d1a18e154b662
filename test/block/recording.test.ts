/** Recordings that come to a bad end: a full disk under the file, a daemon that is killed. */
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bioscope, parseLines, startBioscope, type Running } from '../app/cli/real-command-line';
import { command, isAlive, until } from '../support/commands';
import { Product, needsRoot, type AttachedDisk } from './product';

interface Line {
  readonly type: string;
  readonly operation?: string;
  readonly sector?: string;
  readonly sequence?: string;
}

describe('a recording', () => {
  let product: Product;
  let disk: AttachedDisk;
  beforeEach(async (context) => {
    needsRoot(context);
    product = new Product();
    disk = await product.attach(product.workspace.image('source.img', 64));
  });
  afterEach(() => product.end());

  const place = (name: string) => join(product.workspace.directory, name);

  /** One write of `kibibytes` at that sector, full of `letter`. */
  async function write(sector: number, letter: string, kibibytes = 4): Promise<void> {
    const source = place('source');
    writeFileSync(source, letter.repeat(kibibytes * 1024));
    await command(
      'dd',
      `if=${source}`,
      `of=${disk.device}`,
      `bs=${kibibytes}k`,
      `seek=${sector * 512}B`,
      'oflag=direct',
      'conv=notrunc',
      'status=none',
    );
  }

  async function record(path: string): Promise<Running> {
    const words = ['record', '--json', '--payloads', 'writes', '-o', path, disk.device];
    const running = startBioscope(product.workspace, ...words);
    await until(
      'the file',
      () => statSync(path, { throwIfNoEntry: false }) !== undefined || running.stderr() !== '',
    );
    return running;
  }

  /** The writes in a capture, and what the command says of it. */
  async function writesIn(path: string, ...words: string[]) {
    const { stdout, stderr, status } = await bioscope(
      product.workspace,
      ...['trace', '--json', ...words, path],
    );
    const lines = parseLines<Line>(stdout).filter(({ type }) => type === 'request');
    const sequences = lines.map(({ sequence }) => Number(sequence));
    const sectors = lines
      .filter(({ operation }) => operation === 'write')
      .map(({ sector }) => Number(sector));
    return { sectors, sequences, stderr, status };
  }

  const isInFile = (path: string, sector: number) =>
    until(`sector ${sector} in the file`, async () =>
      (await writesIn(path)).sectors.includes(sector),
    );

  const isWithoutGaps = (sequences: readonly number[]) =>
    sequences.every(
      (sequence, index) => index === 0 || sequence === (sequences[index - 1] ?? 0) + 1,
    );

  test('whose disk is full says so, keeps what it has, and leaves the source alone', async () => {
    const small = place('small');
    mkdirSync(small);
    await command('mount', '-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', small);
    try {
      const path = join(small, 'full.bioscope');
      const recording = await record(path);
      for (const sector of [0, 8, 16]) await write(sector, 'a');
      await isInFile(path, 16);
      // More than the disk of the file has, in requests that the payload store keeps.
      for (let part = 0; part < 4; part++) await write(1024 + part * 2048, 'b', 1024);
      const { status, stderr } = await recording.ended;
      expect(status).toBe(1);
      expect(stderr).toContain(`There is no room left to write ${path} (ENOSPC).`);
      expect(stderr).toMatch(/What was written before is readable.*\d+ requests are in it/s);
      const kept = await writesIn(path);
      expect(kept.status).toBe(0);
      expect(kept.sectors.slice(0, 3)).toEqual([0, 8, 16]);
      expect(isWithoutGaps(kept.sequences)).toBe(true);
      const found = await writesIn(path, '-f', 'payload contains 61 61 61 61');
      expect(found.sectors).toEqual([0, 8, 16]);
      // The disk that was recorded noticed nothing.
      await write(32, 'c');
      expect((await product.requests(disk)).every(({ error }) => error === null)).toBe(true);
    } finally {
      await command('umount', small);
    }
    await product.detach(disk);
  });

  test('of a daemon that is killed has all but what was on its way', async () => {
    const path = place('killed.bioscope');
    const recording = await record(path);
    const early = Array.from({ length: 20 }, (_, index) => index * 8);
    for (const sector of early) await write(sector, 'e');
    await isInFile(path, early.at(-1) ?? 0);
    const pid = await product.workspace.daemonPid();
    if (pid === null) throw new Error('no daemon');
    const late = Array.from({ length: 10 }, (_, index) => 4096 + index * 8);
    for (const sector of late) await write(sector, 'l');
    process.kill(pid, 'SIGKILL');
    await until('the daemon is gone', () => !isAlive(pid));
    const { status, stderr } = await recording.ended;
    expect(status).toBe(1);
    expect(stderr).toContain(
      `The daemon ended while it recorded. ${path} has what was written until then`,
    );
    const kept = await writesIn(path);
    expect(kept.status).toBe(0);
    expect(kept.stderr).toContain('The recording was interrupted');
    const all = [...early, ...late];
    expect(kept.sectors.length).toBeGreaterThanOrEqual(early.length);
    expect(kept.sectors).toEqual(all.slice(0, kept.sectors.length));
    expect(isWithoutGaps(kept.sequences)).toBe(true);
    // And the bytes of each, as they were written.
    const found = await writesIn(path, '-f', 'payload contains 65 65 65 65');
    expect(found.sectors).toEqual(early);
  });
});
