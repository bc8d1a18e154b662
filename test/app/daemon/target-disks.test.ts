import { existsSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BioscopeError } from '../../../app/contract/errors';
import { errnoError } from './fake-addon';
import {
  addon,
  directory,
  disks,
  eachWithNewWorld,
  failure,
  image,
  setObstacle,
  tagOfDisk,
  targets,
} from './target-world';

eachWithNewWorld();

describe('choosing a route', () => {
  test('dm-user is taken where it works: module, target, channels, threads', async () => {
    const disk = await disks.attach(image, false);
    expect(targets.calls).toEqual(['loadModule', 'create', 'openChannels']);
    expect(addon.calls).toEqual(['openDisk', 'startDmUser']);
    expect(disk).toMatchObject({ route: 'dm-user', state: 'attached', size: 8192n, notes: [] });
    expect(disk.device).toMatch(/^\/dev\/mapper\/bioscope-\d+-d1-[0-9a-f]{4}$/);
    expect(disk.routeReason).toBeUndefined();
    const target = targets.get(tagOfDisk(disk));
    expect(target.options).toMatchObject({ sectors: 16n, discards: true, writeZeroes: true });
    expect(target.channels).toBe(2);
    expect([...addon.open][0]).toMatchObject({ channels: targets.opened });
    expect([...addon.open][0]?.options).toMatchObject({ route: 'dm-user', threads: 4 });
  });

  test('a read-only target asks for neither discards nor zeroes', async () => {
    const disk = await disks.attach(image, true);
    const { options } = targets.get(tagOfDisk(disk));
    expect(options).toMatchObject({ readOnly: true, discards: false, writeZeroes: false });
  });

  test('without the module fuse-loop is taken, and says why', async () => {
    const why = 'The dm-user module is not installed for this kernel.';
    setObstacle(why);
    const disk = await disks.attach(image, false);
    expect(disk).toMatchObject({ route: 'fuse-loop', routeReason: why, notes: [] });
    expect(targets.calls).toEqual([]);
  });

  test('a target that cannot be made leaves nothing, and fuse-loop is taken with a note', async () => {
    targets.failures.set('openChannels', errnoError('ENODEV', 'open'));
    const disk = await disks.attach(image, false);
    expect(disk.route).toBe('fuse-loop');
    expect(disk.notes[0]).toMatch(/^The dm-user route was tried first and failed: .*ENODEV/);
    expect(targets.targets.size).toBe(0);
    expect([...addon.open]).toHaveLength(1);
  });

  test('a target that was made although its maker died of it leaves nothing either', async () => {
    const create = targets.create.bind(targets);
    targets.create = async (options) => {
      await create(options);
      throw new BioscopeError('PRIVILEGE_MISSING', 'The privileged helper ended.');
    };
    const disk = await disks.attach(image, false);
    expect(disk.route).toBe('fuse-loop');
    expect(targets.calls.slice(-3)).toEqual(['status', 'abort', 'remove later']);
    expect(targets.targets.size).toBe(0);
  });

  test('a target of another disk with the same tag is left alone', async () => {
    const create = targets.create.bind(targets);
    targets.create = async (options) => {
      await create(options);
      return create(options);
    };
    const disk = await disks.attach(image, false);
    expect(disk.notes[0]).toMatch(/^The dm-user route was tried first and failed: .*EEXIST/);
    expect(targets.targets.size).toBe(1);
  });

  test('what was asked for is taken or refused', async () => {
    expect(await disks.attach(image, false, 'fuse-loop')).toMatchObject({ route: 'fuse-loop' });
    setObstacle('This kernel has no device mapper.');
    const other = join(directory, 'other.img');
    writeFileSync(other, Buffer.alloc(4096));
    const refused = await failure(disks.attach(other, false, 'dm-user'));
    expect(refused.value.code).toBe('ROUTE_UNAVAILABLE');
    expect(refused.message).toMatch(/This kernel has no device mapper\. "bioscope doctor"/);
    expect(disks.list()).toHaveLength(1);
  });

  test('another dm-user module takes no options: it is asked again without', async () => {
    targets.failures.set('create', errnoError('EINVAL', 'DM_TABLE_LOAD'));
    const disk = await disks.attach(image, false);
    expect(targets.get(tagOfDisk(disk)).options).toMatchObject({ discards: false });
    expect(disk.notes[0]).toMatch(/not Bioscope’s: discards and “write zeroes” do not reach/);
  });
});

describe('detaching', () => {
  test('removes the target and closes the image', async () => {
    const disk = await disks.attach(image, false);
    [...addon.open][0]?.end(null);
    await disks.detach(disk.id);
    expect(targets.calls.at(-1)).toBe('remove');
    expect(targets.targets.size).toBe(0);
    expect(addon.remains).toEqual([]);
    expect(disks.list()).toEqual([]);
  });

  test('a busy one is refused and stays; deferred it goes with its last user', async () => {
    const disk = await disks.attach(image, false);
    const target = targets.get(tagOfDisk(disk));
    target.openCount = 1;
    const refused = await failure(disks.detach(disk.id));
    expect(refused.value).toMatchObject({ code: 'DISK_BUSY', errno: 'EBUSY' });
    expect(refused.message).toMatch(/or let it go with its last user \(detach --deferred\)/);
    expect(disks.list()[0]?.state).toBe('attached');

    await disks.detach(disk.id, true);
    expect(target.isLeaving).toBe(true);
    expect(disks.list()[0]?.notes.at(-1)).toBe('It goes with its last user: unmount or close it.');
    [...addon.open][0]?.end(null);
    await expect.poll(() => disks.list()).toEqual([]);
    expect(addon.remains).toEqual([]);
    expect(existsSync(disk.tracePath)).toBe(false);
  });

  test('deferred is for targets alone', async () => {
    const disk = await disks.attach(image, false, 'fuse-loop');
    const refused = await failure(disks.detach(disk.id, true));
    expect(refused.value.code).toBe('ROUTE_UNAVAILABLE');
    expect(refused.message).toMatch(/is on the route fuse-loop; only the dm-user route/);
  });
});

describe('resizing', () => {
  test('a larger image makes a larger device, with nobody failed', async () => {
    const disk = await disks.attach(image, false);
    targets.calls.length = 0;
    truncateSync(image, 1 << 20);
    expect((await disks.targets.resize(disk.id)).size).toBe(1n << 20n);
    expect(targets.calls).toEqual(['reload', 'suspend', 'resume']);
    expect(targets.get(tagOfDisk(disk)).options.sectors).toBe(2048n);
    expect(disks.list()[0]?.notes.at(-1)).toMatch(/^Its size changed from 8192 to 1048576 bytes/);
  });

  test('a target is let go on when it could not be suspended', async () => {
    const disk = await disks.attach(image, false);
    truncateSync(image, 1 << 20);
    targets.calls.length = 0;
    targets.failures.set('suspend', errnoError('EINTR', 'DM_DEV_SUSPEND'));
    const refused = await failure(disks.targets.resize(disk.id));
    expect(refused.message).toMatch(/could not be changed \(EINTR/);
    expect(targets.calls).toEqual(['reload', 'suspend', 'resume']);
  });

  test('one that failed can be tried again', async () => {
    const disk = await disks.attach(image, false);
    truncateSync(image, 1 << 20);
    targets.failures.set('reload', errnoError('ENOMEM', 'DM_TABLE_LOAD'));
    await failure(disks.targets.resize(disk.id));
    expect((await disks.targets.resize(disk.id)).size).toBe(1n << 20n);
    expect(targets.get(tagOfDisk(disk)).options.sectors).toBe(2048n);
    expect(disks.list()[0]?.notes.at(-1)).toMatch(/^Its size changed from 8192 to 1048576 bytes/);
  });

  test('another dm-user module is asked again without options', async () => {
    const disk = await disks.attach(image, false);
    truncateSync(image, 1 << 20);
    targets.failures.set('reload', errnoError('EINVAL', 'DM_TABLE_LOAD'));
    await disks.targets.resize(disk.id);
    const { options } = targets.get(tagOfDisk(disk));
    expect(options).toMatchObject({ sectors: 2048n, discards: false, writeZeroes: false });
  });

  test('the same size changes nothing', async () => {
    const disk = await disks.attach(image, false);
    targets.calls.length = 0;
    await disks.targets.resize(disk.id);
    expect(targets.calls).toEqual([]);
  });
});

describe('a disk whose threads ended', () => {
  test('for a reason of their own fails nothing that waits, and is gone on with', async () => {
    const disk = await disks.attach(image, false);
    const target = targets.get(tagOfDisk(disk));
    [...addon.open][0]?.end('std::bad_alloc');
    await expect.poll(() => addon.calls.at(-1)).toBe('close');
    const [hanging] = disks.list();
    expect(hanging).toMatchObject({ state: 'failed', hanging: true, device: disk.device });
    expect(hanging?.failure?.message).toMatch(
      /ended: std::bad_alloc\. Attach it again to go on\. Until then every request to .* waits/,
    );
    expect(await disks.attach(image, false)).toMatchObject({ id: disk.id, state: 'attached' });
    expect([...targets.targets.values()]).toEqual([target]);
    expect(target).toMatchObject({ aborts: 0, isLeaving: false });
    expect(addon.open.size).toBe(1);
  });

  test('because the target was removed has nothing to go on with', async () => {
    const disk = await disks.attach(image, false);
    targets.targets.delete(tagOfDisk(disk));
    [...addon.open][0]?.end(null);
    await expect.poll(() => addon.calls.at(-1)).toBe('close');
    expect(disks.list()[0]).toMatchObject({ state: 'failed', hanging: false, device: null });
    expect(disks.list()[0]?.failure?.message).toMatch(/was taken away by another program/);
  });
});
