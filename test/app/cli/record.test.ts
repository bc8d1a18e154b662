/** `bioscope record` on a real disk, and what `trace` makes of the capture. */
import { readFileSync, renameSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { command, until } from '../../support/commands';
import { Workspace } from '../../support/workspace';
import { bioscope, needsRoot, parseLines, patience, startBioscope } from './real-command-line';

interface Line {
  type: string;
  operation?: string;
  sector?: string;
  sequence?: string;
  payload?: boolean;
}
interface Standing {
  state: string;
  records: number;
  lost: number;
  payloadsKept: number;
  payloadsDropped: number;
  bytes: number;
}

describe('bioscope record', patience, () => {
  let workspace: Workspace;
  let device = '';
  beforeEach(async (context) => {
    workspace = new Workspace();
    needsRoot(context);
    const { stdout, stderr } = await bioscope(workspace, 'attach', workspace.image('a.img', 4));
    if (stdout === '') throw new Error(stderr);
    device = stdout.trim();
  });
  afterEach(() => workspace.end());

  const path = (name: string) => join(workspace.directory, name);
  /** Writes a sector full of `letter`. */
  async function write(sector: number, letter: string): Promise<void> {
    const source = path('sector');
    writeFileSync(source, letter.repeat(512));
    await command(
      'dd',
      `if=${source}`,
      `of=${device}`,
      'bs=512',
      `seek=${sector}`,
      'oflag=direct',
      'conv=notrunc',
      'status=none',
    );
  }
  const traced = async (...words: string[]): Promise<Line[]> =>
    parseLines<Line>((await bioscope(workspace, 'trace', '--json', ...words)).stdout);

  test('takes what happens until Ctrl-C, and the bytes that were written', async () => {
    await write(1, 'x');
    const recording = startBioscope(
      workspace,
      ...['record', '--json', '--payloads', 'writes', '-o', 'a.bioscope', device],
    );
    await until(
      'the file',
      () => statSync(path('a.bioscope'), { throwIfNoEntry: false }) !== undefined,
    );
    for (const sector of [100, 200]) await write(sector, 'w');
    // It is in the file before the recording ends: flushed while it goes on.
    await until('the last write in the file', async () => {
      const lines = await traced('a.bioscope');
      return lines.some(({ sector }) => sector === '200');
    });
    recording.child.kill('SIGINT');
    const { status, stdout, stderr } = await recording.ended;
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const [standing] = parseLines<Standing>(stdout);
    expect(standing).toMatchObject({ state: 'ended', lost: 0, payloadsDropped: 0 });
    const writes = (await traced('a.bioscope')).filter(({ operation }) => operation === 'write');
    expect(writes.map(({ sector }) => sector)).toEqual(['100', '200']);
    expect(standing?.payloadsKept).toBe(2);
    const found = await traced('-f', 'payload contains 77 77 77 77 && sector == 200', 'a.bioscope');
    expect(found.map(({ sector }) => sector)).toEqual([undefined, '200']);
    // What was written before it began is not in it.
    expect(writes.some(({ sector }) => sector === '1')).toBe(false);
  });

  test('saves the last requests that are kept, and replaces a file only when told', async () => {
    for (const sector of [10, 20, 30]) await write(sector, 'a');
    const words = ['record', '--json', '--last', '2', '-o', 'last.bioscope', device];
    const first = await bioscope(workspace, ...words);
    expect(parseLines<Standing>(first.stdout)).toMatchObject([{ state: 'ended', records: 2 }]);
    const again = await bioscope(workspace, ...words);
    expect(again.status).toBe(1);
    expect(again.stderr).toContain('last.bioscope exists already. Choose another name');
    expect((await bioscope(workspace, ...words, '--force')).status).toBe(0);
    const requests = (await traced('last.bioscope')).filter(({ type }) => type === 'request');
    const sequences = requests.map(({ sequence }) => Number(sequence));
    expect(sequences.length).toBe(2);
    expect((sequences[1] ?? 0) - (sequences[0] ?? 0)).toBe(1);
  });

  test('a capture is no image: attach says what to do with it, and does as it is told', async () => {
    await bioscope(workspace, 'record', '--last', '1', '-o', 'whole.bioscope', device);
    // By what is in it; of one that was cut short only the name is left.
    renameSync(path('whole.bioscope'), path('a capture.img'));
    writeFileSync(path('cut.bioscope'), Buffer.alloc(4096));
    const { status, stdout, stderr } = await bioscope(
      workspace,
      ...['attach', 'a capture.img', 'cut.bioscope'],
    );
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    const [whole, cut] = stderr.split('\n');
    const told = path('a capture.img');
    expect(whole).toBe(
      `bioscope: ${told} is a capture, not the image of a disk. To print its requests: bioscope trace '${told}'. To make a disk of its bytes all the same: bioscope attach --force '${told}'`,
    );
    expect(cut).toContain(`bioscope attach --force ${path('cut.bioscope')}`);
    expect((await traced('a capture.img')).at(-1)).toMatchObject({ type: 'request' });
    const forced = await bioscope(workspace, 'attach', '--force', 'cut.bioscope');
    expect(forced.stdout).toMatch(/^\/dev\/\S+\n$/);
  });

  test('ends with its disk, and the file is complete', async () => {
    const recording = startBioscope(workspace, 'record', '--json', '-o', 'end.bioscope', device);
    await until(
      'the file',
      () => statSync(path('end.bioscope'), { throwIfNoEntry: false }) !== undefined,
    );
    await write(7, 'z');
    expect((await bioscope(workspace, 'detach', device)).status).toBe(0);
    const { stdout, status } = await recording.ended;
    expect(status).toBe(0);
    expect(parseLines<Standing>(stdout)).toMatchObject([{ state: 'ended' }]);
    const shown = await bioscope(workspace, 'trace', 'end.bioscope');
    expect(shown.stderr).toBe('');
    expect(shown.stdout).toMatch(/ write +7 +512 /);
  });

  test('of a capture that was cut, damaged or is none, trace says so', async () => {
    await write(1, 'q');
    await bioscope(workspace, 'record', '--last', '100', '-o', 'c.bioscope', device);
    const whole = readFileSync(path('c.bioscope'));
    truncateSync(path('c.bioscope'), whole.length - 8);
    const cut = await bioscope(workspace, 'trace', 'c.bioscope');
    expect(cut.status).toBe(0);
    expect(cut.stderr).toContain('The recording was interrupted');
    const damaged = Buffer.from(whole);
    damaged.writeUInt8(damaged.readUInt8(whole.length - 200) ^ 255, whole.length - 200);
    writeFileSync(path('c.bioscope'), damaged);
    const bad = await bioscope(workspace, 'trace', 'c.bioscope');
    expect(bad.status).toBe(1);
    expect(bad.stderr).toContain('c.bioscope is damaged: the checksum of batch 2');
    const none = await bioscope(workspace, 'trace', workspace.image('other.img', 1));
    expect(none.stderr).toContain("is no capture of Bioscope's");
    expect(none.status).toBe(1);
  });
});
