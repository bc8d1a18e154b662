/** The daemon's own life: starting, racing, ending, and what the next one finds. */
import {
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectDaemon, startDaemon } from '../../../app/client/start-daemon';
import { command, isAlive, until } from '../../support/commands';
import { Workspace } from '../../support/workspace';
import { daemonScript, needsRoot, patience, start } from '../cli/real-command-line';

let workspace: Workspace;
beforeEach(() => {
  workspace = new Workspace();
});
afterEach(() => workspace.end());

const connect = () => startDaemon({ daemonScript, environment: workspace.environment() });
const log = () => readFileSync(workspace.paths.log, 'utf8');

/** True while the device serves our image: others take a number as soon as it is free. */
function isConfigured(device: string): boolean {
  try {
    const path = `${device.replace('/dev/', '/sys/block/')}/loop/backing_file`;
    return readFileSync(path, 'utf8').trim() === '/life.img';
  } catch {
    return false;
  }
}

/** Ends the FUSE connection under a loop device; its name is the minor number of the backing file's device. */
async function abortFuse(device: string): Promise<void> {
  const numbers = await command('losetup', '--noheadings', '--output', 'BACK-MAJ:MIN', device);
  const connection = numbers.trim().split(':')[1] ?? '';
  // Not every machine has it at /sys/fs/fuse/connections.
  await command('mount', '-t', 'fusectl', 'fusectl', workspace.mountPoint);
  writeFileSync(join(workspace.mountPoint, connection, 'abort'), '1');
  await workspace.unmount();
}

describe('starting', patience, () => {
  test('many at once make one daemon', async () => {
    const clients = await Promise.all(Array.from({ length: 6 }, connect));
    const pids = await Promise.all(
      clients.map(async (client) => (await client.invoke('hello', {})).pid),
    );
    expect(new Set(pids).size).toBe(1);
    for (const client of clients) client.close();
    expect(log().match(/daemon \S+ \(process/g)).toHaveLength(1);
  });

  test('what V8 made of its code is kept for the next; what others may have written is not used', async () => {
    const code = join(workspace.paths.directory, 'daemon.code');
    const isThere = () => until('its code is kept', () => existsSync(code));
    const life = async (duringIt: () => Promise<unknown> = () => Promise.resolve()) => {
      const client = await connect();
      const { pid } = await client.invoke('hello', {});
      await isThere();
      await duringIt();
      process.kill(pid, 'SIGKILL');
      await until('it ends', () => !isAlive(pid));
    };
    await life();
    expect(statSync(code).mode & 0o777).toBe(0o600);
    const starts = () => [...log().matchAll(/ daemon \S+ \(process .*/g)].map(([line]) => line);
    await life(async () => {
      const second = await start(workspace, process.execPath, [daemonScript]).ended;
      expect(second.status).toBe(3);
      expect(existsSync(code)).toBe(true);
    });
    const other = join(workspace.paths.directory, 'other');
    const spoil = [
      () => chmodSync(code, 0o666),
      () => {
        const bytes = readFileSync(code);
        bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
        writeFileSync(code, bytes);
      },
      () => {
        renameSync(code, other);
        symlinkSync(other, code);
      },
    ];
    for (const spoilt of spoil) {
      spoilt();
      const { ino } = lstatSync(code);
      await life(() => until('it is made anew', () => lstatSync(code).ino !== ino));
      expect(lstatSync(code).mode).toBe(constants.S_IFREG | 0o600);
    }
    await life();
    const used = starts().map((line) => line.endsWith(', of kept code'));
    expect(used).toEqual([false, true, false, false, false, true]);
  });

  test('code that a daemon crashed of is not used again', async () => {
    const code = join(workspace.paths.directory, 'daemon.code');
    const first = await connect();
    const { pid } = await first.invoke('hello', {});
    await until('its code is kept', () => existsSync(code));
    process.kill(pid, 'SIGKILL');
    await until('it ends', () => !isAlive(pid));
    const crash = join(workspace.paths.directory, 'crash.cjs');
    const death = '() => process.kill(process.pid, "SIGKILL")';
    writeFileSync(crash, `require('vm').Script.prototype.runInThisContext = ${death};`);
    await start(workspace, process.execPath, ['--require', crash, daemonScript]).ended;
    expect(existsSync(code)).toBe(false);
    const next = await connect();
    expect(log()).not.toContain(', of kept code');
    await until('it is made anew', () => existsSync(code));
    next.close();
  });

  test('a second daemon leaves quietly, with a status of its own', async () => {
    const client = await connect();
    const second = await start(workspace, process.execPath, [daemonScript]).ended;
    expect(second).toEqual({ status: 3, stdout: '', stderr: '' });
    expect((await client.invoke('hello', {})).runtimeDirectory).toBe(workspace.paths.directory);
    client.close();
  });

  test('one that hangs is told of, not waited for without end', async () => {
    const client = await connect();
    const { pid } = await client.invoke('hello', {});
    process.kill(pid, 'SIGSTOP');
    try {
      const hanging = connectDaemon(workspace.paths, 300);
      await expect(hanging).rejects.toMatchObject({
        value: { code: 'DAEMON_UNREACHABLE', errno: 'ETIMEDOUT' },
      });
      await expect(hanging).rejects.toThrow('takes the call but does not answer (for 0.3 s)');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    expect((await client.invoke('hello', {})).pid).toBe(pid);
    client.close();
  });

  test('a stale socket and a damaged state are no obstacle', async () => {
    const first = await connect();
    const { pid } = await first.invoke('hello', {});
    process.kill(pid, 'SIGKILL');
    await first.closed;
    expect(existsSync(workspace.paths.socket)).toBe(true);
    writeFileSync(workspace.paths.state, 'rubbish');
    const next = await connect();
    expect((await next.invoke('hello', {})).pid).not.toBe(pid);
    expect((await next.invoke('disks.list', {})).disks).toEqual([]);
    expect(statSync(workspace.paths.socket).mode & 0o777).toBe(0o600);
    next.close();
  });

  test('with nothing to do it ends by itself, and takes its socket along', async () => {
    const client = await connect();
    const { pid } = await client.invoke('hello', {});
    client.close();
    await until('it ends', () => !isAlive(pid));
    expect(existsSync(workspace.paths.socket)).toBe(false);
    expect(await connectDaemon(workspace.paths)).toBeNull();
  });
});

describe('with a disk', patience, () => {
  beforeEach(needsRoot);

  async function attached(name = 'life.img') {
    const client = await connect();
    const { pid } = await client.invoke('hello', {});
    const path = workspace.image(name, 16, true);
    const disk = await client.invoke('disks.attach', { path, readOnly: false });
    const { device } = disk;
    if (device === null) throw new Error('no device');
    return { client, pid, disk, device, path };
  }

  test('it goes on without clients, and SIGHUP is nothing to it', async () => {
    const { client, pid, device } = await attached();
    client.close();
    process.kill(pid, 'SIGHUP');
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(isAlive(pid)).toBe(true);
    expect(isConfigured(device)).toBe(true);
  });

  test('SIGTERM detaches what is free and ends', async () => {
    const { client, pid, device } = await attached();
    process.kill(pid, 'SIGTERM');
    await client.closed;
    await until('it ends', () => !isAlive(pid));
    expect(isConfigured(device)).toBe(false);
    expect(readdirSync(workspace.paths.traces)).toEqual([]);
  });

  test('SIGTERM leaves a mounted disk alone, says so, and works once it is free', async () => {
    const { client, pid, device } = await attached();
    await command('mkfs.ext4', '-q', '-F', device);
    await command('mount', device, workspace.mountPoint);
    process.kill(pid, 'SIGTERM');
    await until('it says so', () => log().includes('still serving 1 in use'));
    expect(log()).toContain(`${device} is mounted at ${workspace.mountPoint}`);
    await command('touch', join(workspace.mountPoint, 'still-works'));
    expect((await client.invoke('disks.list', {})).disks[0]?.holders).toEqual([
      { kind: 'mount', device, name: workspace.mountPoint, pid: null },
    ]);
    await workspace.unmount();
    process.kill(pid, 'SIGTERM');
    await until('it ends', () => !isAlive(pid));
    expect(isConfigured(device)).toBe(false);
  });

  test('watchers hear of mounts, statistics and the end of a disk', async () => {
    const { client, device, disk } = await attached();
    const seen: string[] = [];
    client.on('disks', ({ disks }) => {
      seen.push(
        disks.flatMap(({ state, holders }) => [state, ...holders.map((h) => h.name)]).join(),
      );
    });
    let reads = 0n;
    client.on('statistics', ({ disks }) => (reads = disks[0]?.reads ?? reads));
    await client.invoke('watch', {});
    await command('mkfs.ext4', '-q', '-F', device);
    await command('mount', device, workspace.mountPoint);
    await until('the mount is told', () => seen.includes(`attached,${workspace.mountPoint}`));
    await until('reads are counted', () => reads > 0n);
    await workspace.unmount();
    await client.invoke('disks.detach', { disk: disk.id });
    expect(seen.at(-1)).toBe('');
    client.close();
  });

  test('killed, its disk is failed in the next one, its trace kept until dismissed', async () => {
    const { client, pid, device, disk, path } = await attached();
    process.kill(pid, 'SIGKILL');
    await client.closed;
    const next = await connect();
    await until('the loop device is cleared', () => !isConfigured(device));
    const { disks } = await next.invoke('disks.list', {});
    expect(disks).toHaveLength(1);
    expect(disks[0]).toMatchObject({ id: disk.id, state: 'failed', device: null });
    expect(disks[0]?.failure?.message).toBe(
      `The daemon (process ${pid}) ended without detaching life.img (${disk.id}). Attach the image again to go on; check its file system first.`,
    );
    expect(existsSync(disk.tracePath)).toBe(true);
    const again = await next.invoke('disks.attach', { path, readOnly: false });
    expect(again.id).not.toBe(disk.id);
    expect((await next.invoke('disks.list', {})).disks.map(({ id }) => id)).toEqual([again.id]);
    expect(existsSync(disk.tracePath)).toBe(false);
    next.close();
  });

  test('killed while mounted, the leftover is named until it is unmounted', async () => {
    const { client, pid, device, disk } = await attached();
    await command('mkfs.ext4', '-q', '-F', device);
    await command('mount', device, workspace.mountPoint);
    process.kill(pid, 'SIGKILL');
    await client.closed;
    const next = await connect();
    const [failed] = (await next.invoke('disks.list', {})).disks;
    expect(failed).toMatchObject({ state: 'failed', device });
    expect(failed?.notes.join()).toContain(`${device} is mounted at ${workspace.mountPoint}`);
    await expect(next.invoke('disks.dismiss', { disk: disk.id })).rejects.toMatchObject({
      value: { code: 'DISK_BUSY' },
    });
    await command('umount', workspace.mountPoint).catch(() => undefined);
    await until('the loop device is gone', () => !isConfigured(device));
    expect((await next.invoke('disks.list', {})).disks[0]).toMatchObject({
      device: null,
      notes: [],
    });
    await next.invoke('disks.dismiss', { disk: disk.id });
    expect((await next.invoke('disks.list', {})).disks).toEqual([]);
    next.close();
  });

  test('detached behind its back with losetup, the disk is failed with that reason', async () => {
    const { client, device } = await attached();
    await client.invoke('watch', {});
    await command('losetup', '--detach', device);
    const failed = await until('it is told', async () => {
      const { disks } = await client.invoke('disks.list', {});
      return disks.find(({ state, device: left }) => state === 'failed' && left === null);
    });
    expect(failed.failure?.message).toContain(`${device} was detached, e.g. with losetup -d`);
    client.close();
  });

  test('its image cut short, it is not detached in silence, and can be given up', async () => {
    const { client, device, disk, path } = await attached();
    truncateSync(path, 4096);
    const refused = client.invoke('disks.detach', { disk: disk.id });
    await expect(refused).rejects.toMatchObject({ value: { code: 'DISK_FAILED', errno: 'EIO' } });
    await expect(refused).rejects.toThrow(`give that up: losetup -d ${device}.`);
    expect(isConfigured(device)).toBe(true);
    await command('losetup', '--detach', device);
    await until('it is failed', async () => {
      const { disks } = await client.invoke('disks.list', {});
      return disks.some(({ state }) => state === 'failed');
    });
    await client.invoke('disks.detach', { disk: disk.id });
    expect((await client.invoke('disks.list', {})).disks).toEqual([]);
    client.close();
  });

  test('its FUSE connection aborted, the disk is failed and nothing is left', async () => {
    const { client, device } = await attached();
    await abortFuse(device);
    const failed = await until('it is told', async () => {
      const { disks } = await client.invoke('disks.list', {});
      return disks.find(({ state, device: left }) => state === 'failed' && left === null);
    });
    expect(failed.failure?.code).toBe('DISK_FAILED');
    expect(isConfigured(device)).toBe(false);
    client.close();
  });

  test('the payloads it kept and the image are read through it', async () => {
    const { client, device, disk } = await attached();
    const words = [`if=${device}`, 'of=/dev/null', 'bs=4096', 'skip=3', 'count=1', 'iflag=direct'];
    await command('dd', ...words, 'status=none');
    const sequence = await until('the payload is there', async () => {
      for (let number = 1n; number < 40n; number++) {
        const params = { disk: disk.id, sequence: number as never, offset: 0, length: 16 };
        const payload = await client.invoke('payload.read', params);
        if (!payload.kept) continue;
        const text = Buffer.from(payload.base64, 'base64').toString();
        if (text === '3'.padStart(16, '0')) return number;
      }
      return null;
    });
    expect(sequence).toBeGreaterThan(0n);
    const sector = 8n as never;
    const image = await client.invoke('image.read', { disk: disk.id, sector, length: 16 });
    expect(Buffer.from(image.base64, 'base64').toString()).toBe('1'.padStart(16, '0'));
    const past = client.invoke('image.read', {
      disk: disk.id,
      sector: 32767n,
      length: 513,
    });
    await expect(past).rejects.toMatchObject({ value: { code: 'PAYLOAD_RANGE' } });
    await expect(past).rejects.toThrow('which has 32768 sectors');
    client.close();
  });

  test('an image on a block device that is mounted is refused, naming the mount', async () => {
    const { client, device } = await attached();
    await command('mkfs.ext4', '-q', '-F', device);
    await command('mount', device, workspace.mountPoint);
    const refused = client.invoke('disks.attach', { path: device, readOnly: false });
    await expect(refused).rejects.toMatchObject({
      value: { code: 'IMAGE_IN_USE', holders: [{ kind: 'mount', name: workspace.mountPoint }] },
    });
    await workspace.unmount();
    // Free, it can be an image itself: a disk on a disk, detached in the right order.
    const upper = await client.invoke('disks.attach', { path: device, readOnly: false });
    expect(upper.imageKind).toBe('block-device');
    await expect(client.invoke('stop', { detachAll: false })).rejects.toThrow('still serves');
    client.close();
  });

  test('no room for the trace is told as that, and nothing is left', async () => {
    const { client } = await attached('first.img');
    client.close();
    const second = new Workspace();
    try {
      await command('mkdir', second.paths.directory);
      const options = ['-t', 'tmpfs', '-o', 'size=1m,mode=700', 'tmpfs'];
      await command('mount', ...options, second.paths.directory);
      const environment = second.environment();
      const cramped = await startDaemon({ daemonScript, environment });
      const path = second.image('a.img', 1);
      const attach = cramped.invoke('disks.attach', { path, readOnly: false });
      await expect(attach).rejects.toMatchObject({ value: { code: 'NO_SPACE', errno: 'ENOSPC' } });
      await expect(attach).rejects.toThrow('There is no room for the trace file');
      expect(readdirSync(second.paths.traces)).toEqual([]);
      const { pid } = await cramped.invoke('hello', {});
      await cramped.invoke('stop', { detachAll: false });
      await until('it ends', () => !isAlive(pid));
      cramped.close();
    } finally {
      await command('umount', '-l', second.paths.directory);
      await second.end();
    }
  });
});
