/** Exports, each read by the program that it is for, where a machine like CI has it. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  CATEGORY_SHIFT,
  EVENT_BYTES,
  EVENT_MAGIC,
  blkAction,
  blkCategory,
  eventAt,
} from '../../../app/capture/blktrace-format';
import { exportCapture } from '../../../app/capture/export/exporters';
import { requestsOf } from '../../../app/capture/export/requests';
import { CaptureFile } from '../../../app/capture/file';
import { importBlktrace } from '../../../app/capture/import/blktrace';
import { CaptureWriter } from '../../../app/capture/writer';
import type { ExportFormat } from '../../../app/contract/capture';
import type { TraceRecord } from '../../../app/contract/trace';
import { DISCARD, FLUSH, READ, WRITE, completed, requests, writeSample } from './sample';
import { addAll, checksum, header, recordsOf } from './support';

const patience = { timeout: 120_000 };
const MIB = 1 << 20;
let directory = '';
let file: CaptureFile;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bioscope-capture-'));
  const path = join(directory, 'x.bioscope');
  await writeSample(path);
  file = await CaptureFile.open(path, checksum);
});
afterAll(() => {
  file.close();
  rmSync(directory, { recursive: true });
});

function exported(format: ExportFormat): string {
  return exportCapture(file, format, join(directory, `out.${format}`), true).path;
}

const run = (program: string, ...words: string[]): string =>
  execFileSync(program, words, {
    cwd: directory,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });

test('requests come in the order of arrival, whatever the batches', () => {
  const sequences = [...requestsOf(file)].map(({ sequence }) => sequence);
  expect(sequences).toEqual(requests.map(({ sequence }) => sequence));
  expect(completed.map(({ fields: { sequence } }) => sequence)).not.toEqual(sequences);
});

test('fio replays the iolog: the same requests, and only those', patience, () => {
  const image = join(directory, 'disk.img');
  writeFileSync(image, Buffer.alloc(2 * MIB));
  const report = JSON.parse(
    run(
      'fio',
      '--name=replay',
      `--read_iolog=${exported('iolog')}`,
      `--replay_redirect=${image}`,
      '--replay_no_stall=1',
      '--ioengine=psync',
      '--output-format=json',
    ),
  ) as { jobs: { error: number; read: Totals; write: Totals; trim: Totals }[] };
  interface Totals {
    total_ios: number;
    io_bytes: number;
  }
  const [job] = report.jobs;
  const sum = (operation: number) => {
    const some = requests.filter((one) => one.operation === operation);
    return {
      total_ios: some.length,
      io_bytes: some.reduce((total, { length }) => total + Number(length), 0),
    };
  };
  expect(job?.error).toBe(0);
  expect(job?.read).toMatchObject(sum(READ));
  expect(job?.write).toMatchObject(sum(WRITE));
  // A file cannot be trimmed by every fio; that they are there is what counts.
  const trims = readFileSync(exported('iolog'), 'utf8').match(/ trim /g) ?? [];
  expect(trims.length).toBe(sum(DISCARD).total_ios);
});

test('the iolog keeps the time between requests, in µs', () => {
  const lines = readFileSync(exported('iolog'), 'utf8').trimEnd().split('\n');
  expect(lines[0]).toBe('fio version 3 iolog');
  expect(lines.slice(3, 6)).toEqual([
    '0 /dev/loop7 read 0 4096',
    '100 /dev/loop7 write 20480 8192',
    '200 /dev/loop7 write 40960 12288',
  ]);
});

/** An event of blktrace's, of a write unless `category` says otherwise. */
function event(
  time: number | bigint,
  action: number,
  sector: number | bigint,
  sectors: number,
  error = 0,
  category: number = blkCategory.write,
): Buffer {
  const bytes = Buffer.alloc(EVENT_BYTES);
  bytes.writeUInt32LE(EVENT_MAGIC, eventAt.magic);
  bytes.writeBigUInt64LE(BigInt(time), eventAt.time);
  bytes.writeBigUInt64LE(BigInt(sector), eventAt.sector);
  bytes.writeUInt32LE(sectors * 512, eventAt.bytes);
  const what = (category << CATEGORY_SHIFT) >>> 0;
  bytes.writeUInt32LE(what + action, eventAt.action);
  bytes.writeUInt16LE(error & 0xffff, eventAt.error);
  return bytes;
}

describe('blktrace', () => {
  test('blkparse shows each request queued, issued and complete', patience, () => {
    exported('blktrace');
    const text = run('blkparse', '-i', 'out', '-f', 'EV %a %d %S %n %e %T.%t\n');
    const events = text
      .split('\n')
      .filter((line) => line.startsWith('EV '))
      .map((line) => line.split(' ').slice(1));
    expect(events.length).toBe(3 * requests.length);
    const completions = events.filter(([action]) => action === 'C');
    expect(completions.map(([, , sector]) => Number(sector))).toEqual(
      completed.map(({ fields: { sector } }) => Number(sector)),
    );
    expect(
      completions.filter(([, , , , error]) => error !== '0').map(([, , , , error]) => error),
      // As of the kernel's own: blkparse shows -EIO without its sign.
    ).toEqual(['65531']);
    const directions = new Set(events.map(([, direction]) => direction));
    expect([...directions].sort()).toEqual(['D', 'FW', 'R', 'W', 'WFS']);
    // blktrace counts from the first event.
    expect(events[0]?.[5]).toBe('0.000000000');
    expect(text).toContain('Reads Queued:');
  });

  test('btt computes their latencies', patience, () => {
    exported('blktrace');
    run('blkparse', '-i', 'out', '-O', '-d', 'out.bin');
    const [line = ''] = /^D2C .*$/m.exec(run('btt', '-i', 'out.bin')) ?? [];
    const [, least, , most, count] = line.split(/\s+/);
    expect(Number(least)).toBeCloseTo(0.000017, 9);
    expect(Number(most)).toBeCloseTo(0.000147, 9);
    expect(Number(count)).toBeGreaterThan(0);
  });

  test('what was exported is imported again as the same requests', async () => {
    exported('blktrace');
    const target = join(directory, 'again.bioscope');
    const { requests: count } = await importBlktrace(
      join(directory, 'out'),
      target,
      true,
      'test',
      checksum,
    );
    expect(count).toBe(requests.length);
    const again = await CaptureFile.open(target, checksum);
    const shape = (one: TraceRecord) => [
      one.operation,
      one.sector,
      one.length,
      one.completion - one.arrival,
      one.backendDelay,
      one.error,
      one.flags,
    ];
    expect([...requestsOf(again)].map(shape)).toEqual([...requestsOf(file)].map(shape));
    const [first] = requestsOf(again);
    const [original] = requestsOf(file);
    const realtime = (
      one: TraceRecord | undefined,
      { epochMonotonicNs, epochRealtimeNs }: CaptureFile['header'],
    ) => (one?.arrival ?? 0n) - epochMonotonicNs + epochRealtimeNs;
    expect(realtime(first, again.header)).toBe(realtime(original, file.header));
    again.close();
  });

  test('what was merged or requeued is one request, from its first queueing', async () => {
    const { queue, backMerge, frontMerge, requeue, issue, complete } = blkAction;
    const events = [
      event(10, queue, 100, 8),
      event(20, queue, 108, 8),
      event(21, backMerge, 108, 8),
      event(30, queue, 92, 8),
      event(31, frontMerge, 92, 8),
      event(40, issue, 92, 24),
      event(41, requeue, 92, 24),
      event(50, issue, 92, 24),
      event(60, complete, 92, 24, -5),
      // Where merged ones began: these are their own.
      event(70, queue, 108, 8),
      event(71, issue, 108, 8),
      event(80, complete, 108, 8),
      event(90, queue, 100, 8),
      event(91, issue, 100, 8),
      event(95, complete, 100, 8),
    ];
    writeFileSync(join(directory, 'merged.blktrace.0'), Buffer.concat(events));
    const target = join(directory, 'merged.bioscope');
    const made = await importBlktrace(join(directory, 'merged'), target, true, 'test', checksum);
    expect(made).toEqual({ requests: 3, remarks: [] });
    const merged = await CaptureFile.open(target, checksum);
    expect(
      [...requestsOf(merged)].map((one) =>
        [one.sector, one.length, one.arrival, one.backendDelay, one.completion, one.error].map(
          Number,
        ),
      ),
    ).toEqual([
      [92, 24 * 512, 10, 40, 60, 5],
      [108, 8 * 512, 70, 1, 80, 0],
      [100, 8 * 512, 90, 1, 95, 0],
    ]);
    merged.close();
  });

  test('a flush at no sector is at 0; what no device can have is left out, and said', async () => {
    const { queue, issue, complete } = blkAction;
    const nowhere = (1n << 64n) - 1n;
    const far = 1n << 53n;
    const whole = (at: bigint, sector: bigint, sectors: number, category?: number) => [
      event(at, queue, sector, sectors, 0, category),
      event(at + 5n, issue, sector, sectors, 0, category),
      event(at + 9n, complete, sector, sectors, 0, category),
    ];
    const events = [
      ...whole(10n, 8n, 8),
      // Queued as a bio, which is at sector 0, and issued as a request, which has none.
      event(20, queue, 0, 0, 0, blkCategory.flush),
      event(25, issue, nowhere, 0, 0, blkCategory.flush),
      event(29, complete, nowhere, 0, 0, blkCategory.flush),
      ...whole(30n, nowhere, 8),
      ...whole(40n, far - 4n, 8),
      ...whole(50n, far - 8n, 8),
      ...whole(1n << 63n, 8n, 8),
    ];
    const importing = (name: string, all: readonly Buffer[]) => {
      writeFileSync(join(directory, `${name}.blktrace.0`), Buffer.concat(all));
      const target = join(directory, `${name}.bioscope`);
      return importBlktrace(join(directory, name), target, true, 'test', checksum);
    };
    expect(await importing('old', events)).toEqual({
      requests: 3,
      remarks: [
        '3 requests that no block device can have are left out; the first begins at sector 18446744073709551615, where no disk reaches.',
      ],
    });
    const old = await CaptureFile.open(join(directory, 'old.bioscope'), checksum);
    const seen = [...requestsOf(old)].map((one) => [
      one.sequence,
      one.operation,
      one.sector,
      one.length,
      one.completion - one.arrival,
    ]);
    expect(seen).toEqual([
      [1n, WRITE, 8n, 4096n, 9n],
      [2n, FLUSH, 0n, 0n, 9n],
      [3n, WRITE, far - 8n, 4096n, 9n],
    ]);
    old.close();
    await expect(importing('far', whole(10n, far, 8))).rejects.toThrow(
      'has no request that a block device can have; the first begins at sector 9007199254740992,',
    );
  });

  test('what is no trace is refused, what is not there too', async () => {
    writeFileSync(join(directory, 'bad.blktrace.0'), Buffer.alloc(480, 1));
    const into = (source: string) =>
      importBlktrace(
        join(directory, source),
        join(directory, 'bad.bioscope'),
        true,
        'test',
        checksum,
      );
    await expect(into('bad')).rejects.toThrow(
      "is no trace of blktrace's: at byte 0 no event begins",
    );
    await expect(into('none')).rejects.toMatchObject({ value: { code: 'FILE_UNREADABLE' } });
  });
});

test('what is exported or imported never replaces what it is read from', async () => {
  const before = readFileSync(file.path);
  expect(() => exportCapture(file, 'csv', file.path, true)).toThrow(
    'is the capture itself. Choose another name.',
  );
  expect(readFileSync(file.path).equals(before)).toBe(true);
  const trace = exported('blktrace');
  await expect(importBlktrace(trace, trace, true, 'test', checksum)).rejects.toThrow(
    'is part of the trace itself. Choose another name.',
  );
  expect(readFileSync(trace).length).toBeGreaterThan(0);
});

test('what is replaced stays until there is something whole in its place', async () => {
  const path = join(directory, 'kept.bioscope');
  const writer = await CaptureWriter.create(path, header, checksum);
  await addAll(writer, recordsOf(requests));
  await writer.finish();
  const bare = await CaptureFile.open(path, checksum);
  const target = join(directory, 'kept.log');
  writeFileSync(target, 'before');
  expect(() => exportCapture(bare, 'log-writes', target, true)).toThrow('lacks the bytes');
  expect(readFileSync(target, 'utf8')).toBe('before');
  expect(existsSync(`${target}.part`)).toBe(false);
  exportCapture(bare, 'csv', target, true);
  expect(readFileSync(target, 'utf8')).toMatch(/^sequence,/);
  expect(existsSync(`${target}.part`)).toBe(false);
  bare.close();
});

test("the log of writes, replayed by the kernel's description, gives the disk", () => {
  const log = readFileSync(exported('log-writes'));
  expect(log.readBigUInt64LE(0)).toBe(0x6a736677736872n);
  expect(log.readBigUInt64LE(8)).toBe(1n);
  expect(log.readUInt32LE(24)).toBe(512);
  const entries = Number(log.readBigUInt64LE(16));
  const disk = Buffer.alloc(2 * MIB);
  const flushed: number[] = [];
  let place = 512;
  for (let entry = 0; entry < entries; entry++) {
    const [sector, sectors, flags] = [0, 8, 16].map((offset) =>
      Number(log.readBigUInt64LE(place + offset)),
    );
    if (sector === undefined || sectors === undefined || flags === undefined)
      throw new RangeError();
    place += 512;
    if ((flags & 1) !== 0) flushed.push(entry);
    if ((flags & 4) !== 0) disk.fill(0, sector * 512, (sector + sectors) * 512);
    else {
      log.copy(disk, sector * 512, place, place + sectors * 512);
      place += sectors * 512;
    }
  }
  expect(place).toBe(log.length);
  const good = completed.filter(({ fields: { error } }) => error === undefined);
  expect(entries).toBe(good.filter(({ fields: { operation } }) => operation !== READ).length);
  expect(flushed.length).toBe(
    requests.filter(({ operation, error }) => operation === FLUSH && !error).length,
  );
  // No two that overlap are in flight at once here, so the order of completion decides.
  const expected = Buffer.alloc(2 * MIB);
  for (const { fields, payload } of good) {
    const start = Number(fields.sector) * 512;
    if (fields.operation === DISCARD) expected.fill(0, start, start + Number(fields.length));
    else payload?.copy(expected, start);
  }
  expect(disk.equals(expected)).toBe(true);
});

test('a log of writes whose bytes were not recorded is refused', async () => {
  const path = join(directory, 'bare.bioscope');
  const writer = await CaptureWriter.create(path, header, checksum);
  await addAll(writer, recordsOf(requests));
  await writer.finish();
  const bare = await CaptureFile.open(path, checksum);
  const target = join(directory, 'bare.log');
  expect(() => exportCapture(bare, 'log-writes', target, false)).toThrow(
    'lacks the bytes of request 2, a write: a log of writes needs all of them. Record with --payloads writes.',
  );
  expect(() => readFileSync(target)).toThrow('ENOENT');
  bare.close();
});

test('CSV and JSON lines have every request, 64-bit numbers whole', () => {
  const [head, ...rows] = readFileSync(exported('csv'), 'utf8').trimEnd().split('\n');
  expect(head).toBe(
    'sequence,time_ns,operation,sector,length,flags,latency_ns,backend_delay_ns,result,errno,queue,depth,injected',
  );
  expect(rows.length).toBe(requests.length);
  expect(rows[1]).toBe('2,1700000000000105000,write,40,8192,SYNC|FUA,20000,3000,ok,,0,2,0');
  expect(rows[99]).toMatch(/,error,EIO,/);
  const lines = readFileSync(exported('json'), 'utf8').trimEnd().split('\n');
  expect(lines.length).toBe(requests.length);
  expect(JSON.parse(lines[1] ?? '')).toMatchObject({
    sequence: '2',
    realtime: '1700000000000105000',
    operation: 'write',
    flags: ['SYNC', 'FUA'],
  });
});

// The trace viewer itself reads it in test/e2e/trace-viewer.test.ts.
test("Perfetto's trace has a slice from arrival to completion for each request", () => {
  const trace = JSON.parse(readFileSync(exported('perfetto'), 'utf8')) as {
    traceEvents: { ph: string; id?: string; ts: number; name: string }[];
  };
  const begins = new Map<string, number>();
  const slices = new Map<string, number>();
  for (const { ph, id = '', ts } of trace.traceEvents) {
    if (ph === 'b') begins.set(id, ts);
    if (ph === 'e') slices.set(id, ts - (begins.get(id) ?? NaN));
  }
  expect(slices.size).toBe(requests.length);
  for (const { sequence, arrival, completion } of requests) {
    expect(slices.get(String(sequence))).toBeCloseTo(Number(completion - arrival) / 1000, 6);
  }
});
