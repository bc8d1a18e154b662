import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { prepareRuntimeDirectory, type RuntimePaths } from '../../../app/client/runtime-directory';
import { bytes, diskId } from '../../../app/contract/units';
import { readState, writeState } from '../../../app/daemon/disks/state-file';
import {
  clearDevices,
  clearMounts,
  clearTraces,
  findLeftovers,
} from '../../../app/daemon/leftovers/clear-leftovers';
import { leftoverNote } from '../../../app/daemon/leftovers/leftover-note';
import { rootPrivileges } from '../../../app/privileged/root';
import type { Disk } from '../../../app/contract/disk';
import type { Holder } from '../../../app/contract/errors';
import type { Privileges } from '../../../app/privileged/privileges';
import { FakeAddon, errnoError } from './fake-addon';

vi.mock('../../../app/daemon/system/block-devices', async (original) => ({
  ...(await original<object>()),
  configuredLoops: () => [...addon.loops.keys()].map((device) => ({ device, backingFile: '/x' })),
}));

let directory: string;
let paths: RuntimePaths;
let addon: FakeAddon;
const log: string[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bioscope-test-'));
  paths = prepareRuntimeDirectory({ BIOSCOPE_RUNTIME_DIRECTORY: directory });
  addon = new FakeAddon();
  log.length = 0;
  told.length = 0;
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** What is told of the disks whose loop devices were looked for. */
const told: [string, string | null, readonly Holder[]][] = [];

/** All steps, with the powers of root or such as `privileges` has instead. */
async function clear(privileges: Partial<Privileges> = {}) {
  const options = {
    paths,
    privileges: { ...rootPrivileges(addon), ...privileges },
    log: (line: string) => log.push(line),
  };
  const leftovers = findLeftovers(options);
  clearTraces(leftovers, options);
  await clearMounts(options);
  await clearDevices(leftovers, options, (...one) => told.push(one));
  return leftovers;
}

function lostDisk(id: string): Disk {
  return {
    id: diskId(id),
    number: Number(id.slice(1)),
    name: 'disk.img',
    imagePath: '/images/disk.img',
    imageKind: 'file',
    size: bytes(2n ** 53n + 1n),
    tail: bytes(0),
    readOnly: false,
    route: 'fuse-loop',
    state: 'attached',
    failure: null,
    device: '/dev/loop900',
    partitions: ['/dev/loop900p1'],
    holders: [],
    fuseFile: null,
    tracePath: join(paths.traces, `${id}.trace`),
    attachedAt: 1,
    notes: ['an old note'],
  };
}

function remember(...disks: Disk[]): void {
  writeState(paths.state, {
    version: 1,
    pid: 4321,
    nextNumber: 8,
    disks: disks.map((disk) => ({ disk, label: `bioscope:${disk.id}:x`, mountDirectory: '/x' })),
  });
}

test('a first start finds nothing', async () => {
  expect(await clear()).toEqual({ entries: [], nextNumber: 1, pid: 0, lost: [] });
});

test('the state survives being written and read, 64-bit numbers whole', () => {
  remember(lostDisk('d7'));
  expect(readState(paths.state, () => undefined)?.disks[0]?.disk).toEqual(lostDisk('d7'));
  expect(readdirSync(directory)).not.toContain('disks.json.new');
});

test('lost disks come back as failed, their trace is kept, all else is cleared', async () => {
  remember(lostDisk('d7'));
  writeFileSync(join(paths.traces, 'd7.trace'), '');
  writeFileSync(join(paths.traces, 'd6.trace'), '');
  mkdirSync(join(paths.mounts, 'd7'));
  addon.mounts.add(join(paths.mounts, 'd7'));
  // Told by its label: the number was taken by another device meanwhile.
  addon.loops.set('/dev/loop900', { label: 'something else', disk: null });

  const { entries, nextNumber } = await clear();
  expect(nextNumber).toBe(8);
  expect(entries).toHaveLength(1);
  expect(entries[0]?.disk).toMatchObject({
    id: 'd7',
    state: 'failed',
    device: null,
    partitions: [],
    notes: [],
  });
  expect(entries[0]?.disk.failure).toMatchObject({
    code: 'DISK_FAILED',
    message:
      'The daemon (process 4321) ended without detaching disk.img (d7). Attach the image again to go on; check its file system first.',
  });
  expect([...addon.loops.keys()]).toEqual(['/dev/loop900']);
  expect(told).toEqual([['d7', null, []]]);
  expect(addon.mounts.size).toBe(0);
  expect(readdirSync(paths.mounts)).toEqual([]);
  expect(readdirSync(paths.traces)).toEqual(['d7.trace']);
});

test('a loop device that stays is told of, with its disk', async () => {
  remember(lostDisk('d7'));
  addon.loops.set('/dev/loop901', { label: 'bioscope:d7:x', disk: null });
  addon.failures.set('detachLoop', errnoError('EBUSY', 'wait'));
  const { entries } = await clear();
  expect(told).toEqual([['d7', '/dev/loop901', []]]);
  expect(entries[0]?.disk).toMatchObject({ state: 'failed', device: null });
  expect(log.join()).toContain('the leftover /dev/loop901 stays for now');
});

test('nobody is asked for a password for the sake of a disk that had no device', async () => {
  const loopStatus = vi.fn(() => Promise.resolve(null));
  addon.loops.set('/dev/loop900', { label: 'bioscope:d7:x', disk: null });
  const asking = { mayAsk: true, loopStatus };
  remember({ ...lostDisk('d7'), device: null, fuseFile: '/run/mounts/d7/disk.img' });
  await clear(asking);
  expect(loopStatus).not.toHaveBeenCalled();
  // Of one that had a device there may be something left.
  remember(lostDisk('d7'));
  await clear(asking);
  expect(loopStatus).toHaveBeenCalledWith('/dev/loop900');
});

test('of a disk that was only being attached, no file system is to be feared for', async () => {
  remember({ ...lostDisk('d7'), state: 'attaching', device: null, size: bytes(0) });
  expect((await clear()).entries[0]?.disk.failure?.message).toBe(
    'The daemon (process 4321) ended while it was attaching disk.img (d7). Attach the image again.',
  );
});

test('the reason of a disk that had failed before is kept', async () => {
  const failure = {
    code: 'DISK_FAILED',
    errno: null,
    message: 'the first reason',
    injected: false,
    holders: [],
  } as const;
  remember({ ...lostDisk('d7'), state: 'failed', failure });
  expect((await clear()).entries[0]?.disk.failure?.message).toBe('the first reason');
});

test('a damaged state is said so and passed over', async () => {
  writeFileSync(paths.state, '{"version":1,');
  writeFileSync(join(paths.traces, 'd6.trace'), '');
  expect(await clear()).toEqual({ entries: [], nextNumber: 1, pid: 0, lost: [] });
  expect(log.join('\n')).toContain(`${paths.state} is damaged`);
  expect(existsSync(join(paths.traces, 'd6.trace'))).toBe(false);
});

test('a leftover in use is explained with its user and the way out', () => {
  const mount = { kind: 'mount', device: '/dev/loop3p1', name: '/mnt', pid: null } as const;
  expect(leftoverNote('/dev/loop3', [mount])).toBe(
    '/dev/loop3p1 is mounted at /mnt: I/O there fails now. Unmount or close that, and /dev/loop3 goes by itself.',
  );
  expect(leftoverNote('/dev/loop3', [])).toContain('something that cannot be named');
});
