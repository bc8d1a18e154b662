/**
 * `bioscope abort` where no daemon can be started: the real command line and the real
 * helper, with a dmsetup of our own.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { projectDirectory } from '../support/project';
import { FakePrograms } from './fake-programs';

const dist = join(projectDirectory, 'dist');
const uid = process.getuid?.() ?? 0;
const name = (tag: string) => `bioscope-${uid}-${tag}`;

const uuid = ['--uuid', `BIOSCOPE-${uid}-d7-1a2b`];

let programs: FakePrograms;
let directory: string;

beforeAll(() => {
  programs = new FakePrograms();
  directory = mkdtempSync(join(tmpdir(), 'bioscope-abort-'));
  // No daemon lies beside it.
  copyFileSync(join(dist, 'bioscope.cjs'), join(directory, 'bioscope.cjs'));
  copyFileSync(programs.helper, join(directory, 'bioscope-helper'));
  mkdirSync(join(directory, 'run'), { mode: 0o700 });
});
afterAll(() => {
  programs.end();
  rmSync(directory, { recursive: true, force: true });
});
beforeEach(() => {
  programs.forget();
  const row = ['254', '3', '1', 'L--w', `BIOSCOPE-${uid}-d7-1a2b`, name('d7-1a2b')].join('\t');
  programs.answer('info', `${row}\n`);
  programs.answer('status', '0 2048 user 0 0 1 5 0 0 0 0 0 ready\n');
});

function abort(word: string) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(directory, 'bioscope.cjs'), 'abort', word],
    {
      encoding: 'utf8',
      env: {
        PATH: process.env['PATH'],
        BIOSCOPE_ADDON: join(dist, 'bioscope.node'),
        BIOSCOPE_RUNTIME_DIRECTORY: join(directory, 'run'),
      },
    },
  );
  const messages = programs.runs().filter(([verb]) => verb === 'message');
  return { status, stdout, stderr, messages };
}

/** What the daemon before has left. */
function leave(device: string | null, route: 'dm-user' | 'fuse-loop'): void {
  const disk = {
    id: 'd7',
    number: 7,
    name: 'disk.img',
    imagePath: join(directory, 'disk.img'),
    imageKind: 'file',
    size: '8192',
    tail: '0',
    readOnly: false,
    route,
    state: 'attached',
    failure: null,
    device,
    partitions: [],
    holders: [],
    fuseFile: null,
    tracePath: join(directory, 'd7.trace'),
    attachedAt: 0,
    notes: [],
  };
  const disks = [{ disk, label: 'bioscope:d7:1a2b3c', mountDirectory: '/nowhere' }];
  const state = { version: 1, pid: 4321, nextNumber: 8, disks };
  writeFileSync(join(directory, 'run/disks.json'), JSON.stringify(state));
}

describe.skipIf(uid !== 0)('bioscope abort without a daemon (needs root)', () => {
  test('fails what waits on a disk of the daemon before, by any of its names', () => {
    leave(`/dev/mapper/${name('d7-1a2b')}`, 'dm-user');
    for (const word of ['d7', join(directory, 'disk.img'), `/dev/mapper/${name('d7-1a2b')}`]) {
      const { status, stdout, stderr, messages } = abort(word);
      expect(stderr).toMatch(/^bioscope: no daemon could be asked: .*daemon\.cjs is missing/);
      expect(stdout).toBe('what waited on the target d7-1a2b has failed\n');
      expect(messages.at(-1)).toEqual(['message', ...uuid, '0', 'abort']);
      expect(status).toBe(0);
    }
  });

  test('finds the target in the kernel where the state was lost', () => {
    rmSync(join(directory, 'run/disks.json'), { force: true });
    for (const word of [name('d7-1a2b'), '/dev/dm-3']) {
      const { stdout, messages } = abort(word);
      expect(stdout).toBe('what waited on the target d7-1a2b has failed\n');
      expect(messages.at(-1)).toEqual(['message', ...uuid, '0', 'abort']);
    }
  });

  test('is not kept from it by what else goes wrong with a start', () => {
    leave(`/dev/mapper/${name('d7-1a2b')}`, 'dm-user');
    const [program, log] = [join(directory, 'daemon.cjs'), join(directory, 'run/daemon.log')];
    writeFileSync(program, '');
    mkdirSync(log);
    const { status, stderr, messages } = abort('d7');
    rmSync(program);
    rmSync(log, { recursive: true });
    expect(stderr).toMatch(/^bioscope: no daemon could be asked: .*EISDIR/);
    expect(messages.at(-1)).toEqual(['message', ...uuid, '0', 'abort']);
    expect(status).toBe(0);
  });

  test('touches nothing else, and says what there is', () => {
    leave('/dev/loop7', 'fuse-loop');
    for (const word of ['d7', '/dev/loop7', 'by-hand']) {
      const { status, stderr, messages } = abort(word);
      expect(stderr).toContain(`is no dm-user target. This user has ${name('d7-1a2b')}.`);
      expect(messages).toEqual([]);
      expect(status).toBe(1);
    }
  });
});
