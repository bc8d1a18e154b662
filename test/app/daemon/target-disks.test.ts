import {
  existsSync,
  linkSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { prepareRuntimeDirectory, type RuntimePaths } from '../../../app/client/runtime-directory';
import { BioscopeError, type Holder } from '../../../app/contract/errors';
import type { Disk } from '../../../app/contract/disk';
import { nanoseconds } from '../../../app/contract/units';
import { DiskTable } from '../../../app/daemon/disks/disk-table';
import type { OpenedTarget } from '../../../app/daemon/disks/target-disks';
import { scanHolders } from '../../../app/daemon/holders/scan-holders';
import { clearDevices, findLeftovers } from '../../../app/daemon/leftovers/clear-leftovers';
import { lastSignOfLife, showLife } from '../../../app/daemon/signs-of-life';
import { rootPrivileges } from '../../../app/privileged/root';
import { FakeAddon, errnoError } from './fake-addon';
import { FakeTargets } from './fake-targets';

vi.mock('../../../app/daemon/holders/scan-holders', async (original) => {
  const real = await original<object & { scanHolders: typeof scanHolders }>();
  return { ...real, scanHolders: vi.fn(real.scanHolders) };
});

const trace = { threads: 4, ringCapacity: 1024, payloadLimit: 4096, trace: true };
const diedAt = nanoseconds(1_000_000n);
const died = { pid: 4321, diedAt, opened: new Map<string, OpenedTarget>() };

let directory: string;
let paths: RuntimePaths;
let addon: FakeAddon;
let targets: FakeTargets;
let obstacle: string | null;
let disks: DiskTable;
let image: string;

function table(): DiskTable {
  const privileges = { ...rootPrivileges(addon), targets };
  const log = () => undefined;
  return new DiskTable({ addon, privileges, paths, trace, log, obstacle: () => obstacle });
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bioscope-test-'));
  paths = prepareRuntimeDirectory({ BIOSCOPE_RUNTIME_DIRECTORY: join(directory, 'run') });
  addon = new FakeAddon();
  targets = new FakeTargets();
  obstacle = null;
  disks = table();
  image = join(directory, 'disk.img');
  writeFileSync(image, Buffer.alloc(8192));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function failure(promise: Promise<unknown>): Promise<BioscopeError> {
  const thrown: unknown = await promise.then(
    () => null,
    (error: unknown) => error,
  );
  if (thrown instanceof BioscopeError) return thrown;
  throw new Error(`expected a BioscopeError, got ${String(thrown)}`);
}

const tagOfDisk = ({ device }: Disk) => (device ?? '').replace(/^.*bioscope-\d+-/, '');

function openFiles(): string[] {
  return readdirSync('/proc/self/fd').flatMap((number) => {
    try {
      return [readlinkSync(`/proc/self/fd/${number}`)];
    } catch {
      return []; // closed meanwhile
    }
  });
}

/** Nobody answers the question for a password, until the returned function is called. */
function holdStatus(): () => void {
  let answer: () => void = () => undefined;
  const answered = new Promise<void>((resolve) => (answer = resolve));
  const status = targets.status.bind(targets);
  targets.status = async (tag) => {
    await answered;
    return status(tag);
  };
  return answer;
}

/** The next daemon, after this one was killed: only the kernel and the files are left. */
async function nextDaemon(): Promise<DiskTable> {
  addon = new FakeAddon();
  const next = table();
  const privileges = { ...rootPrivileges(addon), targets };
  const old = { paths, privileges, log: () => undefined };
  const leftovers = findLeftovers(old);
  next.adopt(leftovers.entries, leftovers.nextNumber);
  await clearDevices(leftovers, old, (...leftover) => next.settleLeftover(...leftover));
  return next;
}

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
    expect([...addon.open][0]).toMatchObject({ channels: [100, 101] });
    expect([...addon.open][0]?.options).toMatchObject({ route: 'dm-user', threads: 4 });
  });

  test('a read-only target asks for neither discards nor zeroes', async () => {
    const disk = await disks.attach(image, true);
    const { options } = targets.get(tagOfDisk(disk));
    expect(options).toMatchObject({ readOnly: true, discards: false, writeZeroes: false });
  });

  test('without the module fuse-loop is taken, and says why', async () => {
    obstacle = 'The dm-user module is not installed for this kernel.';
    const disk = await disks.attach(image, false);
    expect(disk).toMatchObject({ route: 'fuse-loop', routeReason: obstacle, notes: [] });
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
    obstacle = 'This kernel has no device mapper.';
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

describe('a daemon that died', () => {
  test('is followed by one that goes on with the same target, image and trace', async () => {
    const disk = await disks.attach(image, false);
    const next = await nextDaemon();
    expect(next.list()[0]).toMatchObject({ id: disk.id, state: 'attaching' });
    expect(next.liveCount).toBe(1);
    await next.targets.resumeAll(died);
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
    await next.targets.resumeAll(died);
    const gaps = next.list()[0]?.gaps ?? [];
    expect(gaps).toEqual([{ from: diedAt, to: expect.any(BigInt) as bigint }]);
    expect(gaps[0]?.to).toBeGreaterThan(before);
    expect(gaps[0]?.to).toBeLessThan(process.hrtime.bigint());

    // Another one, after which the image is not there: the gap lasts until it is attached again.
    rmSync(image);
    const later = nanoseconds(process.hrtime.bigint());
    const third = await nextDaemon();
    await third.targets.resumeAll({ ...died, diedAt: later });
    expect(third.list()[0]).toMatchObject({ state: 'failed', gaps });
    const fourth = await nextDaemon();
    await fourth.targets.resumeAll({ ...died, diedAt: nanoseconds(process.hrtime.bigint()) });
    writeFileSync(image, Buffer.alloc(8192));
    const again = await fourth.attach(image, false);
    expect(again.gaps).toEqual([...gaps, { from: later, to: expect.any(BigInt) as bigint }]);
  });

  test('leaves no gap where it handed over', async () => {
    await disks.attach(image, false);
    const next = await nextDaemon();
    await next.targets.resumeAll({ ...died, diedAt: null });
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
    await next.targets.resumeAll(died);
    expect(next.list()[0]).toMatchObject({ state: 'failed', hanging: false, device: null });
    expect(next.list()[0]?.failure?.message).toMatch(/is gone, removed by another program/);
  });

  test('in the middle of a change of size leaves a target suspended; the next one resumes it', async () => {
    const disk = await disks.attach(image, false);
    const target = targets.get(tagOfDisk(disk));
    target.suspended = true;
    const next = await nextDaemon();
    await next.targets.resumeAll(died);
    expect(next.list()[0]?.state).toBe('attached');
    expect(target.suspended).toBe(false);
  });

  test('a target that cannot be asked about is not taken for gone', async () => {
    const disk = await disks.attach(image, false);
    const next = await nextDaemon();
    targets.failures.set('status', new BioscopeError('PRIVILEGE_MISSING', 'No password came.'));
    await next.targets.resumeAll(died);
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
    await (await nextDaemon()).targets.resumeAll(died);
    const second = await nextDaemon(); // saves the disk as `attaching`, and is killed
    expect(second.list()[0]?.state).toBe('attaching');
    const third = await nextDaemon();
    await third.targets.resumeAll(died);
    expect(third.list()[0]).toMatchObject({ state: 'attached', device: disk.device });
    expect(targets.get(tagOfDisk(disk)).aborts).toBe(0);
  });

  test('keeps its image until it is gone on with: an attach meanwhile waits for that', async () => {
    const disk = await disks.attach(image, false);
    const second = join(directory, 'second.img');
    linkSync(image, second);
    const next = await nextDaemon();
    const answer = holdStatus();
    const resumed = next.targets.resumeAll(died);
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
    await next.targets.resumeAll(died);
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
    await next.targets.resumeAll(died);
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
    await next.targets.resumeAll(died);
    expect(next.list()[0]?.failure?.message).toMatch(/has 4096 bytes, the device 8192/);
    expect(addon.remains).toEqual([]);
  });

  test('a disk whose requests hang is not dismissed from under a mount', async () => {
    const disk = await disks.attach(image, false);
    rmSync(image);
    const next = await nextDaemon();
    await next.targets.resumeAll(died);
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
    await next.targets.resumeAll(died);
    await next.dismiss(disk.id);
    expect(targets.calls.slice(-2)).toEqual(['abort', 'remove']);
    expect(targets.targets.size).toBe(0);
    expect(next.list()).toEqual([]);
  });
});

describe('handing over', () => {
  test('ends serving without closing anything, and the next one has its channels already', async () => {
    const disk = await disks.attach(image, false);
    const saved = { tag: tagOfDisk(disk), foreign: false };
    const next = table();
    const opened = new Map([[saved.tag, await next.targets.open(saved)]]);
    targets.get(saved.tag).suspended = true; // since it was asked about
    await disks.targets.handOver();
    expect(addon.calls.at(-1)).toBe('handOver');
    expect(targets.targets.size).toBe(1);
    const leftovers = findLeftovers({ paths, log: () => undefined });
    next.adopt(leftovers.entries, leftovers.nextNumber);
    await next.targets.resumeAll({ pid: 1, diedAt: null, opened });
    expect(next.list()[0]).toMatchObject({ state: 'attached', notes: [] });
    expect([...addon.open][0]).toMatchObject({ channels: [102, 103] });
    expect(targets.get(saved.tag).suspended).toBe(false);
  });

  test('channels opened before are closed where the image cannot be opened', async () => {
    const disk = await disks.attach(image, false);
    const saved = { tag: tagOfDisk(disk), foreign: false };
    const { state } = await disks.targets.open(saved);
    const unread = join(directory, 'channel');
    const channels = [openSync(unread, 'w'), openSync(unread, 'w')];
    expect(openFiles()).toContain(unread);
    await disks.targets.handOver();
    rmSync(image);
    const next = await nextDaemon();
    const opened = new Map([[saved.tag, { state, channels }]]);
    await next.targets.resumeAll({ pid: 1, diedAt: null, opened });
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
