import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  describeHolders,
  scanFileHolders,
  scanHolders,
} from '../../../app/daemon/holders/scan-holders';
import {
  configuredLoops,
  deviceNumber,
  deviceNumberText,
  partitionsOf,
} from '../../../app/daemon/system/block-devices';
import { parseMountTable } from '../../../app/daemon/system/mount-table';
import type { SystemRoots } from '../../../app/daemon/system/roots';

let directory: string;
let roots: SystemRoots;

function put(path: string, text: string): void {
  const full = join(directory, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
}

function link(path: string, target: string): void {
  const full = join(directory, path);
  mkdirSync(dirname(full), { recursive: true });
  symlinkSync(target, full);
}

const mountLine = (device: string, mountPoint: string, source: string) =>
  `36 25 ${device} / ${mountPoint} rw,relatime shared:1 - ext4 ${source} rw\n`;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bioscope-test-'));
  roots = { proc: join(directory, 'proc'), sys: join(directory, 'sys') };
  put('sys/class/block/loop3/dev', '7:3\n');
  for (const [index, minor] of [
    [1, 0],
    [2, 1],
    [10, 2],
  ]) {
    put(`sys/class/block/loop3/loop3p${index}/partition`, `${index}\n`);
    put(`sys/class/block/loop3p${index}/dev`, `259:${minor}\n`);
  }
  put('proc/self/mountinfo', mountLine('8:1', '/', '/dev/sda1'));
  link('proc/self/ns/mnt', 'mnt:[1]');
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const scan = () => scanHolders('/dev/loop3', { roots });

describe('scanHolders', () => {
  test('finds nobody where there is nobody', async () => {
    expect(await scan()).toEqual([]);
    expect(await scanHolders('/dev/loop4', { roots })).toEqual([]);
  });

  test('finds mounts of the device and its partitions, with odd characters in the path', async () => {
    put(
      'proc/self/mountinfo',
      mountLine('7:3', '/mnt/a\\040b\\134c', '/dev/loop3') +
        mountLine('259:1', '/two', '/dev/loop3p2') +
        mountLine('7:4', '/not-ours', '/dev/loop4'),
    );
    expect(await scan()).toEqual([
      { kind: 'mount', device: '/dev/loop3', name: '/mnt/a b\\c', pid: null },
      { kind: 'mount', device: '/dev/loop3p2', name: '/two', pid: null },
    ]);
  });

  test('finds a btrfs, which has a device number of its own', async () => {
    put('proc/self/mountinfo', mountLine('0:77', '/btrfs', '/dev/loop3p1'));
    expect(await scan()).toEqual([
      { kind: 'mount', device: '/dev/loop3p1', name: '/btrfs', pid: null },
    ]);
  });

  test('finds a mount of another namespace once, and says whose it is', async () => {
    for (const pid of [50, 51]) {
      put(`proc/${pid}/mountinfo`, mountLine('7:3', '/inside', '/dev/loop3'));
      link(`proc/${pid}/ns/mnt`, 'mnt:[2]');
    }
    const holders = await scan();
    expect(holders).toEqual([
      { kind: 'mount', device: '/dev/loop3', name: '/inside', pid: expect.any(Number) as number },
    ]);
    expect(describeHolders(holders)).toMatch(
      /^\/dev\/loop3 is mounted at \/inside \(in the mount namespace of process 5[01]\)$/,
    );
  });

  test('finds swap', async () => {
    put('proc/swaps', 'Filename Type Size Used Priority\n/dev/loop3p2 partition 1 0 -2\n');
    expect(await scan()).toEqual([
      { kind: 'swap', device: '/dev/loop3p2', name: '/dev/loop3p2', pid: null },
    ]);
  });

  test('finds device mapper devices by their names, and loop devices on top', async () => {
    put('sys/class/block/loop3/holders/dm-0/dev', '');
    put('sys/class/block/dm-0/dm/name', 'vault\n');
    put('sys/block/loop9/loop/backing_file', '/dev/loop3p1\n');
    expect((await scan()).map(({ device, name }) => [device, name])).toEqual([
      ['/dev/loop3', '/dev/mapper/vault'],
      ['/dev/loop3p1', '/dev/loop9'],
    ]);
  });

  test('passes over processes that it may not look at, and those without the device', async () => {
    mkdirSync(join(directory, 'proc/60'));
    link('proc/61/fd/3', '/dev/null');
    link('proc/61/fd/4', 'socket:[1]');
    expect(await scan()).toEqual([]);
  });
});

test('a process that has a file open is found by the real /proc', async () => {
  const file = join(directory, 'open.img');
  writeFileSync(file, '');
  const child = spawn('sh', ['-c', 'exec 9<"$0"; echo ready; read word', file], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  try {
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const { pid } = child;
    expect(await scanFileHolders(file)).toEqual([
      { kind: 'process', device: file, name: 'sh', pid },
    ]);
    expect(await scanFileHolders(file, { ignoredPid: pid ?? 0 })).toEqual([]);
    expect(describeHolders(await scanFileHolders(file))).toBe(
      `${file} is open in sh (process ${pid ?? 0})`,
    );
  } finally {
    child.stdin.end();
  }
});

test('partitions are listed in the order of their numbers', () => {
  expect(partitionsOf('/dev/loop3', roots)).toEqual([
    '/dev/loop3p1',
    '/dev/loop3p2',
    '/dev/loop3p10',
  ]);
});

test('only loop devices with a backing file count as configured', () => {
  put('sys/block/loop1/loop/backing_file', '/a b.img\n');
  put('sys/block/loop2/size', '0\n');
  put('sys/block/sda/size', '1\n');
  expect(configuredLoops(roots)).toEqual([{ device: '/dev/loop1', backingFile: '/a b.img' }]);
});

test('device numbers have the C library’s encoding, large ones too', () => {
  expect(deviceNumber('7:3')).toBe(0x703n);
  expect(deviceNumber('259:300')).toBe(0x11032cn);
  for (const text of ['7:3', '259:300', '4097:1048575']) {
    expect(deviceNumberText(deviceNumber(text))).toBe(text);
  }
});

test('a mount table with optional fields, none, and a torn line is read', () => {
  const text =
    '1 2 8:1 / / rw shared:1 master:2 - ext4 /dev/sda1 rw\n' +
    '3 1 0:5 / /proc rw - proc proc rw\n' +
    'torn\n';
  expect(parseMountTable(text)).toEqual([
    { device: '8:1', mountPoint: '/', type: 'ext4', source: '/dev/sda1' },
    { device: '0:5', mountPoint: '/proc', type: 'proc', source: 'proc' },
  ]);
});
