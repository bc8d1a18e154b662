/** A daemon begins where another has died: what must not wait for what. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { prepareRuntimeDirectory, type RuntimePaths } from '../../../app/client/runtime-directory';
import { diskId } from '../../../app/contract/units';
import { DiskTable } from '../../../app/daemon/disks/disk-table';
import { takeOver } from '../../../app/daemon/take-over';
import type { Privileges } from '../../../app/privileged/privileges';
import { rootPrivileges } from '../../../app/privileged/root';
import { FakeAddon } from './fake-addon';
import { FakeTargets } from './fake-targets';

vi.mock('../../../app/daemon/system/block-devices', async (original) => ({
  ...(await original<object>()),
  configuredLoops: () => [{ device: '/dev/loop900', backingFile: '/loop.img' }],
}));

const trace = { threads: 4, channels: 2, ringCapacity: 1024, payloadLimit: 4096, trace: true };
const log = () => undefined;
const noImage = { backingDevice: 0n, backingInode: 0n };

let directory: string;
let paths: RuntimePaths;
let targets: FakeTargets;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bioscope-test-'));
  paths = prepareRuntimeDirectory({ BIOSCOPE_RUNTIME_DIRECTORY: join(directory, 'run') });
  targets = new FakeTargets();
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function daemon(more: Partial<Privileges> = {}) {
  const addon = new FakeAddon();
  const privileges = { ...rootPrivileges(addon), targets, ...more };
  const disks = new DiskTable({ addon, privileges, paths, trace, log, obstacle: () => null });
  return { disks, privileges };
}

function image(name: string): string {
  const path = join(directory, name);
  writeFileSync(path, Buffer.alloc(8192));
  return path;
}

/** A daemon with a disk on each route, which then dies. */
async function disksOfBefore(): Promise<void> {
  const { disks } = daemon();
  await disks.attach(image('target.img'), false);
  await disks.attach(image('loop.img'), false, 'fuse-loop');
}

const states = (disks: DiskTable) => disks.list().map(({ name, state }) => `${name} ${state}`);

test('a question for a password that nobody answers holds up neither disks nor clients', async () => {
  await disksOfBefore();
  mkdirSync(join(paths.mounts, 'd9'));
  let answer: (allowed: null) => void = () => undefined;
  const asked = new Promise<null>((resolve) => (answer = resolve));
  const questions: string[] = [];
  const { disks, privileges } = daemon({
    mayAsk: true,
    loopStatus: (device) => {
      questions.push(device);
      return asked;
    },
  });
  const { resumed, cleared } = await takeOver(disks, null, { paths, privileges, log });
  let isCleared = false;
  void cleared.then(() => (isCleared = true));
  await resumed;
  expect(states(disks)).toEqual(['target.img attached', 'loop.img failed']);
  expect(readdirSync(paths.mounts)).toEqual([]);
  await expect.poll(() => questions).toEqual(['/dev/loop900']);
  // Looking at the disks does not ask, and so does not wait, either.
  await disks.refresh();
  expect(questions).toEqual(['/dev/loop900']);
  expect(isCleared).toBe(false);
  answer(null);
  await cleared;
  expect(states(disks)).toEqual(['target.img attached', 'loop.img failed']);
});

test('a loop device that could not be looked for is looked for by the next daemon', async () => {
  await disksOfBefore();
  const refused = daemon({
    mayAsk: true,
    loopStatus: () => Promise.reject(new Error('No password came.')),
  });
  const options = { paths, privileges: refused.privileges, log };
  await (
    await takeOver(refused.disks, null, options)
  ).cleared;
  // Attached again, but what was left of it has not been settled.
  await refused.disks.attach(image('loop.img'), false, 'fuse-loop');
  expect(states(refused.disks)).toEqual([
    'target.img attached',
    'loop.img failed',
    'loop.img attached',
  ]);
  await refused.disks.detach(diskId('d3'));

  const label = refused.disks.find(diskId('d2')).label;
  const detached: string[] = [];
  const { disks, privileges } = daemon({
    mayAsk: true,
    loopStatus: () => Promise.resolve({ ...noImage, label, readOnly: false, directIo: true }),
    detachLoop: ({ device }) => {
      detached.push(device);
      return Promise.resolve();
    },
  });
  await (
    await takeOver(disks, null, { paths, privileges, log })
  ).cleared;
  expect(detached).toEqual(['/dev/loop900']);
  expect(states(disks)).toEqual(['target.img attached', 'loop.img failed']);

  // Settled: a third asks nobody.
  const questions: string[] = [];
  const third = daemon({
    mayAsk: true,
    loopStatus: (device) => {
      questions.push(device);
      return Promise.resolve(null);
    },
  });
  const more = { paths, privileges: third.privileges, log };
  await (
    await takeOver(third.disks, null, more)
  ).cleared;
  expect(questions).toEqual([]);
});

test('a trace that is begun while an old mount is being cleared stays', async () => {
  await disksOfBefore();
  rmSync(join(paths.traces, 'd1.trace')); // so that a fresh one is begun
  const old = join(paths.traces, 'd9.trace');
  writeFileSync(old, '');
  mkdirSync(join(paths.mounts, 'd9'));
  let begin: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => (begin = resolve));
  const { disks, privileges } = daemon({ mayAsk: true, unmountLazily: () => begun });
  let goOn: () => void = () => undefined;
  const listening = new Promise<void>((resolve) => (goOn = resolve));
  const openChannels = targets.openChannels.bind(targets);
  targets.openChannels = async (options) => {
    begin(); // the image and its trace are open
    await listening;
    return openChannels(options);
  };
  const { resumed, cleared } = await takeOver(disks, null, { paths, privileges, log });
  expect(existsSync(old)).toBe(false);
  goOn();
  await Promise.all([resumed, cleared]);
  const [disk] = disks.list();
  expect(disk).toMatchObject({
    state: 'attached',
    tracePath: join(paths.traces, `d1-${process.pid}.trace`),
  });
  expect(existsSync(disk?.tracePath ?? '')).toBe(true);
});

test('disks whose requests wait are gone on with while the rest is being cleared', async () => {
  await disksOfBefore();
  const order: string[] = [];
  const { disks, privileges } = daemon({
    loopStatus: () => {
      order.push('a loop device is looked at');
      return Promise.resolve(null);
    },
  });
  const status = targets.status.bind(targets);
  targets.status = (tag) => {
    order.push('a target is gone on with');
    return status(tag);
  };
  const { resumed, cleared } = await takeOver(disks, null, { paths, privileges, log });
  await Promise.all([resumed, cleared]);
  expect(order).toEqual(['a target is gone on with', 'a loop device is looked at']);
});
