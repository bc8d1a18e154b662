import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  addon,
  died,
  directory,
  disks,
  eachWithNewWorld,
  failure,
  image,
  nextDaemon,
  paths,
  targets,
} from './target-world';

eachWithNewWorld();

describe('a target made by hand', () => {
  test('is served and left behind', async () => {
    targets.makeByHand('lab', 8n);
    const disk = await disks.targets.adopt('lab', image, false);
    expect(disk).toMatchObject({ device: '/dev/mapper/lab', size: 4096n, route: 'dm-user' });
    expect(disk.notes.at(-1)).toMatch(/was made by hand: detaching it stops serving it/);
    await disks.detach(disk.id);
    expect(targets.targets.has('lab')).toBe(true);
    expect(addon.remains).toEqual([]);
  });

  test('is adopted again after its disk failed', async () => {
    targets.makeByHand('lab', 8n);
    await disks.targets.adopt('lab', image, false);
    const twice = await failure(disks.targets.adopt('lab', image, false));
    expect(twice.message).toMatch(/^disk\.img \(d1\) serves lab already/);
    [...addon.open][0]?.end('its last channel ended');
    await expect.poll(() => disks.list()[0]?.state).toBe('failed');
    expect(await disks.targets.adopt('lab', image, false)).toMatchObject({ state: 'attached' });
  });

  test('is served once, although two ask for it with two images at the same time', async () => {
    targets.makeByHand('lab', 8n);
    const other = join(directory, 'other.img');
    writeFileSync(other, Buffer.alloc(8192));
    const asked = [image, other].map((path) => disks.targets.adopt('lab', path, false));
    const outcomes = await Promise.allSettled(asked);
    const refused = outcomes.filter((one) => one.status === 'rejected');
    expect(refused).toHaveLength(1);
    expect(refused[0]?.reason).toMatchObject({ value: { code: 'DISK_BUSY' } });
    expect(disks.list()).toHaveLength(1);
    expect(addon.open.size).toBe(1);
  });

  test('is not Bioscope’s to fail: the command that does it is told', async () => {
    targets.makeByHand('lab', 8n);
    const { id } = await disks.targets.adopt('lab', image, false);
    const refused = await failure(disks.targets.abort(id));
    expect(refused.message).toMatch(/This does it: sudo dmsetup message lab 0 abort$/);
    [...addon.open][0]?.end('its last channel ended');
    await expect.poll(() => disks.list()[0]?.state).toBe('failed');
    expect(disks.list()[0]).toMatchObject({ hanging: false });
    expect(disks.list()[0]?.failure?.message).toContain(
      `until it is served again (bioscope adopt lab ${image}). To fail what waits: sudo dmsetup message lab 0 abort`,
    );
  });

  test('that was made larger meanwhile is not read by the next daemon', async () => {
    targets.makeByHand('lab', 8n);
    await disks.targets.adopt('lab', image, false);
    const next = await nextDaemon();
    const target = targets.get('lab');
    target.options = { ...target.options, sectors: 32n };
    await next.targets.resuming.resumeAll(died);
    expect(next.list()[0]).toMatchObject({ state: 'failed', hanging: false });
    expect(next.list()[0]?.failure?.message).toMatch(/has 8192 bytes, the device 16384/);
    expect(addon.calls).toEqual(['openDisk', 'close']);
  });

  test('must be there, and be large enough for nobody to fall off the image', async () => {
    const missing = await failure(disks.targets.adopt('lab', image, false));
    expect(missing.value.code).toBe('DISK_UNKNOWN');
    targets.makeByHand('lab', 32n);
    const small = await failure(disks.targets.adopt('lab', image, false));
    expect(small.value.code).toBe('IMAGE_TOO_SMALL');
    expect(small.message).toMatch(/has 8192 bytes, the device 16384\. .*truncate -s 16384/);
    expect(disks.list()).toEqual([]);
    expect(addon.remains).toEqual([]);
  });
});

describe('a target that no disk stands for any more', () => {
  const uid = process.getuid?.() ?? 0;

  test('is adopted by its name, and is a disk like any other then', async () => {
    const { device } = await disks.attach(image, false);
    rmSync(paths.state);
    const next = await nextDaemon(); // the state file was lost
    expect(next.list()).toEqual([]);
    const name = (device ?? '').replace('/dev/mapper/', '');
    const adopted = await next.targets.adopt(name, image, false);
    expect(adopted).toMatchObject({ state: 'attached', route: 'dm-user', device, size: 8192n });
    expect(adopted.notes).toEqual([]);
    expect([...next.targets.tags()]).toEqual([...targets.targets.keys()]);
    const twice = await failure(next.targets.adopt(name, image, false));
    expect(twice.message).toBe(`disk.img (${adopted.id}) serves ${name} already.`);
    [...addon.open].at(-1)?.end(null);
    await next.detach(adopted.id);
    expect(targets.targets.size).toBe(0);
  });

  test('must be there and be this user’s', async () => {
    const none = await failure(disks.targets.adopt(`bioscope-${uid}-d9-1a2b`, image, false));
    expect(none.value.code).toBe('DISK_UNKNOWN');
    expect(none.message).toBe(
      `There is no target bioscope-${uid}-d9-1a2b of this user with a table.`,
    );
    const another = await failure(disks.targets.adopt(`bioscope-${uid + 1}-d9`, image, false));
    expect(another.value.code).toBe('DISK_UNKNOWN');
  });
});
