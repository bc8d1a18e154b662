import { openSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Disk } from '../../../app/contract/disk';
import { readState } from '../../../app/daemon/disks/state-file';
import type { SavedDisk } from '../../../app/daemon/disks/resuming-targets';
import { findLeftovers } from '../../../app/daemon/leftovers/clear-leftovers';
import { errnoError } from './fake-addon';
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
  targets,
} from './target-world';

eachWithNewWorld();

/** What the next daemon finds of it in the state file. */
function savedOf({ id }: Disk): SavedDisk {
  const saved = readState(paths.state, () => undefined)?.disks.find(({ disk }) => disk.id === id);
  if (!saved?.target) throw new Error(`${id} is not in the state`);
  return { ...saved, target: saved.target };
}

/** A daemon that takes the disks of the state file, with what it has `opened`. */
async function nextServes(
  next: ReturnType<typeof table>,
  opened: Parameters<typeof next.targets.resuming.takeOver>[0],
): Promise<void> {
  const leftovers = findLeftovers({ paths, log: () => undefined });
  next.adopt(leftovers.entries, leftovers.nextNumber);
  await next.targets.resuming.resumeAll({ pid: 1, diedAt: null, opened: new Map(opened) });
}

describe('handing over', () => {
  test('ends serving without closing anything, and the next one has its channels already', async () => {
    const disk = await disks.attach(image, false);
    const { target } = savedOf(disk);
    const next = table();
    const { resuming } = next.targets;
    const prepared = new Map([[target.tag, await resuming.prepare(savedOf(disk))]]);
    targets.get(target.tag).suspended = true; // since it was asked about
    await disks.targets.handOver();
    expect(addon.calls.at(-1)).toBe('handOver');
    expect(targets.targets.size).toBe(1);
    await nextServes(next, resuming.takeOver(prepared));
    expect(next.list()[0]).toMatchObject({ state: 'attached', notes: [] });
    expect([...addon.open]).toMatchObject([{ channels: targets.opened.slice(2) }]);
    expect(targets.get(target.tag).suspended).toBe(false);
  });

  test('between two daemons lies the word of the old one alone: all else is before or after', async () => {
    const disk = await disks.attach(image, false);
    const { target } = savedOf(disk);
    const { resuming } = table().targets;
    addon.calls.length = 0;
    const prepared = new Map([[target.tag, await resuming.prepare(savedOf(disk))]]);
    expect(addon.calls).toEqual(['openDisk', 'startDmUser']);
    expect([...addon.open].at(-1)).toMatchObject({ options: { succeeds: true } });
    const asked = targets.calls.length;
    await disks.targets.handOver();
    const taken = resuming.takeOver(prepared);
    expect(addon.calls.slice(2)).toEqual(['handOver', 'takeOver']);
    expect(targets.calls.length).toBe(asked);
    expect(taken.get(target.tag)?.serving).toBeDefined();
  });

  test('is answered once: who asks meanwhile is refused, and the disk is let go of once', async () => {
    await disks.attach(image, false);
    addon.calls.length = 0;
    const first = disks.targets.handOver();
    const second = await failure(disks.targets.handOver());
    expect(second.value.code).toBe('DAEMON_STOPPING');
    await first;
    expect((await failure(disks.targets.handOver())).value.code).toBe('DAEMON_STOPPING');
    expect(addon.calls).toEqual(['handOver']);
  });

  test('what cannot be taken over at once is opened anew', async () => {
    const disk = await disks.attach(image, false);
    const { target } = savedOf(disk);
    const next = table();
    const { resuming } = next.targets;
    const prepared = new Map([[target.tag, await resuming.prepare(savedOf(disk))]]);
    await disks.targets.handOver();
    addon.failures.set('takeOver', errnoError('EAGAIN', 'flock', image));
    await nextServes(next, resuming.takeOver(prepared));
    expect(next.list()[0]).toMatchObject({ state: 'attached' });
    expect([...addon.open]).toMatchObject([{ channels: targets.opened.slice(4) }]);
    expect(addon.calls.slice(-4)).toEqual(['takeOver', 'close', 'openDisk', 'startDmUser']);
  });

  test('an image that cannot be opened beside the old daemon waits for its end', async () => {
    const disk = await disks.attach(image, false);
    const { target } = savedOf(disk);
    const next = table();
    const { resuming } = next.targets;
    addon.failures.set('openDisk', errnoError('EBUSY', 'open', image)); // a block device
    const prepared = new Map([[target.tag, await resuming.prepare(savedOf(disk))]]);
    expect(prepared.get(target.tag)?.engine).toBeNull();
    await disks.targets.handOver();
    await nextServes(next, resuming.takeOver(prepared));
    expect(next.list()[0]).toMatchObject({ state: 'attached' });
    expect([...addon.open]).toMatchObject([{ channels: targets.opened.slice(2) }]);
  });

  test('what was prepared is closed where nothing comes of it', async () => {
    const disk = await disks.attach(image, false);
    const { target } = savedOf(disk);
    const { resuming } = table().targets;
    const prepared = new Map([[target.tag, await resuming.prepare(savedOf(disk))]]);
    await resuming.abandon(prepared);
    expect(addon.calls.at(-1)).toBe('close');
    expect([...addon.open]).toMatchObject([{ channels: targets.opened.slice(0, 2) }]);
  });

  test('asks of the image no more than the size at the hand-over', async () => {
    const disk = await disks.attach(image, false);
    const { target } = savedOf(disk);
    const next = table();
    const { resuming } = next.targets;
    const prepared = new Map([[target.tag, await resuming.prepare(savedOf(disk))]]);
    // Made smaller after it was asked about.
    truncateSync(image, 4096);
    expect((await disks.targets.resize(disk.id)).size).toBe(4096n);
    await disks.targets.handOver();
    await nextServes(next, resuming.takeOver(prepared));
    expect(next.list()[0]).toMatchObject({ state: 'attached', size: 4096n });
  });

  test('what was prepared of a disk that is gone does not keep the image from the next', async () => {
    const disk = await disks.attach(image, false);
    const next = table();
    const { resuming } = next.targets;
    const prepared = new Map([['d0-gone', await resuming.prepare(savedOf(disk))]]);
    await disks.targets.handOver();
    addon.calls.length = 0;
    await nextServes(next, resuming.takeOver(prepared));
    expect(addon.calls).toEqual(['takeOver', 'close', 'openDisk', 'startDmUser']);
    expect(next.list()).toMatchObject([{ id: disk.id, state: 'attached' }]);
    expect(addon.open.size).toBe(1);
  });

  test('channels opened before are closed where the image cannot be opened', async () => {
    const disk = await disks.attach(image, false);
    const { target } = savedOf(disk);
    const prepared = await disks.targets.resuming.prepare(savedOf(disk));
    await prepared.engine?.native.close();
    const unread = join(directory, 'channel');
    const channels = [openSync(unread, 'w'), openSync(unread, 'w')];
    expect(openFiles()).toContain(unread);
    await disks.targets.handOver();
    rmSync(image);
    const next = await nextDaemon();
    const opened = new Map([[target.tag, { ...prepared, image: null, engine: null, channels }]]);
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
