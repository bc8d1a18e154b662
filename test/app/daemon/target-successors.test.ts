import {
  existsSync,
  linkSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { BioscopeError, type Holder } from '../../../app/contract/errors';
import { nanoseconds } from '../../../app/contract/units';
import { scanHolders } from '../../../app/daemon/holders/scan-holders';
import { lastSignOfLife, showLife } from '../../../app/daemon/signs-of-life';
import { errnoError } from './fake-addon';
import {
  addon,
  died,
  diedAt,
  directory,
  disks,
  eachWithNewWorld,
  failure,
  holdStatus,
  image,
  nextDaemon,
  paths,
  tagOfDisk,
  targets,
} from './target-world';

vi.mock('../../../app/daemon/holders/scan-holders', async (original) => {
  const real = await original<object & { scanHolders: typeof scanHolders }>();
  return { ...real, scanHolders: vi.fn(real.scanHolders) };
});

eachWithNewWorld();

const isOpen = (descriptor: number) => existsSync(`/proc/self/fd/${descriptor}`);

describe('a daemon that died', () => {
  test('is followed by one that goes on with the same target, image and trace', async () => {
    const disk = await disks.attach(image, false);
    const next = await nextDaemon();
    expect(next.list()[0]).toMatchObject({ id: disk.id, state: 'attaching' });
    expect(next.liveCount).toBe(1);
    await next.targets.resuming.resumeAll(died);
    const [resumed] = next.list();
    expect(resumed).toMatchObject({
      id: disk.id,
      state: 'attached',
      device: disk.device,
      tracePath: disk.tracePath,
      hanging: false,
    });
    expect(resumed?.notes.at(-1)).toMatch(/^The daemon that served it \(process 4321\) ended/);
    expect([...addon.open][0]?.options).toMatchObject({ resumeTrace: true, route: 'dm-user' });
    expect(targets.get(tagOfDisk(disk)).aborts).toBe(0);
  });

  test('leaves a gap: from its last sign of life to the next one’s first request', async () => {
    await disks.attach(image, false);
    expect(disks.list()[0]?.gaps).toBeUndefined();
    const before = process.hrtime.bigint();
    const next = await nextDaemon();
    await next.targets.resuming.resumeAll(died);
    const gaps = next.list()[0]?.gaps ?? [];
    expect(gaps).toEqual([{ from: diedAt, to: expect.any(BigInt) as bigint }]);
    expect(gaps[0]?.to).toBeGreaterThan(before);
    expect(gaps[0]?.to).toBeLessThan(process.hrtime.bigint());

    // Another one, after which the image is not there: the gap lasts until it is attached again.
    rmSync(image);
    const later = nanoseconds(process.hrtime.bigint());
    const third = await nextDaemon();
    await third.targets.resuming.resumeAll({ ...died, diedAt: later });
    expect(third.list()[0]).toMatchObject({ state: 'failed', gaps });
    const fourth = await nextDaemon();
    await fourth.targets.resuming.resumeAll({
      ...died,
      diedAt: nanoseconds(process.hrtime.bigint()),
    });
    writeFileSync(image, Buffer.alloc(8192));
    const again = await fourth.attach(image, false);
    expect(again.gaps).toEqual([...gaps, { from: later, to: expect.any(BigInt) as bigint }]);
  });

  test('leaves a gap as well where it handed over and nobody could go on', async () => {
    await disks.attach(image, false);
    rmSync(image);
    const next = await nextDaemon();
    const before = process.hrtime.bigint();
    await next.targets.resuming.resumeAll({ ...died, diedAt: null });
    expect(next.list()[0]).toMatchObject({ state: 'failed', hanging: true });
    writeFileSync(image, Buffer.alloc(8192));
    const [gap] = (await next.attach(image, false)).gaps ?? [];
    expect(gap?.from).toBeGreaterThan(before);
    expect(gap?.to).toBeGreaterThan(gap?.from ?? 0n);
  });

  test('leaves gaps that do not overlap, whatever the sign of life', async () => {
    await disks.attach(image, false);
    for (let deaths = 0; deaths < 2; deaths++)
      await (await nextDaemon()).targets.resuming.resumeAll(died);
    const third = await nextDaemon();
    const [first, second] = third.list()[0]?.gaps ?? [];
    expect(first?.from).toBe(diedAt);
    expect(second?.from).toBe(first?.to);
  });

  test('leaves no gap where it handed over', async () => {
    await disks.attach(image, false);
    const next = await nextDaemon();
    await next.targets.resuming.resumeAll({ ...died, diedAt: null });
    expect(next.list()[0]).toMatchObject({ state: 'attached', gaps: [] });
  });

  test('shows life by the time of its lock', () => {
    writeFileSync(paths.lock, '');
    showLife(paths.lock);
    const sign = lastSignOfLife(paths.lock);
    const now = process.hrtime.bigint();
    expect(sign).toBeLessThanOrEqual(now);
    // A tick of the file system's clock, and a machine that is busy.
    expect(sign).toBeGreaterThan(now - 10_000_000_000n);
    const old = new Date(Date.now() - 60_000);
    utimesSync(paths.lock, old, old);
    expect(Number(process.hrtime.bigint() - lastSignOfLife(paths.lock)) / 1e9).toBeGreaterThan(59);
    rmSync(paths.lock);
    showLife(paths.lock);
    expect(lastSignOfLife(paths.lock)).toBeGreaterThan(now);
  });

  test('a target that is gone fails its disk and says so', async () => {
    await disks.attach(image, false);
    targets.targets.clear();
    const next = await nextDaemon();
    await next.targets.resuming.resumeAll(died);
    expect(next.list()[0]).toMatchObject({ state: 'failed', hanging: false, device: null });
    expect(next.list()[0]?.failure?.message).toMatch(/is gone, removed by another program/);
  });

  test('in the middle of a change of size leaves a target suspended; the next one resumes it', async () => {
    const disk = await disks.attach(image, false);
    const target = targets.get(tagOfDisk(disk));
    target.suspended = true;
    const next = await nextDaemon();
    await next.targets.resuming.resumeAll(died);
    expect(next.list()[0]?.state).toBe('attached');
    expect(target.suspended).toBe(false);
  });

  test('a target that cannot be asked about is not taken for gone', async () => {
    const disk = await disks.attach(image, false);
    const next = await nextDaemon();
    targets.failures.set('status', new BioscopeError('PRIVILEGE_MISSING', 'No password came.'));
    await next.targets.resuming.resumeAll(died);
    const [hanging] = next.list();
    expect(hanging).toMatchObject({ state: 'failed', hanging: true, device: disk.device });
    expect(hanging?.failure?.message).toMatch(/^No password came\. Until then every request to/);

    expect(await next.attach(image, false)).toMatchObject({ id: disk.id, state: 'attached' });
    expect(targets.targets.size).toBe(1);
    expect(targets.get(tagOfDisk(disk)).aborts).toBe(0);
  });

  test('is followed by a third where the second died while it was going on', async () => {
    const disk = await disks.attach(image, false);
    targets.failures.set('status', new BioscopeError('PRIVILEGE_MISSING', 'No password came.'));
    await (await nextDaemon()).targets.resuming.resumeAll(died);
    const second = await nextDaemon(); // saves the disk as `attaching`, and is killed
    expect(second.list()[0]?.state).toBe('attaching');
    const third = await nextDaemon();
    await third.targets.resuming.resumeAll(died);
    expect(third.list()[0]).toMatchObject({ state: 'attached', device: disk.device });
    expect(targets.get(tagOfDisk(disk)).aborts).toBe(0);
  });

  test('keeps its image until it is gone on with: an attach meanwhile waits for that', async () => {
    const disk = await disks.attach(image, false);
    const second = join(directory, 'second.img');
    linkSync(image, second);
    const next = await nextDaemon();
    const answer = holdStatus();
    const resumed = next.targets.resuming.resumeAll(died);
    targets.makeByHand('lab', 8n);
    const attached = next.attach(image, false);
    await expect.poll(() => next.find(disk.id).identity).not.toBeNull();
    const refused = await failure(next.attach(second, false));
    expect(refused.message).toMatch(/is attached already: it is disk d1 at/);
    const adopted = await failure(next.targets.adopt('lab', image, false));
    expect(adopted.value.code).toBe('IMAGE_IN_USE');
    answer();
    await resumed;
    expect(await attached).toMatchObject({ id: disk.id, state: 'attached', device: disk.device });
    expect(next.list()).toHaveLength(1);
    expect(addon.calls.filter((call) => call === 'openDisk')).toHaveLength(1);
    expect(targets.calls.filter((call) => call === 'create')).toHaveLength(1);
  });

  test('is gone on with once, however often that is asked for', async () => {
    const disk = await disks.attach(image, false);
    const next = await nextDaemon();
    targets.failures.set('status', new BioscopeError('PRIVILEGE_MISSING', 'No password came.'));
    await next.targets.resuming.resumeAll(died);
    expect(addon.open.size).toBe(0);
    addon.calls.splice(0);
    const answer = holdStatus();
    const asked = [next.attach(image, false), next.attach(image, false)];
    await expect.poll(() => next.list()[0]?.state).toBe('attaching');
    answer();
    for (const one of await Promise.all(asked)) expect(one.id).toBe(disk.id);
    expect(addon.calls.filter((call) => call === 'openDisk')).toHaveLength(1);
    expect([...targets.targets.keys()]).toEqual([tagOfDisk(disk)]);
  });

  test('what it was only making is cleared away', async () => {
    const stop = errnoError('EIO', 'open');
    const written: string[] = [];
    targets.openChannels = () => {
      written.push(readFileSync(paths.state, 'utf8'));
      return Promise.reject(stop);
    };
    await disks.attach(image, false);
    writeFileSync(paths.state, written[0] ?? '');
    targets.targets.clear();
    const [, tag = ''] = /"tag":"([^"]+)"/.exec(written[0] ?? '') ?? [];
    await targets.create({ tag, sectors: 16n, readOnly: false, discards: true, writeZeroes: true });
    const next = await nextDaemon();
    expect(next.list()[0]).toMatchObject({ state: 'failed', device: null });
    expect(targets.targets.size).toBe(0);
  });

  test('an image that is gone leaves the requests waiting; abort fails them, attaching goes on', async () => {
    const disk = await disks.attach(image, false);
    rmSync(image);
    const next = await nextDaemon();
    await next.targets.resuming.resumeAll(died);
    // Read by nobody, and open they would make the target look served.
    expect(targets.opened.slice(2).filter(isOpen)).toEqual([]);
    const [hanging] = next.list();
    expect(hanging).toMatchObject({ state: 'failed', hanging: true, device: disk.device });
    expect(hanging?.failure?.message).toMatch(/does not exist.* Until then every request to/);
    await next.targets.abort(disk.id);
    expect(targets.get(tagOfDisk(disk)).aborts).toBe(1);

    writeFileSync(image, Buffer.alloc(8192));
    expect(await next.attach(image, false)).toMatchObject({ id: disk.id, state: 'attached' });
    expect(targets.targets.size).toBe(1);
  });

  test('an image that became too small is refused by name and size', async () => {
    await disks.attach(image, false);
    truncateSync(image, 4096);
    const next = await nextDaemon();
    await next.targets.resuming.resumeAll(died);
    expect(next.list()[0]?.failure?.message).toMatch(/has 4096 bytes, the device 8192/);
    expect(addon.remains).toEqual([]);
  });

  test('a disk whose requests hang is not dismissed from under a mount', async () => {
    const disk = await disks.attach(image, false);
    rmSync(image);
    const next = await nextDaemon();
    await next.targets.resuming.resumeAll(died);
    const device = '/dev/dm-900';
    const mount: Holder = { kind: 'mount', device, name: '/mnt/data', pid: null };
    const program: Holder = { kind: 'process', device, name: 'blkid', pid: 12 };
    vi.mocked(scanHolders).mockResolvedValueOnce([mount, program]);
    const refused = await failure(next.dismiss(disk.id));
    expect(refused.value).toMatchObject({ code: 'DISK_BUSY', holders: [mount] });
    expect(targets.get(tagOfDisk(disk)).aborts).toBe(0);
    vi.mocked(scanHolders).mockResolvedValueOnce([program]);
    await next.dismiss(disk.id);
    expect(targets.targets.size).toBe(0);
  });

  test('dismissing a disk whose requests hang fails them and removes the target', async () => {
    const disk = await disks.attach(image, false);
    rmSync(image);
    const next = await nextDaemon();
    await next.targets.resuming.resumeAll(died);
    await next.dismiss(disk.id);
    expect(targets.calls.slice(-2)).toEqual(['abort', 'remove']);
    expect(targets.targets.size).toBe(0);
    expect(next.list()).toEqual([]);
  });
});
