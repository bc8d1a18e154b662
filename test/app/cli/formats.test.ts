import { describe, expect, test } from 'vitest';
import { listLines } from '../../../app/cli/commands/list';
import { selectDisk } from '../../../app/cli/select-disk';
import { formatSize, onOneLine, table } from '../../../app/cli/table';
import { clockTime, duration, humanFormat } from '../../../app/cli/trace/human-format';
import { isoTime, jsonFormat } from '../../../app/cli/trace/json-format';
import type { Disk } from '../../../app/contract/disk';
import type { TraceRecord } from '../../../app/contract/trace';
import { bytes, diskId, nanoseconds, sector, sequence } from '../../../app/contract/units';
import * as wire from '../../../app/contract/wire.gen';

const disk: Disk = {
  id: diskId('d3'),
  number: 3,
  name: 'a.img',
  imagePath: '/images/a.img',
  imageKind: 'file',
  size: bytes(64 << 20),
  tail: bytes(0),
  readOnly: false,
  route: 'fuse-loop',
  state: 'attached',
  failure: null,
  device: '/dev/loop3',
  partitions: [],
  holders: [],
  fuseFile: null,
  tracePath: '/run/d3.trace',
  attachedAt: 0,
  notes: [],
};

const record: TraceRecord = {
  sequence: sequence(2n ** 60n),
  arrival: nanoseconds(1_000_000n),
  completion: nanoseconds(1_012_345n),
  sector: sector(2048),
  length: bytes(4096),
  flags: wire.DM_USER_FLAG_SYNC | wire.DM_USER_FLAG_FUA,
  backendDelay: 250,
  queue: 1,
  depth: 2,
  error: 0,
  operation: wire.DM_USER_REQUEST_WRITE,
  result: wire.BIOSCOPE_RESULT_OK,
  route: wire.BIOSCOPE_ROUTE_FUSE_LOOP,
  marks: wire.BIOSCOPE_MARK_PAYLOAD,
  disk: 3,
};
const realtime = 1_700_000_000_123_456_789n;

describe('columns for reading', () => {
  test('line up under their titles, each cell one word', () => {
    const format = humanFormat();
    const [header] = format.header();
    const line = format.request(disk, { ...record, sequence: sequence(7) }, realtime);
    expect(header).toBe(
      'TIME            DISK        SEQ OP            SECTOR     LENGTH FLAGS         LATENCY RESULT',
    );
    expect(line.split(/\s+/).slice(1)).toEqual([
      'd3',
      '7',
      'write',
      '2048',
      '4096',
      'SYNC|FUA',
      '12.3µs',
      'ok',
    ]);
    expect(line.indexOf('2048') + 4).toBe(header!.indexOf('SECTOR') + 6);
    expect(line.indexOf('12.3µs') + 6).toBe(header!.indexOf('LATENCY') + 7);
  });

  test('line up for the longest length too', () => {
    const format = humanFormat();
    const discard = { ...record, sequence: sequence(7), length: bytes(2n ** 32n - 512n) };
    const usual = format.request(disk, { ...record, sequence: sequence(7) }, realtime);
    const long = format.request(disk, discard, realtime);
    expect(long).toContain(' 4294966784 SYNC|FUA ');
    expect(long.indexOf('SYNC')).toBe(usual.indexOf('SYNC'));
  });

  test('an error shows its errno, an operation of two words becomes one', () => {
    const failed = { ...record, error: 28, result: wire.BIOSCOPE_RESULT_ERROR };
    expect(humanFormat().request(disk, failed, realtime)).toMatch(/ENOSPC$/);
    const zone = { ...record, operation: wire.DM_USER_REQUEST_ZONE_RESET, flags: 0 };
    expect(humanFormat().request(disk, zone, realtime).split(/\s+/)).toContain('zone-reset');
  });

  test('times and durations', () => {
    expect(clockTime(realtime)).toMatch(/^\d\d:\d\d:20\.123456$/);
    expect([0n, 999n, 1000n, 12_345n, 4_560_000n, 1_200_000_000n].map(duration)).toEqual([
      '0ns',
      '999ns',
      '1.0µs',
      '12.3µs',
      '4.56ms',
      '1.20s',
    ]);
  });
});

test('JSON has every field, 64-bit numbers as decimal strings', () => {
  expect(JSON.parse(jsonFormat().request(disk, record, realtime))).toEqual({
    type: 'request',
    disk: 'd3',
    sequence: '1152921504606846976',
    time: '2023-11-14T22:13:20.123456789Z',
    arrival: '1000000',
    completion: '1012345',
    latency: '12345',
    backendDelay: 250,
    operation: 'write',
    sector: '2048',
    length: '4096',
    flags: ['SYNC', 'FUA'],
    result: 'ok',
    error: null,
    injected: false,
    payload: true,
    route: 'fuse-loop',
    queue: 1,
    depth: 2,
  });
  expect(isoTime(5n)).toBe('1970-01-01T00:00:00.000000005Z');
});

test('lost records and ends are told in both forms', () => {
  expect(humanFormat().lost(disk, 12n)).toBe(
    '--- d3: 12 requests lost: overwritten before this program read them',
  );
  expect(humanFormat().ended(disk, 'detached')).toBe('--- d3: detached');
  expect(JSON.parse(jsonFormat().lost(disk, 12n))).toEqual({
    type: 'lost',
    disk: 'd3',
    count: '12',
  });
  expect(JSON.parse(jsonFormat().ended(disk, 'detached'))).toEqual({
    type: 'ended',
    disk: 'd3',
    reason: 'detached',
  });
});

describe('lists', () => {
  test('have a line a disk, and below them why a disk failed', () => {
    const failure = {
      code: 'DISK_FAILED',
      errno: null,
      message: 'It ended.',
      injected: false,
      holders: [],
    } as const;
    const failed: Disk = {
      ...disk,
      id: diskId('d12'),
      imagePath: '/b\nc.img',
      state: 'failed',
      device: null,
      readOnly: true,
      failure,
      notes: ['Unmount it.'],
    };
    expect(listLines([disk, failed])).toEqual([
      'ID   DEVICE      SIZE    MODE  STATE     IMAGE',
      'd3   /dev/loop3  64 MiB  rw    attached  /images/a.img',
      'd12  -           64 MiB  ro    failed    "/b\\nc.img"',
      'd12: It ended.',
      'd12: Unmount it.',
    ]);
    expect(listLines([])).toEqual(['no disks']);
  });

  test('sizes and tables', () => {
    expect([512n, 1024n, 1536n, 1n << 30n, 1n << 60n].map(formatSize)).toEqual([
      '512 B',
      '1 KiB',
      '1.5 KiB',
      '1 GiB',
      '1 EiB',
    ]);
    expect(
      table([
        ['a', 'bb'],
        ['ccc', ''],
      ]),
    ).toEqual(['a    bb', 'ccc']);
    expect(onOneLine('/a b')).toBe('/a b');
  });
});

describe('selectDisk', () => {
  const failed: Disk = { ...disk, id: diskId('d1'), state: 'failed', device: null };
  test('finds a disk by id, device or image; a served one before one that failed', () => {
    const disks = [failed, disk];
    expect(selectDisk(disks, 'd1')).toBe(failed);
    expect(selectDisk(disks, '/dev/loop3')).toBe(disk);
    expect(selectDisk(disks, '/images/../images/a.img')).toBe(disk);
  });
  test('says what it was looking for', () => {
    expect(() => selectDisk([disk], 'd9')).toThrow(
      'd9 is no attached disk: neither the id, nor the device, nor the image of one. "bioscope list" shows them.',
    );
  });
});
