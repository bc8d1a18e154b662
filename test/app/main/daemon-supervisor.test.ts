/** The supervisor with a daemon that is made up: one that says it serves a disk, and can be killed. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DAEMON_PROTOCOL } from '../../../app/contract/daemon-api';
import type { RouteName } from '../../../app/contract/disk';
import { diskId } from '../../../app/contract/units';
import { DaemonSupervisor } from '../../../app/main/daemon-supervisor';

// Each starts several processes, on a machine that may have other work.
vi.setConfig({ testTimeout: 120_000 });

const ownName = `bioscope-${process.getuid?.() ?? 0}-d1-1a2b`;
const ownDevice = `/dev/mapper/${ownName}`;

let directory: string;
const pids = new Set<number>();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bioscope-test-'));
  process.env['BIOSCOPE_RUNTIME_DIRECTORY'] = directory;
});
afterEach(() => {
  delete process.env['BIOSCOPE_RUNTIME_DIRECTORY'];
  for (const pid of pids) kill(pid);
  pids.clear();
  rmSync(directory, { recursive: true, force: true });
});

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

/** The program of a daemon with one disk on `route`. */
function daemonScript(route: RouteName, device = ownDevice): string {
  const disk = {
    ...{ id: 'd1', number: 1, name: 'disk.img', imagePath: '/images/disk.img' },
    ...{ imageKind: 'file', size: '4096', tail: '0', readOnly: false, route, state: 'attached' },
    ...{ failure: null, device, partitions: [], holders: [] },
    ...{ fuseFile: null, tracePath: '/x', attachedAt: 1, notes: [] },
  };
  const info = { protocol: DAEMON_PROTOCOL, version: '1', uid: 0, kernel: '6', cpu: 0, routes: [] };
  const script = join(directory, 'daemon.cjs');
  const text = `
    const { createServer } = require('node:net');
    const { existsSync, rmSync } = require('node:fs');
    const directory = ${JSON.stringify(directory)};
    if (existsSync(directory + '/broken')) { console.error('it is broken'); process.exit(1); }
    rmSync(directory + '/daemon.sock', { force: true });
    const info = { ...${JSON.stringify(info)}, pid: process.pid, runtimeDirectory: directory };
    const answers = {
      hello: info,
      watch: { disks: [${JSON.stringify(disk)}] },
      'recordings.list': { recordings: [] },
    };
    createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (data) => {
        for (const line of data.toString().split('\\n').filter(Boolean)) {
          const { id, method } = JSON.parse(line);
          socket.write(JSON.stringify({ id, result: answers[method] }) + '\\n');
        }
      });
    }).listen(directory + '/daemon.sock');
  `;
  writeFileSync(script, text);
  return script;
}

/** What was aborted without a daemon: tags. */
const aborted: string[] = [];
let abortError: Error | null = null;

function supervise(route: RouteName, device?: string) {
  const supervisor = new DaemonSupervisor({
    daemonScript: daemonScript(route, device),
    program: process.execPath,
    abortTarget: (tag) => {
      aborted.push(tag);
      return abortError ? Promise.reject(abortError) : Promise.resolve();
    },
  });
  const phases: string[] = [];
  supervisor.on('state', ({ daemon, disks }) => {
    if (daemon.phase === 'running') pids.add(daemon.info.pid);
    phases.push(`${daemon.phase} ${disks.map(({ state }) => state).join()}`);
  });
  return { supervisor, phases };
}

test('a daemon that dies with a dm-user disk is followed by another, and no disk is shown as failed', async () => {
  const { supervisor, phases } = supervise('dm-user');
  const first = await supervisor.start();
  kill(first.pid);
  await expect.poll(() => pids.size, { timeout: 60_000 }).toBe(2);
  expect(supervisor.state.daemon).toMatchObject({ phase: 'running' });
  expect(phases.filter((phase) => /lost|failed/.test(phase))).toEqual([]);
  expect(supervisor.servedDisks).toHaveLength(1);
});

test('where none can be started, it says what hangs and how to give it up', async () => {
  const { supervisor } = supervise('dm-user');
  const first = await supervisor.start();
  writeFileSync(join(directory, 'broken'), '');
  kill(first.pid);
  await expect.poll(() => supervisor.state.daemon.phase, { timeout: 60_000 }).toBe('lost');
  const [disk] = supervisor.state.disks;
  expect(disk).toMatchObject({ state: 'failed', hanging: true });
  const message = disk?.failure?.message ?? '';
  expect(message).toContain(`Requests to ${ownDevice} wait in the kernel`);
  expect(message).toMatch(new RegExp(`sudo dmsetup message ${ownName} 0 abort$`));

  // And does it, without a daemon.
  expect(await supervisor.abort(diskId('d1'))).toEqual({});
  expect(aborted.splice(0)).toEqual(['d1-1a2b']);
  abortError = new Error('EIO: dmsetup message');
  const refused = supervisor.abort(diskId('d1'));
  await expect(refused).rejects.toMatchObject({ value: { code: 'DISK_FAILED' } });
  await expect(refused).rejects.toThrow('could not be failed (EIO: dmsetup message)');
  abortError = null;
  // Nor does a start that is under way, and fails, stand in its way.
  const started = supervisor.start();
  const gone = expect(started).rejects.toThrow();
  expect(await supervisor.abort(diskId('d1'))).toEqual({});
  await gone;
  expect(aborted.splice(0)).toEqual(['d1-1a2b', 'd1-1a2b']);
  await expect(supervisor.abort(diskId('d2'))).rejects.toMatchObject({
    value: { code: 'DAEMON_UNREACHABLE' },
  });
  expect(aborted).toEqual([]);
});

test('a target made by hand is not aborted, but its command is told', async () => {
  const { supervisor } = supervise('dm-user', '/dev/mapper/lab');
  const first = await supervisor.start();
  writeFileSync(join(directory, 'broken'), '');
  kill(first.pid);
  await expect.poll(() => supervisor.state.daemon.phase, { timeout: 60_000 }).toBe('lost');
  const [disk] = supervisor.state.disks;
  expect(disk).toMatchObject({ state: 'failed', hanging: false });
  expect(disk?.failure?.message).toMatch(/wait or fail, .*: sudo dmsetup message lab 0 abort$/);
  await expect(supervisor.abort(diskId('d1'))).rejects.toMatchObject({
    value: { code: 'DAEMON_UNREACHABLE' },
  });
  expect(aborted).toEqual([]);
});

test('a daemon that dies again and again is given up', async () => {
  const { supervisor } = supervise('dm-user');
  await supervisor.start();
  const look = setInterval(() => {
    for (const pid of pids) kill(pid);
  }, 10);
  try {
    await expect.poll(() => supervisor.state.daemon.phase, { timeout: 100_000 }).toBe('lost');
  } finally {
    clearInterval(look);
  }
  expect(pids.size).toBeLessThanOrEqual(5);
  expect(supervisor.state.disks[0]).toMatchObject({ state: 'failed' });
});

test('one that dies with a fuse-loop disk is not: its disk has failed', async () => {
  const { supervisor } = supervise('fuse-loop');
  const first = await supervisor.start();
  kill(first.pid);
  await expect.poll(() => supervisor.state.daemon.phase, { timeout: 60_000 }).toBe('lost');
  expect(pids.size).toBe(1);
  expect(supervisor.state.disks[0]).toMatchObject({ state: 'failed', hanging: false });
  expect(supervisor.state.disks[0]?.failure?.message).toMatch(/fail until the daemon is started/);
});
