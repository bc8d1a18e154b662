/** Exports as the window has them: threads that tell how far they are and can be called off. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CaptureWriter } from '../../../app/capture/writer';
import type { ExportStanding } from '../../../app/contract/capture';
import { diskId } from '../../../app/contract/units';
import { Exports } from '../../../app/main/exports';
import { projectDirectory } from '../../support/project';
import { addAll, checksum, header, madeUp, nativeAddonPath } from '../capture/support';

const disk = diskId('capture-1');

describe('exports of captures', { timeout: 60_000 }, () => {
  let directory = '';
  let source = '';
  let told: (readonly ExportStanding[])[] = [];
  let captureExports: Exports;
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'bioscope-exports-'));
    source = join(directory, 'x.bioscope');
    const writer = await CaptureWriter.create(source, header, checksum);
    for (let first = 1; first <= 40; first += 10) {
      await addAll(writer, madeUp(first, 10));
      while (!writer.flush()) await writer.idle();
    }
    await writer.finish();
    told = [];
    const script = join(projectDirectory, 'dist/exporter.cjs');
    captureExports = new Exports(script, (standings) => told.push(standings), nativeAddonPath);
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const start = (name: string, format: 'csv' | 'blktrace' = 'csv', mayReplace = true) =>
    captureExports.start(source, { disk, format, path: join(directory, name), mayReplace });

  test('tell how far they are, and in the end where the file is', async () => {
    writeFileSync(join(directory, 'x.csv'), 'before');
    expect(await start('x.csv')).toEqual({ path: join(directory, 'x.csv'), remarks: [] });
    expect(readFileSync(join(directory, 'x.csv'), 'utf8').trimEnd().split('\n')).toHaveLength(41);
    const shares = told.flat().map(({ share }) => share);
    expect(shares.length).toBeGreaterThan(3);
    expect(shares).toEqual([...shares].sort((left, right) => left - right));
    expect(shares.at(-1)).toBeGreaterThan(0.5);
    expect(told.at(-1)).toEqual([]);
  });

  test('are called off, and nothing is left of them; what was there stays', async () => {
    writeFileSync(join(directory, 'x.csv'), 'before');
    const first = start('x.csv');
    await expect(start('y.csv')).rejects.toThrow('is being exported. Wait for that, or stop it.');
    captureExports.stop(disk);
    expect(await first).toEqual({ path: null, remarks: [] });
    expect(readFileSync(join(directory, 'x.csv'), 'utf8')).toBe('before');
    expect(readdirSync(directory).sort()).toEqual(['x.bioscope', 'x.csv']);
    const second = start('z', 'blktrace');
    await captureExports.end();
    expect(await second).toEqual({ path: null, remarks: [] });
    expect(readdirSync(directory).sort()).toEqual(['x.bioscope', 'x.csv']);
    // And another may begin.
    expect((await start('w.csv')).path).toBe(join(directory, 'w.csv'));
  });

  test('say what is wrong, and go on with the next', async () => {
    await expect(start('none/x.csv')).rejects.toMatchObject({
      value: { code: 'FILE_NOT_WRITABLE', errno: 'ENOENT' },
    });
    writeFileSync(join(directory, 'x.blktrace.0'), 'not asked about');
    await expect(start('x', 'blktrace')).rejects.toMatchObject({ value: { code: 'FILE_EXISTS' } });
    expect(told.at(-1)).toEqual([]);
  });

  test('are not held up by what a process that was killed has left', async () => {
    const { pid: dead } = spawnSync(process.execPath, ['-e', '']);
    const left = `x.csv.${dead}-0123abcd.part`;
    // Only what is surely nobody's any more is removed.
    const stays = [
      `x.csv.${process.pid}-0123abcd.part`,
      `y.csv.${dead}-0123abcd.part`,
      'x.csv.part',
    ];
    for (const name of [left, ...stays]) writeFileSync(join(directory, name), 'half');
    expect((await start('x.csv')).path).toBe(join(directory, 'x.csv'));
    expect(readFileSync(join(directory, 'x.csv'), 'utf8')).toMatch(/^sequence,/);
    expect(readdirSync(directory).sort()).toEqual(['x.bioscope', 'x.csv', ...stays].sort());
  });

  test('replace nothing that nobody was asked about', async () => {
    writeFileSync(join(directory, 'x.csv'), 'before');
    await expect(start('x.csv', 'csv', false)).rejects.toMatchObject({
      value: { code: 'FILE_EXISTS' },
    });
    expect(readFileSync(join(directory, 'x.csv'), 'utf8')).toBe('before');
    expect((await start('new.csv', 'csv', false)).path).toBe(join(directory, 'new.csv'));
  });
});
