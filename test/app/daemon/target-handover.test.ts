import { openSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findLeftovers } from '../../../app/daemon/leftovers/clear-leftovers';
import {
  addon,
  directory,
  disks,
  eachWithNewWorld,
  failure,
  image,
  nextDaemon,
  openFiles,
  paths,
  table,
  tagOfDisk,
  targets,
} from './target-world';

eachWithNewWorld();

describe('handing over', () => {
  test('ends serving without closing anything, and the next one has its channels already', async () => {
    const disk = await disks.attach(image, false);
    const saved = { tag: tagOfDisk(disk), foreign: false };
    const next = table();
    const opened = new Map([
      [saved.tag, await next.targets.resuming.prepare({ disk, target: saved })],
    ]);
    targets.get(saved.tag).suspended = true; // since it was asked about
    await disks.targets.handOver();
    expect(addon.calls.at(-1)).toBe('handOver');
    expect(targets.targets.size).toBe(1);
    const leftovers = findLeftovers({ paths, log: () => undefined });
    next.adopt(leftovers.entries, leftovers.nextNumber);
    await next.targets.resuming.resumeAll({ pid: 1, diedAt: null, opened });
    expect(next.list()[0]).toMatchObject({ state: 'attached', notes: [] });
    expect([...addon.open][0]).toMatchObject({ channels: targets.opened.slice(2) });
    expect(targets.get(saved.tag).suspended).toBe(false);
  });

  test('asks of the image no more than the size at the hand-over', async () => {
    const disk = await disks.attach(image, false);
    const saved = { tag: tagOfDisk(disk), foreign: false };
    const next = table();
    const opened = new Map([
      [saved.tag, await next.targets.resuming.prepare({ disk, target: saved })],
    ]);
    // Made smaller after it was asked about.
    truncateSync(image, 4096);
    expect((await disks.targets.resize(disk.id)).size).toBe(4096n);
    await disks.targets.handOver();
    const leftovers = findLeftovers({ paths, log: () => undefined });
    next.adopt(leftovers.entries, leftovers.nextNumber);
    await next.targets.resuming.resumeAll({ pid: 1, diedAt: null, opened });
    expect(next.list()[0]).toMatchObject({ state: 'attached', size: 4096n });
  });

  test('channels opened before are closed where the image cannot be opened', async () => {
    const disk = await disks.attach(image, false);
    const saved = { tag: tagOfDisk(disk), foreign: false };
    const prepared = await disks.targets.resuming.prepare({ disk, target: saved });
    const unread = join(directory, 'channel');
    const channels = [openSync(unread, 'w'), openSync(unread, 'w')];
    expect(openFiles()).toContain(unread);
    await disks.targets.handOver();
    rmSync(image);
    const next = await nextDaemon();
    const opened = new Map([[saved.tag, { ...prepared, image: null, channels }]]);
    await next.targets.resuming.resumeAll({ pid: 1, diedAt: null, opened });
    expect(next.list()[0]).toMatchObject({ state: 'failed', hanging: true });
    expect(openFiles()).not.toContain(unread);
  });

  test('leaves nothing to this daemon: what is asked for meanwhile is refused', async () => {
    const disk = await disks.attach(image, false);
    const state = readFileSync(paths.state, 'utf8');
    const handedOver = disks.targets.handOver();
    const requests = [
      disks.detach(disk.id),
      disks.detach(disk.id, true),
      disks.targets.resize(disk.id),
      disks.attach(image, false),
    ];
    const codes = (await Promise.all(requests.map(failure))).map(({ value }) => value.code);
    expect(new Set(codes)).toEqual(new Set(['DAEMON_STOPPING']));
    const [told] = await disks.detachAll({ allOrNone: false }); // SIGTERM
    expect(told?.code).toBe('DAEMON_STOPPING');
    await handedOver;
    expect(readFileSync(paths.state, 'utf8')).toBe(state);
    expect(targets.targets.size).toBe(1);
  });

  test('waits for a change of size, and its size is in the state', async () => {
    const disk = await disks.attach(image, false);
    let goOn: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => (goOn = resolve));
    const suspend = targets.suspend.bind(targets);
    targets.suspend = async (options) => {
      await waiting;
      return suspend(options);
    };
    truncateSync(image, 1 << 20);
    const resized = disks.targets.resize(disk.id);
    let isOver = false;
    const handedOver = disks.targets.handOver().then(() => (isOver = true));
    await expect.poll(() => targets.calls.at(-1)).toBe('reload');
    expect([isOver, addon.calls.includes('handOver')]).toEqual([false, false]);
    goOn();
    expect((await resized).size).toBe(1n << 20n);
    await handedOver;
    expect(targets.calls.slice(-2)).toEqual(['suspend', 'resume']);
    expect(JSON.parse(readFileSync(paths.state, 'utf8'))).toMatchObject({
      disks: [{ disk: { size: '1048576' } }],
    });
  });

  test('is refused while a disk is on another route', async () => {
    await disks.attach(image, false, 'fuse-loop');
    const refused = await failure(disks.targets.handOver());
    expect(refused.value.code).toBe('DISK_BUSY');
    expect(refused.message).toMatch(/disk\.img \(d1\) \(fuse-loop, attached\) cannot change hands/);
    expect([...addon.open]).toHaveLength(1);
  });
});
