/**
 * What an administrator reads in the log: one line for each verb that changes something or
 * fails, with who asked, the verb, its name and the result. syslog's socket is the test's own.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import * as wire from '../../app/contract/wire.gen';
import type { HelperRequest } from '../../app/privileged/helper-frames';
import { until } from '../support/commands';
import { projectDirectory } from '../support/project';
import { FakePrograms } from './fake-programs';
import { openImage, RealHelper } from './real-helper';

/** Prints each message that comes, a line each, until it is ended. */
const reader = `
import socket, sys
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind(sys.argv[1])
while True:
    print(log.recv(65536).decode(), flush=True)
`;

let programs: FakePrograms;
let directory: string;
let lines: string[];
let syslog: ReturnType<typeof spawn>;

beforeAll(() => {
  programs = new FakePrograms();
});
afterAll(() => {
  programs.end();
});
beforeEach(async () => {
  programs.forget();
  directory = mkdtempSync(join(tmpdir(), 'bioscope-log-'));
  mkdirSync(join(directory, 'dev'));
  lines = [];
  syslog = spawn('/usr/bin/python3', ['-c', reader, join(directory, 'log')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let rest = '';
  syslog.stdout?.on('data', (text: Buffer) => {
    const parts = (rest + text.toString()).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  });
  await until('the log is read', () => existsSync(join(directory, 'log')));
});
afterEach(async () => {
  const ended = once(syslog, 'close');
  syslog.kill();
  await ended;
  rmSync(directory, { recursive: true });
});

/** A helper whose words go to the test's own log. */
function start(group: string): RealHelper {
  const words = ['sh', join(projectDirectory, 'test/helper/own-log.sh'), directory];
  return new RealHelper(group, {
    program: 'unshare',
    before: ['--mount', '--propagation', 'private', '--', ...words, programs.helper],
    environment: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin' },
  });
}

/** Asks for each, and ends; what was then logged, without the time that syslog puts before it. */
async function logged(helper: RealHelper, requests: readonly HelperRequest[]): Promise<string[]> {
  for (const request of requests) await helper.answer(request);
  await helper.end();
  return logOf(helper);
}

async function logOf(helper: RealHelper): Promise<string[]> {
  await until('its end is logged', () => lines.some((line) => line.endsWith(': ended')));
  const head = new RegExp(
    `^<\\d+>.*bioscope-helper\\[${helper.pid}\\]: uid 0, process ${process.pid}: `,
  );
  return lines.map((line) => {
    expect(line).toMatch(head);
    return line.replace(head, '');
  });
}

const on = (verb: number, name: string, more: Partial<HelperRequest> = {}): HelperRequest => ({
  verb,
  name,
  ...more,
});

test('each verb about a target leaves a line, looking at one leaves none', async () => {
  const mine = '254\t3\t0\tL--w\tBIOSCOPE-0-d1\tbioscope-0-d1\n';
  programs.answer('info', mine);
  programs.answer('status', '0 8 user 0 0 0 0 0 0 0 0 0 waiting\n');
  const helper = start('dm-user');
  const said = await logged(helper, [
    on(wire.BIOSCOPE_HELPER_TARGET_CREATE, 'd1', { sectors: 8n }),
    on(wire.BIOSCOPE_HELPER_TARGET_OPEN, 'd1', { count: 1 }),
    on(wire.BIOSCOPE_HELPER_TARGET_SUSPEND, 'd1'),
    on(wire.BIOSCOPE_HELPER_TARGET_RELOAD, 'd1', { sectors: 16n }),
    on(wire.BIOSCOPE_HELPER_TARGET_RESUME, 'd1'),
    on(wire.BIOSCOPE_HELPER_TARGET_ABORT, 'd1'),
    on(wire.BIOSCOPE_HELPER_TARGET_STATUS, 'd1'),
    { verb: wire.BIOSCOPE_HELPER_TARGET_LIST },
    on(wire.BIOSCOPE_HELPER_TARGET_REMOVE, 'd1'),
    on(wire.BIOSCOPE_HELPER_TARGET_STATUS, 'd2'),
    on(wire.BIOSCOPE_HELPER_TARGET_STATUS, '../x'),
    on(wire.BIOSCOPE_HELPER_FOREIGN_LIST, ''),
  ]);
  expect(said).toEqual([
    'started for dm-user',
    'create d1: File exists at create',
    'open d1: No such file or directory at open control device',
    'suspend d1: done',
    'reload d1: done',
    'resume d1: done',
    'abort d1: done',
    'remove d1: done',
    'status d2: No such device or address at find',
    `a request was refused: verb ${wire.BIOSCOPE_HELPER_TARGET_STATUS}, Invalid argument`,
    `a request was refused: verb ${wire.BIOSCOPE_HELPER_FOREIGN_LIST}, Operation not permitted`,
    'ended',
  ]);
});

test('so do loading the module, and targets that are somebody else’s', async () => {
  const load = await logged(start('module'), [{ verb: wire.BIOSCOPE_HELPER_MODULE_LOAD }]);
  expect(load).toEqual(['started for module', 'load the module: done', 'ended']);
  lines.length = 0;
  const adopt = await logged(start('adopt'), [
    { verb: wire.BIOSCOPE_HELPER_FOREIGN_LIST },
    on(wire.BIOSCOPE_HELPER_FOREIGN_OPEN, 'lab', { count: 1 }),
  ]);
  expect(adopt.slice(1)).toEqual([
    'list foreign: done',
    'open foreign lab: No such device or address at find',
    'ended',
  ]);
});

test('and each about a loop device, where a file’s name writes no lines of its own', async () => {
  const fileName = `${basename(directory)}\n<86>forged`;
  const image = join(directory, 'image');
  writeFileSync(image, Buffer.alloc(1 << 20));
  const disk = await openImage(image, directory);
  const helper = start('fuse-loop');
  const mounted = await helper.answer({ verb: wire.BIOSCOPE_HELPER_FUSE_MOUNT });
  const [fuse = -1] = helper.replies.pop()?.descriptors ?? [];
  await disk.startFuse({ fuse, fileName, ownerUid: 0, ownerGid: 0 });
  const handle = mounted?.handle ?? 0;
  const attach = { verb: wire.BIOSCOPE_HELPER_LOOP_ATTACH, handle, label: 'bioscope:log:1' };
  await helper.answer({ ...attach, name: 'a\nb' });
  const attached = await helper.answer({ ...attach, name: fileName });
  const device = attached?.name ?? '';
  expect(device).toMatch(/^\/dev\/loop/);
  const said = await logged(helper, [
    { verb: wire.BIOSCOPE_HELPER_FUSE_UNMOUNT, handle },
    on(wire.BIOSCOPE_HELPER_LOOP_STATUS, device),
    on(wire.BIOSCOPE_HELPER_LOOP_DETACH, device),
    on(wire.BIOSCOPE_HELPER_LOOP_STATUS, '/dev/loop9999999'),
  ]);
  await disk.close();
  expect(said).toEqual([
    'started for fuse-loop',
    'mount: done',
    'attach a?b: No such file or directory at open',
    `attach ${device}: done`,
    'unmount: done',
    `detach ${device}: done`,
    'loop status /dev/loop9999999: No such file or directory at open',
    'ended',
  ]);
});
