/** The new daemon's side of a planned change, with an old one that does what the test says. */
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LineReader } from '../../../app/client/line-reader';
import { DAEMON_PROTOCOL } from '../../../app/contract/daemon-api';
import { BioscopeError } from '../../../app/contract/errors';
import type { DiskTable } from '../../../app/daemon/disks/disk-table';
import { succeed } from '../../../app/daemon/succeed';
import { takeOver } from '../../../app/daemon/take-over';
import { rootPrivileges } from '../../../app/privileged/root';
import {
  addon,
  disks,
  eachWithNewWorld,
  failure,
  image,
  paths,
  table,
  targets,
} from './target-world';

eachWithNewWorld();

const OLD_PID = 4321;
const log = () => undefined;
let server: Server;
let next: DiskTable;
/** What the old daemon does when it is asked to hand over. */
let handOver: (answer: (line: object) => void, socket: Socket) => Promise<void>;

beforeEach(async () => {
  next = table();
  server = createServer((socket) => {
    const lines = new LineReader(4096);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      for (const line of lines.push(chunk)) {
        const { id, method } = JSON.parse(line) as { id: number; method: string };
        const answer = (more: object) => void socket.write(`${JSON.stringify({ id, ...more })}\n`);
        if (method === 'hello') answer({ result: hello });
        else void handOver(answer, socket);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(paths.socket, resolve));
  await disks.attach(image, false);
  addon.calls.length = 0;
  addon.isLockHeld = true;
});
afterEach(() => server.close());

const hello = {
  protocol: DAEMON_PROTOCOL,
  version: '9.9.9',
  pid: OLD_PID,
  uid: 0,
  kernel: '6.0',
  runtimeDirectory: '/run/x',
  cpu: 0,
  routes: [],
};

const dies = async (_: unknown, socket: Socket) => {
  await disks.targets.handOver();
  addon.isLockHeld = false;
  socket.destroy();
};
/** What was called of the addon, but for locks that were not to be had. */
const calls = () =>
  addon.calls.filter((call, at, all) => call !== 'lockFile' || all[at + 1] !== call);

test('between the old one’s end and the first read lies the daemon’s lock alone', async () => {
  handOver = async (answer) => {
    await disks.targets.handOver();
    addon.isLockHeld = false;
    // Its word comes late.
    await expect.poll(() => addon.calls).toContain('takeOver');
    answer({ result: {} });
  };
  const succession = await succeed(next, addon, paths, log);
  expect(calls().slice(-3)).toEqual(['handOver', 'lockFile', 'takeOver']);
  expect(succession).toMatchObject({ before: { pid: OLD_PID, diedAt: null }, lock: 1 });
});

test('a refusal leaves all to the old one', async () => {
  const refusal = new BioscopeError('DISK_BUSY', 'It cannot change hands.').value;
  handOver = async (answer) => {
    await Promise.resolve();
    answer({ error: refusal });
  };
  expect((await failure(succeed(next, addon, paths, log))).value).toMatchObject(refusal);
  expect(addon.calls.filter((call) => call !== 'lockFile')).toEqual([
    'openDisk',
    'startDmUser',
    'close',
  ]);
});

test('one that dies handing over is taken over from: its gap is told', async () => {
  handOver = dies;
  addon.locks.push(null, null); // it has it a little longer
  const succession = await succeed(next, addon, paths, log);
  if (!succession) throw new Error('nothing was taken over');
  expect(addon.calls.slice(-4)).toEqual(['lockFile', 'lockFile', 'lockFile', 'takeOver']);
  const privileges = { ...rootPrivileges(addon), targets };
  await (
    await takeOver(next, succession.before, { paths, privileges, log })
  ).resumed;
  const [disk] = next.list();
  expect(disk).toMatchObject({ state: 'attached', gaps: [{}] });
  expect(disk?.notes.join()).toContain(`(process ${OLD_PID}) ended unexpectedly`);
  expect(addon.open.size).toBe(1);
});

test('one that dies handing over may have changed a target since it was asked about', async () => {
  handOver = dies;
  const succession = await succeed(next, addon, paths, log);
  if (!succession) throw new Error('nothing was taken over');
  const [target] = targets.targets.values();
  if (!target) throw new Error('no target');
  target.options = { ...target.options, sectors: 32n };
  const privileges = { ...rootPrivileges(addon), targets };
  await (
    await takeOver(next, succession.before, { paths, privileges, log })
  ).resumed;
  expect(next.list()[0]).toMatchObject({ state: 'failed', hanging: true });
  expect(next.list()[0]?.failure?.message).toMatch(/has 8192 bytes, the device 16384/);
});

test('one whose connection breaks while it lives keeps its disks', async () => {
  handOver = (_, socket) => Promise.resolve(void socket.destroy());
  expect((await failure(succeed(next, addon, paths, log))).value.code).toBe('DAEMON_UNREACHABLE');
  expect(addon.calls).not.toContain('takeOver');
  expect(addon.calls.at(-1)).toBe('close');
});

test('a third daemon that was quicker with the lock goes on with the disks', async () => {
  handOver = async (answer) => {
    await disks.targets.handOver();
    answer({ result: {} });
  };
  const succession = await succeed(next, addon, paths, log);
  expect(succession?.lock).toBeNull();
  expect(addon.calls.slice(-2)).toEqual(['lockFile', 'close']);
  expect(addon.open.size).toBe(0);
});
