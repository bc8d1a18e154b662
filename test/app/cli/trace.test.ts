import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { command, until } from '../../support/commands';
import { Workspace } from '../../support/workspace';
import {
  bioscope,
  commandLine,
  needsRoot,
  parseLines,
  patience,
  start,
  startBioscope,
  type Running,
} from './real-command-line';

interface Line {
  type: string;
  disk: string;
  operation?: string;
  sector?: string;
  length?: string;
  count?: string;
  sequence?: string;
  reason?: string;
}

describe('bioscope trace', patience, () => {
  let workspace: Workspace;
  beforeEach((context) => {
    workspace = new Workspace();
    needsRoot(context);
  });
  afterEach(() => workspace.end());

  async function attach(name: string): Promise<string> {
    const { stdout, stderr } = await bioscope(workspace, 'attach', workspace.image(name, 4));
    if (stdout === '') throw new Error(stderr);
    return stdout.trim();
  }
  const read = (device: string, sector: number, count = 1) =>
    command(
      'dd',
      `if=${device}`,
      'of=/dev/null',
      'bs=512',
      `skip=${sector}`,
      `count=${count}`,
      'iflag=direct',
      'status=none',
    );

  test('prints what is kept, newest last, and ends after --count', async () => {
    const device = await attach('a.img');
    for (const sector of [10, 20, 30]) await read(device, sector);
    const words = ['trace', '--json', '--no-follow', '--disk', device];
    const lines = parseLines<Line>((await bioscope(workspace, ...words)).stdout);
    expect(lines[0]).toMatchObject({ type: 'attached', disk: 'd1' });
    const reads = lines.filter(({ operation }) => operation === 'read');
    expect(reads.map(({ sector, length }) => [sector, length])).toEqual([
      ['10', '512'],
      ['20', '512'],
      ['30', '512'],
    ]);
    const sequences = lines.flatMap(({ sequence }) =>
      sequence === undefined ? [] : [BigInt(sequence)],
    );
    expect([...sequences].sort((a, b) => (a < b ? -1 : 1))).toEqual(sequences);

    const counted = await bioscope(workspace, ...words.slice(0, 2), '--count', '2');
    expect(counted.status).toBe(0);
    expect(parseLines<Line>(counted.stdout).filter(({ type }) => type === 'request')).toHaveLength(
      2,
    );

    const newest = await bioscope(workspace, ...words, '--from', 'newest');
    expect(parseLines<Line>(newest.stdout).map(({ type }) => type)).toEqual(['attached']);

    const filter = 'sector in 15..25 || op == flush || payload contains "no such text"';
    const filtered = await bioscope(workspace, ...words, '--filter', filter);
    const passed = parseLines<Line>(filtered.stdout).filter(
      ({ operation }) => operation === 'read',
    );
    expect(passed.map(({ sector }) => sector)).toEqual(['20']);
    const zeroes = [...words, '--filter', 'len == 1s512 && payload contains 00 00'];
    const kept = parseLines<Line>((await bioscope(workspace, ...zeroes)).stdout);
    expect(kept.flatMap(({ sector }) => sector ?? [])).toEqual(['10', '20', '30']);

    const columns = (await bioscope(workspace, 'trace', '--no-follow')).stdout.split('\n');
    expect(columns[0]).toMatch(/^TIME +DISK +SEQ +OP +SECTOR +LENGTH +FLAGS +LATENCY +RESULT$/);
    expect(columns.some((line) => / d1 +\d+ read +10 +512 - .* ok$/.test(line))).toBe(true);
  });

  test('follows; disks that come join in, ends are told, Ctrl-C ends it with status 0', async () => {
    const trace = startBioscope(workspace, 'trace', '--json');
    await until('it waits for a disk', () => trace.stderr().includes('waiting for one'));
    const device = await attach('late.img');
    await read(device, 7);
    await until('the read is shown', () => trace.stdout().includes('"sector":"7"'));
    await bioscope(workspace, 'detach', 'd1');
    await until('the end is told', () => trace.stdout().includes('"type":"ended"'));
    trace.child.kill('SIGINT');
    const { status, stdout } = await trace.ended;
    expect(status).toBe(0);
    const types = parseLines<Line>(stdout).map(({ type }) => type);
    expect(types[0]).toBe('attached');
    expect(types.at(-1)).toBe('ended');
  });

  test('ends by itself with the disk that it was asked for', async () => {
    await attach('only.img');
    const trace = startBioscope(workspace, 'trace', '--disk', 'd1');
    await until('it shows the disk', () => trace.stdout().includes('only.img'));
    await bioscope(workspace, 'detach', 'd1');
    const { status, stdout } = await trace.ended;
    expect(status).toBe(0);
    expect(stdout.trimEnd()).toMatch(/--- d1: detached$/);
  });

  test('tells exactly how many requests were overwritten while it could not read', async () => {
    const environment = { BIOSCOPE_TRACE_RECORDS: '1024', BIOSCOPE_THREADS: '1' };
    const words = ['attach', workspace.image('lost.img', 4)];
    const attached = await start(workspace, process.execPath, [commandLine, ...words], environment)
      .ended;
    const device = attached.stdout.trim();
    const trace = startBioscope(workspace, 'trace', '--json');
    // What was there before it came and is overwritten before it looks does not count: so let it look.
    await until('it has begun', () => trace.stdout().includes('"sequence":"1"'));
    trace.child.kill('SIGSTOP');
    await command('dd', `if=${device}`, 'of=/dev/null', 'bs=512', 'iflag=direct', 'status=none');
    trace.child.kill('SIGCONT');
    await until('the last one is shown', () => trace.stdout().includes('"sector":"8191"'));
    trace.child.kill('SIGINT');
    const lines = parseLines<Line>((await trace.ended).stdout);
    const lost = lines.filter(({ type }) => type === 'lost').map(({ count }) => Number(count));
    const shown = lines.filter(({ type }) => type === 'request');
    const sum = lost.reduce((total, count) => total + count, 0);
    expect(sum).toBeGreaterThan(6000);
    expect(sum + shown.length).toBe(Number(shown.at(-1)?.sequence));
  });

  test('goes quietly when its reader does', async () => {
    const device = await attach('pipe.img');
    await read(device, 0, 100);
    const script = `"$0" "$1" trace | head -n 1; echo "status \${PIPESTATUS[0]}"`;
    const piped = start(workspace, 'bash', ['-c', script, process.execPath, commandLine]);
    // It ends at its next line: make one.
    await until('head has its line', () => piped.stdout().includes('TIME'));
    await read(device, 9);
    const { stdout, stderr } = await piped.ended;
    expect(stderr).toBe('');
    expect(stdout).toMatch(/status 0\n$/);
  });
});

describe('bioscope demo', patience, () => {
  let workspace: Workspace;
  beforeEach((context) => {
    workspace = new Workspace();
    needsRoot(context);
  });
  afterEach(() => workspace.end());

  test('makes a disk, puts it to work, and leaves nothing after three signals', async () => {
    // In a process group of its own: Ctrl-C goes to all that are in the demo's.
    const demo = start(workspace, 'setsid', [process.execPath, commandLine, 'demo'], {
      TMPDIR: workspace.directory,
    });
    await until(
      'writes, reads and flushes are shown',
      () =>
        demo.stdout().includes(' write ') &&
        demo.stdout().includes(' read ') &&
        demo.stdout().includes(' flush '),
      30_000,
    );
    expect(demo.stderr()).toContain('demo disk /dev/loop');
    const { pid } = demo.child;
    if (pid === undefined) throw new Error('the demo has no process');
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGINT'] as const) {
      process.kill(-pid, signal);
      await sleep(25); // the umount is on its way
    }
    const { status, stderr } = await demo.ended;
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(status).toBe(0);
    expect((await bioscope(workspace, 'list')).stdout).toBe('no disks\n');
    expect(await command('ls', workspace.directory)).not.toContain('bioscope-demo');
  });

  test('takes away what an earlier one left that was killed, and nothing of one that runs', async () => {
    const demo = () =>
      start(workspace, process.execPath, [commandLine, 'demo'], { TMPDIR: workspace.directory });
    const works = (running: Running) =>
      until('it works', () => running.stdout().includes(' write '), 30_000);
    const killed = demo();
    await works(killed);
    killed.child.kill('SIGKILL');
    await killed.ended;
    await until('its work has let go', async () => {
      const [left] = await workspace.disks();
      return left?.id === 'd1' && left.holders.length === 0;
    });

    const second = demo();
    await works(second);
    expect(second.stderr()).toMatch(
      /^bioscope: took away the disk \(d1\) and the image \S+demo\.img of an earlier demo that was killed\n/,
    );
    const third = demo();
    await works(third);
    expect(third.stderr()).not.toContain('took away');
    expect((await workspace.disks()).map(({ id }) => id)).toEqual(['d2', 'd3']);
    for (const running of [second, third]) {
      running.child.kill('SIGINT');
      expect((await running.ended).status).toBe(0);
    }
    expect(await command('ls', workspace.directory)).not.toContain('bioscope-demo');
  });

  test('shows the images that it is given and detaches them', async () => {
    const image = workspace.image('mine.img', 4);
    const demo = startBioscope(workspace, 'demo', '--read-only', '--', image, '/nowhere');
    await until('it is attached', () => demo.stdout().includes(`${image} at /dev/loop`));
    const listed = await bioscope(workspace, 'list');
    expect(listed.stdout).toMatch(/ ro +attached /);
    demo.child.kill('SIGTERM');
    const { status, stderr } = await demo.ended;
    expect(status).toBe(1);
    expect(stderr).toContain('bioscope: /nowhere does not exist.\n');
    expect((await bioscope(workspace, 'list')).stdout).toBe('no disks\n');
  });
});
