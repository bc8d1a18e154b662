/** The helper against those who do not keep to the rules. */
import { execFile, spawn } from 'node:child_process';
import { fstatSync, openSync, closeSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import * as wire from '../../app/contract/wire.gen';
import type { HelperRequest } from '../../app/privileged/helper-frames';
import { isAlive, until } from '../support/commands';
import { addon, builtHelper, RealHelper } from './real-helper';

const EPERM = 1;
const ENOENT = 2;
const ENXIO = 6;
const EINVAL = 22;

const running: RealHelper[] = [];
afterEach(async () => {
  for (const helper of running.splice(0)) {
    await helper.end();
    expect(isAlive(helper.pid)).toBe(false);
  }
});

function start(group: string): RealHelper {
  const helper = new RealHelper(group);
  running.push(helper);
  return helper;
}

const at = wire.bioscopeHelperRequestOffsets;
const poke =
  (offset: number, ...values: number[]) =>
  (bytes: Uint8Array<ArrayBuffer>) => {
    bytes.set(values, offset);
    return bytes;
  };

const status = (name: string): HelperRequest => ({
  verb: wire.BIOSCOPE_HELPER_TARGET_STATUS,
  name,
});
const attach = (more: Partial<HelperRequest>): HelperRequest => ({
  verb: wire.BIOSCOPE_HELPER_LOOP_ATTACH,
  handle: 1,
  name: 'disk.img',
  label: 'bioscope:d1',
  ...more,
});

describe('a frame that is none', () => {
  const spoiled: [string, (bytes: Uint8Array<ArrayBuffer>) => Uint8Array][] = [
    ['is empty but for one byte', (bytes) => bytes.subarray(0, 1)],
    ['is a byte short', (bytes) => bytes.subarray(0, -1)],
    ['is a byte long', (bytes) => Buffer.concat([bytes, Buffer.alloc(1)])],
    ['is huge', (bytes) => Buffer.concat([bytes, Buffer.alloc(100_000)])],
    ['is of another version', poke(at.version, 9)],
    ['has a verb that there is not', poke(at.verb, 99)],
    ['has a huge verb', poke(at.verb, 255, 255, 255, 255)],
  ];
  test.each(spoiled)('ends the helper: it %s', async (_name, spoil) => {
    const helper = start('dm-user');
    expect(await helper.answer({ verb: wire.BIOSCOPE_HELPER_HELLO })).toMatchObject({ errno: 0 });
    expect(await helper.answer({ verb: wire.BIOSCOPE_HELPER_HELLO }, spoil)).toBeNull();
    expect(await helper.ended).toMatchObject({ status: 0 });
  });
});

describe('a request that asks for too much', () => {
  const create = (more: Partial<HelperRequest>): HelperRequest => ({
    verb: wire.BIOSCOPE_HELPER_TARGET_CREATE,
    name: 'a',
    sectors: 8n,
    ...more,
  });
  const refused: [
    string,
    string,
    HelperRequest,
    ((bytes: Uint8Array<ArrayBuffer>) => Uint8Array)?,
  ][] = [
    ['a path for a tag', 'dm-user', status('../x')],
    ['a tag with a slash', 'dm-user', status('a/b')],
    ['a tag with a space, which a table would take for two words', 'dm-user', status('a b')],
    ['a tag that begins like an option', 'dm-user', status('-f')],
    ['a tag of capitals', 'dm-user', status('ABC')],
    ['a tag with a line break', 'dm-user', status('a\nb')],
    ['a tag of 64 bytes', 'dm-user', status('a'.repeat(64))],
    ['a name that fills its field', 'dm-user', status('a'.repeat(255))],
    [
      'a name without an end',
      'dm-user',
      status('a'),
      poke(at.name, ...Array<number>(256).fill(97)),
    ],
    ['something behind the end of a name', 'dm-user', status('a'), poke(at.name + 9, 97)],
    ['no tag', 'dm-user', status('')],
    ['no size', 'dm-user', create({ sectors: 0n })],
    ['a size past the limit', 'dm-user', create({ sectors: (1n << 53n) + 1n })],
    ['the largest size', 'dm-user', create({ sectors: (1n << 64n) - 1n })],
    ['a flag of another verb', 'dm-user', create({ flags: wire.BIOSCOPE_HELPER_FORCE })],
    ['a flag that there is not', 'dm-user', create({ flags: 0x8000_0000 })],
    ['a number of channels where there are none', 'dm-user', create({ count: 1 })],
    ['something in a reserved field', 'dm-user', create({}), poke(at.reserved, 1)],
    ['no channels', 'dm-user', { verb: wire.BIOSCOPE_HELPER_TARGET_OPEN, name: 'a', count: 0 }],
    ['65 channels', 'dm-user', { verb: wire.BIOSCOPE_HELPER_TARGET_OPEN, name: 'a', count: 65 }],
    [
      'another user’s target by its whole name',
      'adopt',
      { verb: wire.BIOSCOPE_HELPER_FOREIGN_OPEN, name: 'bioscope-1000-a', count: 1 },
    ],
    [
      'a target outside of its folder',
      'adopt',
      { verb: wire.BIOSCOPE_HELPER_FOREIGN_OPEN, name: '../sda', count: 1 },
    ],
    ['a file in another folder', 'fuse-loop', attach({ name: '../etc/shadow' })],
    ['the folder above', 'fuse-loop', attach({ name: '..' })],
    ['a label of somebody else', 'fuse-loop', attach({ label: 'bioscope@1000:d1' })],
    ['a label that is nobody’s', 'fuse-loop', attach({ label: 'losetup' })],
    ['a label too long to be marked', 'fuse-loop', attach({ label: `bioscope:${'a'.repeat(50)}` })],
    ['no handle', 'fuse-loop', attach({ handle: 0 })],
    [
      'a device that is no loop device',
      'fuse-loop',
      { verb: wire.BIOSCOPE_HELPER_LOOP_DETACH, name: '/dev/sda' },
    ],
    [
      'a loop device by a path around corners',
      'fuse-loop',
      { verb: wire.BIOSCOPE_HELPER_LOOP_DETACH, name: '/dev/loop0/../sda' },
    ],
    [
      'a loop device by another of its names',
      'fuse-loop',
      { verb: wire.BIOSCOPE_HELPER_LOOP_DETACH, name: '/dev/loop00' },
    ],
  ];
  test.each(refused)(
    'is refused, and the next is heard: %s',
    async (_name, group, request, spoil) => {
      const helper = start(group);
      expect(await helper.answer(request, spoil)).toMatchObject({ errno: EINVAL, step: 'request' });
      expect(await helper.answer({ verb: wire.BIOSCOPE_HELPER_HELLO })).toMatchObject({ errno: 0 });
    },
  );

  test('is refused when it is another group’s', async () => {
    for (const [group, request] of [
      ['fuse-loop', status('a')],
      ['dm-user', { verb: wire.BIOSCOPE_HELPER_FUSE_MOUNT }],
      ['dm-user', { verb: wire.BIOSCOPE_HELPER_FOREIGN_LIST }],
      ['module', { verb: wire.BIOSCOPE_HELPER_TARGET_LIST }],
      ['adopt', { verb: wire.BIOSCOPE_HELPER_MODULE_LOAD }],
    ] as const) {
      expect(await start(group).answer(request)).toMatchObject({ errno: EPERM, step: 'request' });
    }
  });

  test('is refused a handle that was never given, or was given back', async () => {
    const helper = start('fuse-loop');
    expect(await helper.answer(attach({ handle: 7 }))).toMatchObject({ errno: ENOENT });
    const mounted = await helper.answer({ verb: wire.BIOSCOPE_HELPER_FUSE_MOUNT });
    const handle = mounted?.handle ?? 0;
    const unmount = { verb: wire.BIOSCOPE_HELPER_FUSE_UNMOUNT, handle };
    expect(await helper.answer(unmount)).toMatchObject({ errno: 0 });
    expect(await helper.answer(unmount)).toMatchObject({ errno: ENOENT, step: 'handle' });
    expect(await helper.answer(attach({ handle }))).toMatchObject({ errno: ENOENT });
  });
});

describe('the helper', () => {
  const startedWith = async (
    words: readonly string[],
    environment: Record<string, string>,
    stdin: 'ignore' | 'pipe' | number = 'ignore',
  ) => {
    const child = spawn(builtHelper, words, { env: environment, stdio: [stdin, 'ignore', 'pipe'] });
    let said = '';
    child.stderr?.on('data', (text: Buffer) => (said += text.toString()));
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, said };
  };

  test('refuses to start on anything but a daemon’s socket', async () => {
    // Node's pipes are stream sockets.
    for (const stdin of ['ignore', 'pipe'] as const) {
      expect(await startedWith(['dm-user'], {}, stdin)).toEqual({
        code: 2,
        said: 'bioscope-helper: standard input is not the daemon’s socket\n'.replace('’', "'"),
      });
    }
    const file = openSync('/proc/self/status', 'r');
    expect((await startedWith(['dm-user'], {}, file)).code).toBe(2);
    closeSync(file);
  });

  test('refuses a group that there is not, none, and two', async () => {
    for (const words of [[], ['sudo'], ['dm-user', 'fuse-loop'], ['']]) {
      const { code, said } = await startedWith(words, {});
      expect(code).toBe(2);
      expect(said).toContain('usage: bioscope-helper module|dm-user|adopt|fuse-loop');
    }
  });

  test('believes pkexec’s word for the user only if the socket is that user’s', async () => {
    for (const [uid, reason] of [
      ['1000', "the daemon's socket belongs to another user"],
      ['', "PKEXEC_UID is not a user's number"],
      ['-1', "PKEXEC_UID is not a user's number"],
      ['0x0', "PKEXEC_UID is not a user's number"],
      ['4294967295', "PKEXEC_UID is not a user's number"],
      ['00000000000', "PKEXEC_UID is not a user's number"],
    ] as const) {
      const helper = new RealHelper('fuse-loop', { environment: { PKEXEC_UID: uid } });
      const ended = await helper.ended;
      expect(ended).toMatchObject({ status: 2, words: `bioscope-helper: ${reason}\n` });
      await helper.end();
    }
  });

  test('is refused to an ordinary user who starts it without pkexec', async () => {
    const run = promisify(execFile);
    const outcome = run('setpriv', ['--reuid=65534', '--clear-groups', builtHelper, 'dm-user']);
    await expect(outcome).rejects.toMatchObject({
      code: 2,
      stderr: 'bioscope-helper: must be started by pkexec, or by root\n',
    });
  });

  test('keeps no environment, no descriptor and no power that it does not need', async () => {
    const capabilities = {
      module: 1n << 16n,
      'dm-user': (1n << 21n) | (1n << 27n) | 1n,
      adopt: 1n << 21n,
      'fuse-loop': (1n << 21n) | (1n << 1n) | 1n,
    };
    for (const [group, kept] of Object.entries(capabilities)) {
      const helper = new RealHelper(group, { environment: { LD_PRELOAD: '', HOME: '/root' } });
      running.push(helper);
      const hello = await helper.answer({ verb: wire.BIOSCOPE_HELPER_HELLO });
      expect(hello).toMatchObject({ name: group, owner: 0 });
      const text = readFileSync(`/proc/${helper.pid}/status`, 'utf8');
      const field = (name: string) => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(text)?.[1];
      for (const set of ['CapPrm', 'CapEff', 'CapBnd']) {
        expect(BigInt(`0x${field(set) ?? ''}`)).toBe(kept);
      }
      expect(field('CapInh')).toBe('0'.repeat(16));
      expect([field('NoNewPrivs'), field('Seccomp')]).toEqual(['1', '2']);
      expect(readlinkSync(`/proc/${helper.pid}/cwd`)).toBe('/');
      const files = readdirSync(`/proc/${helper.pid}/fd`).map((fd) =>
        readlinkSync(`/proc/${helper.pid}/fd/${fd}`),
      );
      expect(files.filter((file) => file === '/dev/null')).toHaveLength(3);
      // The daemon's socket, and the log's where there is a log.
      const others = files.filter((file) => file !== '/dev/null');
      expect(others.every((file) => file.startsWith('socket:'))).toBe(true);
      expect(others.length).toBeLessThanOrEqual(2);
    }
  });

  test('hands over a FUSE connection and keeps none of it', async () => {
    const helper = start('fuse-loop');
    const reply = await helper.answer({ verb: wire.BIOSCOPE_HELPER_FUSE_MOUNT });
    expect(reply).toMatchObject({ errno: 0, handle: 1 });
    expect(reply?.descriptors).toHaveLength(1);
    expect(fstatSync(reply?.descriptors[0] ?? -1).isCharacterDevice()).toBe(true);
    const open = () =>
      readdirSync(`/proc/${helper.pid}/fd`).map((fd) =>
        readlinkSync(`/proc/${helper.pid}/fd/${fd}`),
      );
    expect(open()).not.toContain('/dev/fuse');
    // The mount is nobody's: no path leads to it.
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain('fuse.bioscope');
  });

  test('tells of a loop device that is not set up, and of none', async () => {
    const helper = start('fuse-loop');
    const look = (name: string) => helper.answer({ verb: wire.BIOSCOPE_HELPER_LOOP_STATUS, name });
    expect(await look('/dev/loop9999999')).toMatchObject({ errno: ENOENT, step: 'open' });
    const free = readdirSync('/sys/block')
      .filter((name) => /^loop\d+$/.test(name))
      .findLast((name) => !readdirSync(`/sys/block/${name}`).includes('loop'));
    expect(await look(`/dev/${free ?? 'none'}`)).toMatchObject({ errno: ENXIO });
  });

  test('answers many requests at a time, and ends with all of them under way', async () => {
    const helper = start('fuse-loop');
    for (let i = 0; i < 16; i++) {
      helper.send({ verb: wire.BIOSCOPE_HELPER_LOOP_STATUS, name: '/dev/loop9999999' });
    }
    await until('all are answered', () => helper.replies.length === 16);
    expect(new Set(helper.replies.map(({ id }) => id)).size).toBe(16);
    for (let i = 0; i < 16; i++) {
      helper.send({ verb: wire.BIOSCOPE_HELPER_LOOP_STATUS, name: '/dev/loop9999999' });
    }
    expect(await helper.end()).toMatchObject({ status: 0 });
  });
});

test('a socket can be closed twice, and sending on it is an error with a name', () => {
  const socket = addon.openHelperSocket(() => undefined);
  socket.close();
  socket.close();
  socket.closePeer();
  expect(() => socket.send(new Uint8Array(8))).toThrow(/EPIPE/);
});
