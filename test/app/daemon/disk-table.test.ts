import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { prepareRuntimeDirectory, type RuntimePaths } from '../../../app/client/runtime-directory';
import { BioscopeError } from '../../../app/contract/errors';
import { diskId } from '../../../app/contract/units';
import { DiskTable } from '../../../app/daemon/disks/disk-table';
import { rootPrivileges } from '../../../app/privileged/root';
import { FakeAddon, errnoError, type Step } from './fake-addon';

const trace = { threads: 2, channels: 1, ringCapacity: 1024, payloadLimit: 4096, trace: true };

let directory: string;
let paths: RuntimePaths;
let addon: FakeAddon;
let disks: DiskTable;
let image: string;
const log: string[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bioscope-test-'));
  const environment = { BIOSCOPE_RUNTIME_DIRECTORY: join(directory, 'run') };
  paths = prepareRuntimeDirectory(environment);
  addon = new FakeAddon();
  log.length = 0;
  const privileges = rootPrivileges(addon);
  disks = new DiskTable({ addon, privileges, paths, trace, log: (line) => log.push(line) });
  image = join(directory, 'disk.img');
  writeFileSync(image, Buffer.alloc(8192));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

async function failure(promise: Promise<unknown>): Promise<BioscopeError> {
  const thrown: unknown = await promise.then(
    () => null,
    (error: unknown) => error,
  );
  if (thrown instanceof BioscopeError) return thrown;
  throw new Error(`expected a BioscopeError, got ${String(thrown)}`);
}

function savedState(): { nextNumber: number; disks: { disk: { id: string; state: string } }[] } {
  return JSON.parse(readFileSync(paths.state, 'utf8')) as ReturnType<typeof savedState>;
}

describe('attach', () => {
  test('takes its steps in order and unmounts as soon as the loop device is there', async () => {
    const disk = await disks.attach(image, false);
    expect(addon.calls).toEqual([
      'openDisk',
      'mountFuse',
      'startFuse',
      'attachLoop',
      'unmountLazily',
    ]);
    expect(disk).toMatchObject({
      id: 'd1',
      number: 1,
      name: 'disk.img',
      imagePath: image,
      size: 8192n,
      tail: 0n,
      state: 'attached',
      device: '/dev/loop900',
      fuseFile: null,
      readOnly: false,
      notes: [],
    });
    expect(readdirSync(paths.mounts)).toEqual([]);
    expect(savedState().disks.map(({ disk: { id, state } }) => [id, state])).toEqual([
      ['d1', 'attached'],
    ]);
  });

  const steps: readonly (readonly [Step, string])[] = [
    ['openDisk', 'could not be opened (open: EMFILE)'],
    ['mountFuse', 'could not be attached (open: EMFILE)'],
    ['startFuse', 'could not be attached (open: EMFILE)'],
    ['attachLoop', 'could not be attached (open: EMFILE)'],
    ['unmountLazily', 'could not be attached (open: EMFILE)'],
  ];
  test.each(steps)('undoes everything when %s fails', async (step, words) => {
    addon.failures.set(step, errnoError('EMFILE', 'open'));
    const error = await failure(disks.attach(image, false));
    expect(error.value.code).toBe('DISK_FAILED');
    expect(error.value.errno).toBe('EMFILE');
    expect(error.message).toContain(words);
    expect(addon.remains).toEqual([]);
    expect(disks.list()).toEqual([]);
    expect(readdirSync(paths.mounts)).toEqual([]);
    expect(readdirSync(paths.traces)).toEqual([]);
    expect(savedState().disks).toEqual([]);
    // And nothing of it stands in the way of the next attempt.
    expect((await disks.attach(image, false)).id).toBe('d2');
  });

  test('goes on undoing when a step cannot be undone', async () => {
    addon.failures.set('attachLoop', errnoError('EMFILE', 'open'));
    addon.failures.set('unmountLazily', errnoError('EBUSY', 'umount2'));
    const error = await failure(disks.attach(image, false));
    expect(error.value.errno).toBe('EMFILE');
    expect([...addon.open]).toEqual([]);
    expect(log.join('\n')).toContain('cannot undo "mount the FUSE file"');
  });

  test('says which bytes at the end are left out', async () => {
    appendFileSync(image, 'abc');
    const disk = await disks.attach(image, false);
    expect(disk.size).toBe(8192n);
    expect(disk.tail).toBe(3n);
    expect(disk.notes).toEqual([
      'The last 3 bytes of the image fill no sector of 512 bytes: they are not part of the device and are never touched.',
    ]);
  });

  test('refuses an image that is attached already, naming the disk', async () => {
    await disks.attach(image, false);
    const error = await failure(disks.attach(image, true));
    expect(error.value.code).toBe('IMAGE_IN_USE');
    expect(error.message).toBe(`${image} is attached already: it is disk d1 at /dev/loop900.`);
  });

  test('attaches an image once when two ask for it at the same time', async () => {
    const both = await Promise.allSettled([disks.attach(image, false), disks.attach(image, false)]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(addon.open.size).toBe(1);
  });

  test('names who has an image locked', async () => {
    addon.failures.set('openDisk', errnoError('EAGAIN', 'flock', image));
    const error = await failure(disks.attach(image, false));
    expect(error.value.code).toBe('IMAGE_IN_USE');
    expect(error.message).toBe(
      `${image} is locked by another process. Two writers would destroy it: close it there first.`,
    );
  });

  test('tells a full runtime directory from a full image', async () => {
    const tracePath = join(paths.traces, 'd1.trace');
    addon.failures.set('openDisk', errnoError('ENOSPC', 'posix_fallocate', tracePath));
    const error = await failure(disks.attach(image, false));
    expect(error.value).toMatchObject({ code: 'NO_SPACE', errno: 'ENOSPC' });
    expect(error.message).toContain(`no room for the trace file ${tracePath}`);
  });

  test('says so when there is no FUSE', async () => {
    addon.failures.set('mountFuse', errnoError('ENODEV', 'open', '/dev/fuse'));
    const error = await failure(disks.attach(image, false));
    expect(error.value.code).toBe('ROUTE_UNAVAILABLE');
    expect(error.message).toContain('modprobe fuse');
  });

  test('is refused while the daemon is stopping', async () => {
    disks.setClosing(true);
    const error = await failure(disks.attach(image, false));
    expect(error.value.code).toBe('DAEMON_STOPPING');
  });

  test('is refused when the daemon begins to stop while the image is looked at', async () => {
    const attaching = failure(disks.attach(image, false));
    disks.setClosing(true);
    expect((await attaching).value.code).toBe('DAEMON_STOPPING');
    expect(disks.list()).toEqual([]);
    expect(addon.calls).toEqual([]);
  });
});

describe('detach', () => {
  test('clears the loop device, then flushes and closes the image', async () => {
    const disk = await disks.attach(image, false);
    addon.calls.length = 0;
    await disks.detach(disk.id);
    expect(addon.calls).toEqual(['detachLoop', 'flush', 'close']);
    expect(addon.remains).toEqual([]);
    expect(disks.list()).toEqual([]);
    expect(existsSync(disk.tracePath)).toBe(false);
    expect(savedState().disks).toEqual([]);
  });

  test('changes nothing when the exclusive open finds it busy', async () => {
    const disk = await disks.attach(image, false);
    addon.failures.set('detachLoop', errnoError('EBUSY', 'open', '/dev/loop900'));
    const error = await failure(disks.detach(disk.id));
    expect(error.value).toMatchObject({ code: 'DISK_BUSY', errno: 'EBUSY' });
    expect(error.message).toContain('disk.img (d1) is in use');
    expect(disks.list()[0]?.state).toBe('attached');
    await disks.detach(disk.id);
    expect(addon.remains).toEqual([]);
  });

  test('stays attached and says so when it cannot be flushed', async () => {
    const disk = await disks.attach(image, false);
    addon.failures.set('detachLoop', errnoError('EIO', 'fsync'));
    const error = await failure(disks.detach(disk.id));
    expect(error.value).toMatchObject({ code: 'DISK_FAILED', errno: 'EIO' });
    expect(error.message).toBe(
      'disk.img (d1) could not be detached (EIO); it is still attached. What was written last may not be safe on the image. ' +
        'Try again, or give that up: losetup -d /dev/loop900.',
    );
    expect(disks.list()[0]?.state).toBe('attached');
  });

  test('does not know a disk that is not there', async () => {
    const error = await failure(disks.detach(diskId('d7')));
    expect(error.value.code).toBe('DISK_UNKNOWN');
    expect(error.message).toBe('There is no disk d7. It may have been detached.');
  });

  test('names our own disk that lies on it, and detaches both in the right order', async () => {
    const lower = await disks.attach(image, false);
    const entry = disks.find(lower.id);
    const other = join(directory, 'other.img');
    writeFileSync(other, Buffer.alloc(512));
    const upper = await disks.attach(other, false);
    // As if its image were the first one's device.
    const above = disks.find(upper.id);
    above.disk = { ...above.disk, imagePath: entry.disk.device ?? '' };
    const error = await failure(disks.detach(lower.id));
    expect(error.value.holders).toEqual([
      { kind: 'device', device: '/dev/loop900', name: '/dev/loop901', pid: null },
    ]);
    expect(error.message).toContain('/dev/loop901 lies on /dev/loop900');
    expect(await disks.detachAll({ allOrNone: true })).toEqual([]);
    expect(addon.remains).toEqual([]);
  });
});

describe('a route that ends by itself', () => {
  test('makes the disk failed, gives the image back, and keeps the trace', async () => {
    const disk = await disks.attach(image, false);
    [...addon.open][0]?.end('the FUSE connection was aborted');
    await expect.poll(() => addon.remains).toEqual([]);
    const [failed] = disks.list();
    expect(failed).toMatchObject({ state: 'failed', device: null });
    expect(failed?.failure?.code).toBe('DISK_FAILED');
    expect(failed?.failure?.message).toBe(
      'disk.img (d1) ended: the FUSE connection was aborted. Attach it again to go on.',
    );
    expect(existsSync(disk.tracePath)).toBe(true);
    expect(disks.liveCount).toBe(0);
    expect(disks.statistics()).toEqual([]);

    // Attached again, the failed one is old news.
    const again = await disks.attach(image, false);
    expect(disks.list().map(({ id }) => id)).toEqual([again.id]);
    expect(existsSync(disk.tracePath)).toBe(false);
  });

  test('is told apart from another program that detached the device', async () => {
    await disks.attach(image, false);
    const [open] = addon.open;
    addon.loops.clear(); // losetup -d
    open?.end(null);
    await expect.poll(() => disks.list()[0]?.state).toBe('failed');
    expect(disks.list()[0]?.failure?.message).toContain(
      '/dev/loop900 was detached, e.g. with losetup -d',
    );
  });

  test('can be dismissed, and only then', async () => {
    const disk = await disks.attach(image, false);
    const refused = await failure(disks.dismiss(disk.id));
    expect(refused.value.code).toBe('DISK_BUSY');
    expect(refused.message).toContain('has not failed');
    [...addon.open][0]?.end('gone');
    await expect.poll(() => disks.list()[0]?.state).toBe('failed');
    await disks.dismiss(disk.id);
    expect(disks.list()).toEqual([]);
    expect(existsSync(disk.tracePath)).toBe(false);
  });
});

test('statistics carry the limits that their counters are measured against', async () => {
  await disks.attach(image, false);
  expect(disks.statistics()).toEqual([
    expect.objectContaining({
      disk: 'd1',
      reads: 2n,
      writtenBytes: 8n,
      inFlight: 10,
      payloadBytes: 11n,
      payloadLimit: 4096n,
      traceCapacity: 2048n,
    }),
  ]);
});

test('a state that cannot be written refuses the attach, with nothing made', async () => {
  rmSync(paths.directory, { recursive: true });
  const error = await failure(disks.attach(image, false));
  expect(error.value.code).toBe('RUNTIME_DIRECTORY');
  expect(error.message).toContain(paths.state);
  expect(addon.calls).toEqual([]);
});
