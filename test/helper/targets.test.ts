/**
 * The verbs about targets, with a dmsetup of our own: what it is run with, and what
 * becomes of what it says. The helper is the real one but for where it looks for programs
 * and control devices; real targets are for the machine in test/kmod and test/route.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, fstatSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { rootPrivileges } from '../../app/privileged/root';
import type { TargetVerbs } from '../../app/privileged/targets';
import { until } from '../support/commands';
import { FakePrograms } from './fake-programs';
import { addon } from './real-helper';

const devices = (...rows: string[]) => rows.map((row) => `${row.replaceAll('|', '\t')}\n`).join('');
const mine = '254|3|2|L--w|BIOSCOPE-0-d1|bioscope-0-d1';
const another = '254|4|0|L--w|BIOSCOPE-1000-d1|bioscope-1000-d1';
const byHand = '254|5|1|L-sr||by-hand';
const linear = '254|6|0|L--w|LVM-abc|vg-home';
const statusLine = '0 2048 user 0 0 1 5 0 0 0 0 0 ready\n';

let programs: FakePrograms;
let directory: string;
let control: string;
let targets: TargetVerbs;

const runs = () => programs.runs();
const answer: FakePrograms['answer'] = (...what) => {
  programs.answer(...what);
};

beforeAll(() => {
  programs = new FakePrograms();
  ({ directory, control } = programs);
  const verbs = rootPrivileges(addon, programs.helper).targets;
  if (verbs === null) throw new Error('root has no targets');
  targets = verbs;
});
afterAll(() => {
  programs.end();
});
beforeEach(() => {
  programs.forget();
});

const info = [
  'info',
  '--columns',
  '--noheadings',
  '--separator',
  '\t',
  '-o',
  'major,minor,open,attr,uuid,name',
];

/** A disk of which nothing special is asked. */
const plain = { tag: 'd1', sectors: 8n, readOnly: false, discards: false, writeZeroes: false };

describe('what dmsetup is run with', () => {
  test('a target is made of a tag, a size and options, and of nothing else', async () => {
    answer('info', devices(another));
    const made = targets.create({
      tag: 'd1',
      sectors: 2048n,
      readOnly: true,
      discards: true,
      writeZeroes: true,
    });
    // The fake has made nothing, so that looking for it finds none.
    await expect(made).rejects.toMatchObject({ code: 'ENXIO', syscall: 'find' });
    expect(runs()).toEqual([
      info,
      [
        'create',
        'bioscope-0-d1',
        '--noudevsync',
        '--uuid',
        'BIOSCOPE-0-d1',
        '--table',
        '0 2048 user 0 2048 bioscope-0-d1 2 discards write_zeroes',
        '--readonly',
      ],
      info,
      // Nobody will hear of it: it must not stay.
      ['message', '--uuid', 'BIOSCOPE-0-d1', '0', 'abort'],
      ['remove', '--noudevsync', '--deferred', 'bioscope-0-d1'],
    ]);
  });

  test('a target that was made and cannot be told of is taken away again, for its own reason', async () => {
    answer('info', '');
    // Found once it has been made, but without a status.
    answer('create', '');
    programs.answerAfter('create', 'info', devices(mine));
    answer('status', '', 'device-mapper: status ioctl failed: Input/output error', 1);
    await expect(targets.create(plain)).rejects.toMatchObject({
      code: 'EIO',
      syscall: 'dmsetup status',
    });
    expect(runs().slice(-2)).toEqual([
      ['message', '--uuid', 'BIOSCOPE-0-d1', '0', 'abort'],
      ['remove', '--noudevsync', '--deferred', 'bioscope-0-d1'],
    ]);
  });

  test('without options the table has three arguments, as every module takes them', async () => {
    await targets.reload(plain);
    expect(runs()).toEqual([
      ['reload', '--uuid', 'BIOSCOPE-0-d1', '--table', '0 8 user 0 8 bioscope-0-d1'],
    ]);
  });

  test('a target that is there is found by its UUID', async () => {
    answer('info', devices(mine));
    await targets.suspend({ tag: 'd1', noFlush: true });
    await targets.suspend({ tag: 'd1', noFlush: false });
    await targets.resume('d1');
    await targets.abort('d1');
    await targets.remove({ tag: 'd1', deferred: false });
    await targets.remove({ tag: 'd1', deferred: true });
    const uuid = ['--uuid', 'BIOSCOPE-0-d1'];
    expect(runs().filter(([verb]) => verb !== 'info')).toEqual([
      ['suspend', '--noflush', ...uuid],
      ['suspend', ...uuid],
      ['resume', '--noudevsync', ...uuid],
      ['message', ...uuid, '0', 'abort'],
      ['remove', '--noudevsync', '--retry', 'bioscope-0-d1'],
      ['remove', '--noudevsync', '--deferred', 'bioscope-0-d1'],
    ]);
  });

  test('the module has its one name', async () => {
    await targets.loadModule();
    expect(runs()).toEqual([['--', 'dm-user']]);
  });

  test('an environment of three words, whatever ours is', async () => {
    process.env['LD_AUDIT_FOR_TEST'] = '/tmp/evil.so';
    await targets.loadModule();
    delete process.env['LD_AUDIT_FOR_TEST'];
    const names = readFileSync(join(directory, 'environment'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => line.split('=')[0])
      // The shell's own.
      .filter((name) => !['PWD', 'SHLVL', '_', 'OLDPWD', 'DM_DISABLE_UDEV'].includes(name ?? ''));
    expect(names.sort()).toEqual(['LC_ALL', 'PATH']);
  });
});

describe('what becomes of what dmsetup says', () => {
  test('a user’s targets are told from all others', async () => {
    answer('info', devices(another, mine, byHand, linear, '254|7|0|--sw|BIOSCOPE-0-../x|evil'));
    answer('status', statusLine);
    expect(await targets.list()).toEqual([
      {
        tag: 'd1',
        device: '/dev/dm-3',
        sectors: 2048n,
        readOnly: false,
        openCount: 2,
        suspended: false,
        live: true,
        status: '0 0 1 5 0 0 0 0 0 ready',
      },
    ]);
    answer('info', 'No devices found\n');
    expect(await targets.list()).toEqual([]);
    expect(await targets.status('d1')).toBeNull();
  });

  test('a target made by hand is one that is nobody’s and of type user', async () => {
    answer('info', devices(another, mine, byHand));
    answer('table', '0 2048 user 0 2048 control\n');
    answer('status', statusLine);
    const foreign = await targets.listForeign();
    expect(foreign.map(({ tag, device }) => [tag, device])).toEqual([['by-hand', '/dev/dm-5']]);
    execFileSync('mknod', [join(control, 'control'), 'c', '1', '3']);
    const [channel] = await targets.openForeign({ name: 'by-hand', count: 1 });
    expect(fstatSync(channel ?? -1).rdev).toBe(0x103);
    closeSync(channel ?? -1);

    answer('table', '0 2048 linear 8:0 0\n');
    expect(await targets.listForeign()).toEqual([]);
    await expect(targets.openForeign({ name: 'by-hand', count: 1 })).rejects.toMatchObject({
      code: 'ENXIO',
    });
    // Its table may say that another user's control device is its own.
    answer('table', '0 2048 user 0 2048 bioscope-1000-d1\n');
    execFileSync('mknod', [join(control, 'bioscope-1000-d1'), 'c', '1', '3']);
    await expect(targets.openForeign({ name: 'by-hand', count: 1 })).rejects.toMatchObject({
      code: 'EPERM',
    });
  });

  const failures: [string, string, string][] = [
    [
      'device-mapper: remove ioctl on bioscope-0-d1 (254:3) failed: Device or resource busy',
      'EBUSY',
      'busy',
    ],
    [
      'device-mapper: remove ioctl on bioscope-0-d1 failed: No such device or address',
      'ENXIO',
      'gone',
    ],
    [
      'device-mapper: remove ioctl on bioscope-0-d1 failed: Invalid argument\nCommand failed.',
      'EINVAL',
      'refused',
    ],
    ['Something that nobody has foreseen', 'EIO', 'strange'],
    ['', 'EIO', 'silent'],
  ];
  test.each(failures)('"%s" is %s', async (words, code) => {
    answer('info', devices(mine));
    answer('remove', '', words, 1);
    const refused = targets.remove({ tag: 'd1', deferred: false });
    await expect(refused).rejects.toMatchObject({ code, syscall: 'dmsetup remove' });
    const [first] = words.split('\n');
    if (first !== '') await expect(refused).rejects.toThrow(`${code}: ${first ?? ''}`);
  });

  test('a module that there is not is ENOENT, with modprobe’s own words', async () => {
    const words = 'modprobe: FATAL: Module dm-user not found in directory /lib/modules/6.1';
    answer('--', '', words, 1);
    await expect(targets.loadModule()).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(targets.loadModule()).rejects.toThrow(words);
  });

  test('a tag that is taken is EEXIST', async () => {
    answer('info', devices(mine));
    await expect(targets.create(plain)).rejects.toMatchObject({ code: 'EEXIST' });
  });
});

describe('channels', () => {
  const node = () => join(control, 'bioscope-0-d1');
  beforeEach(() => {
    answer('info', devices(mine));
  });

  test('come as descriptors of the control device, as many as asked for', async () => {
    execFileSync('mknod', [node(), 'c', '1', '3']);
    const channels = await targets.openChannels({ tag: 'd1', count: 64 });
    expect(new Set(channels).size).toBe(64);
    for (const channel of channels) {
      expect(fstatSync(channel).rdev).toBe(0x103);
      const flags = /^flags:\s+(\d+)$/m.exec(
        readFileSync(`/proc/self/fdinfo/${channel}`, 'utf8'),
      )?.[1];
      // O_CLOEXEC and O_RDWR.
      expect(parseInt(flags ?? '', 8) & 0o2000003).toBe(0o2000002);
      closeSync(channel);
    }
  });

  test('do not come of a link, a file, or nothing', async () => {
    const open = () => targets.openChannels({ tag: 'd1', count: 2 });
    await expect(open()).rejects.toMatchObject({ code: 'ENOENT' });
    symlinkSync('/dev/null', node());
    await expect(open()).rejects.toMatchObject({ code: 'ELOOP' });
    rmSync(node());
    writeFileSync(node(), '');
    await expect(open()).rejects.toMatchObject({ code: 'ENODEV' });
  });

  test('do not come when the device with our UUID has another name', async () => {
    execFileSync('mknod', [node(), 'c', '1', '3']);
    answer('info', devices('254|3|0|L--w|BIOSCOPE-0-d1|renamed'));
    await expect(targets.openChannels({ tag: 'd1', count: 1 })).rejects.toMatchObject({
      code: 'ENXIO',
      syscall: 'find',
    });
  });
});

test('abort gets through while other requests wait, as many as there may be', async () => {
  answer('suspend', '');
  writeFileSync(join(directory, 'answer-suspend.wait'), '');
  const waiting = Array.from({ length: 20 }, () => targets.suspend({ tag: 'd1', noFlush: false }));
  await until('as many wait as may', () => runs().length === 12);
  await targets.abort('d1');
  expect(runs().at(-1)).toContain('abort');
  rmSync(join(directory, 'answer-suspend.wait'));
  await Promise.all(waiting);
  expect(runs().filter(([verb]) => verb === 'suspend')).toHaveLength(20);
});
