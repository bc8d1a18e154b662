import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CaptureFile } from '../../../app/capture/file';
import { CaptureTraceReader } from '../../../app/capture/trace-reader';
import { CaptureWriter } from '../../../app/capture/writer';
import { RECORD_BYTES } from '../../../app/contract/trace';
import { addAll, checksum, header, madeUp } from './support';

let directory = '';
let path = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bioscope-capture-'));
  path = join(directory, 'x.bioscope');
});
afterEach(() => rmSync(directory, { recursive: true }));

async function write(...parts: readonly ArrayBuffer[]): Promise<void> {
  const writer = await CaptureWriter.create(path, header, checksum);
  for (const part of parts) {
    await addAll(writer, part);
    while (!writer.flush()) await writer.idle();
  }
  await writer.finish();
}

function readAll(file: CaptureFile, disk = 3): Buffer {
  const parts = file.batches.map(({ head: { rows } }, index) => {
    const records = new ArrayBuffer(rows * RECORD_BYTES);
    file.copyRecords(index, 0, rows, records, disk);
    return Buffer.from(records);
  });
  return Buffer.concat(parts);
}

describe('a capture', () => {
  test('gives back every bit of its records, and its header', async () => {
    const [small, large] = [madeUp(1, 1000), madeUp(1001, 66_000)];
    await write(small, large);
    const file = await CaptureFile.open(path, checksum);
    expect(file.header).toEqual(header);
    expect(file.isComplete).toBe(true);
    expect(file.bytesIgnored).toBe(0);
    expect(file.totals).toEqual({ rows: 67_000, lost: 0, payloadsDropped: 0 });
    // 66,000 rows are more than one batch holds; the first batch is the header's.
    expect(file.batches.map(({ head: { rows } }) => rows)).toEqual([0, 1000, 65_536, 464]);
    expect(readAll(file).equals(Buffer.concat([Buffer.from(small), Buffer.from(large)]))).toBe(
      true,
    );
    file.close();
  });

  test('that is removed while it is recorded is no success', async () => {
    const writer = await CaptureWriter.create(path, header, checksum);
    await addAll(writer, madeUp(1, 100));
    rmSync(path);
    await expect(writer.finish()).rejects.toThrow(
      `${path} was removed while it was recorded: what was in it is lost.`,
    );
  });

  test('gives back payloads by sequence, in part too, and null for a row without', async () => {
    const payloads = [null, Buffer.from('first'), Buffer.alloc(0), null, Buffer.alloc(100_000, 7)];
    const writer = await CaptureWriter.create(path, header, checksum);
    await addAll(writer, madeUp(1, 5), payloads);
    await writer.finish();
    const file = await CaptureFile.open(path, checksum);
    const read = (sequence: bigint, offset = 0, length = 1 << 20) => {
      const payload = file.readPayload(sequence, offset, length);
      return payload && { total: payload.total, bytes: Buffer.from(payload.bytes).toString() };
    };
    expect(read(1n)).toBeNull();
    expect(read(2n)).toEqual({ total: 5, bytes: 'first' });
    expect(read(2n, 1, 3)).toEqual({ total: 5, bytes: 'irs' });
    expect(read(3n)).toEqual({ total: 0, bytes: '' });
    expect(read(5n, 99_990, 20)?.bytes).toBe('\u0007'.repeat(10));
    expect(read(6n)).toBeNull();
    file.close();
  });

  test('counts what was lost, even behind the last record', async () => {
    const writer = await CaptureWriter.create(path, header, checksum);
    await addAll(writer, madeUp(1, 10));
    if (writer.staging) writer.staging.payloadsDropped = 2;
    while (!writer.flush()) await writer.idle();
    await writer.idle();
    writer.staging?.addLost(7);
    expect(await writer.finish()).toMatchObject({ rows: 10, lost: 7, payloadsDropped: 2 });
    const file = await CaptureFile.open(path, checksum);
    expect(file.totals).toEqual({ rows: 10, lost: 7, payloadsDropped: 2 });
    file.close();
  });

  test('cut anywhere gives all of its whole batches and says that it is not complete', async () => {
    await write(madeUp(1, 100), madeUp(101, 100), madeUp(201, 100));
    const whole = await CaptureFile.open(path, checksum);
    const ends = whole.batches.map(({ position, layout }) => position + layout.total);
    whole.close();
    const { size } = statSync(path);
    const [headerEnd = 0] = ends;
    for (let cut = size - 1; cut >= headerEnd; cut -= 97) {
      truncateSync(path, cut);
      const file = await CaptureFile.open(path, checksum);
      const batches = ends.filter((end) => end <= cut).length;
      expect(file.batches.length).toBe(batches);
      expect(file.isComplete).toBe(false);
      expect(file.bytesIgnored).toBe(cut - (ends[batches - 1] ?? 0));
      expect(readAll(file).length).toBe((batches - 1) * 100 * RECORD_BYTES);
      file.close();
    }
    truncateSync(path, headerEnd - 1);
    await expect(CaptureFile.open(path, checksum)).rejects.toMatchObject({
      value: { code: 'CAPTURE_FOREIGN' },
    });
  });

  test('whose end a crash left as zeroes is one that was cut', async () => {
    await write(madeUp(1, 100));
    const bytes = readFileSync(path);
    writeFileSync(path, Buffer.concat([bytes.subarray(0, -8), Buffer.alloc(10_000)]));
    const file = await CaptureFile.open(path, checksum);
    expect(file.isComplete).toBe(false);
    expect(file.totals.rows).toBe(100);
    file.close();
  });

  test('one of whose batches a crash left as zeroes is cut there', async () => {
    await write(madeUp(1, 100), madeUp(101, 100));
    const whole = await CaptureFile.open(path, checksum);
    const place = whole.batches[2]?.position ?? 0;
    whole.close();
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(0, place, bytes.length - 8));
    const file = await CaptureFile.open(path, checksum);
    expect([file.isComplete, file.totals.rows]).toEqual([false, 100]);
    file.close();
  });

  test('with any bit turned is told from a whole one', async () => {
    await write(madeUp(1, 50));
    const good = readFileSync(path);
    // Every byte that means something; the last 8 end the stream.
    for (let place = 0; place < good.length - 8; place += 13) {
      const bad = Buffer.from(good);
      bad.writeUInt8(bad.readUInt8(place) ^ (1 << (place % 8)), place);
      writeFileSync(path, bad);
      const noticed = await CaptureFile.open(path, checksum).then(
        (file) => {
          try {
            return !file.isComplete || readAll(file).length !== 50 * RECORD_BYTES;
          } catch {
            return true;
          } finally {
            file.close();
          }
        },
        () => true,
      );
      expect(noticed, `bit of byte ${place}`).toBe(true);
    }
  });

  test('with a damaged batch names it', async () => {
    await write(madeUp(1, 50), madeUp(51, 50));
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1000) ^ 1, bytes.length - 1000);
    writeFileSync(path, bytes);
    const file = await CaptureFile.open(path, checksum);
    expect(() => file.records(2)).toThrow(
      `${path} is damaged: the checksum of batch 3 (requests 51 to 100) does not match.`,
    );
    expect(file.records(1).rows).toBe(50);
    file.close();
  });

  test('with a damaged batch is followed past it, its rows counted as lost', async () => {
    await write(madeUp(1, 50), madeUp(51, 50), madeUp(101, 50));
    const whole = await CaptureFile.open(path, checksum);
    const place = (whole.batches[2]?.position ?? 0) + 1000;
    whole.close();
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(place) ^ 1, place);
    writeFileSync(path, bytes);
    const target = new ArrayBuffer(30 * RECORD_BYTES);
    const strict = new CaptureTraceReader(await CaptureFile.open(path, checksum), 3);
    expect([strict.read(target).count, strict.read(target).count]).toEqual([30, 20]);
    expect(() => strict.read(target)).toThrow('batch 3 (requests 51 to 100)');
    strict.close();
    const reader = new CaptureTraceReader(await CaptureFile.open(path, checksum), 3, 'skip');
    const reads = Array.from({ length: 5 }, () => reader.read(target));
    expect(reads.map(({ count, lost }) => [count, lost])).toEqual([
      [30, 0n],
      [20, 0n],
      [30, 50n],
      [20, 0n],
      [0, 0n],
    ]);
    reader.close();
  });

  test('of a newer version is refused as such', async () => {
    await write(madeUp(1, 5));
    const bytes = readFileSync(path);
    const head = bytes.indexOf('bioscap\0');
    bytes.writeUInt32LE(2, head + 8);
    bytes.writeUInt32LE(0, head + 28);
    bytes.writeUInt32LE(checksum(bytes.subarray(head, head + 64), 0), head + 28);
    writeFileSync(path, bytes);
    await expect(CaptureFile.open(path, checksum)).rejects.toThrow(
      `${path} was recorded by a newer version of Bioscope. Open it with that one, or a later one.`,
    );
  });

  test('is not: an empty file, a directory, an image, a missing file', async () => {
    writeFileSync(path, '');
    await expect(CaptureFile.open(path, checksum)).rejects.toMatchObject({
      value: { code: 'CAPTURE_FOREIGN' },
    });
    writeFileSync(path, Buffer.alloc(1 << 20, 0xff));
    await expect(CaptureFile.open(path, checksum)).rejects.toThrow("is no capture of Bioscope's");
    await expect(CaptureFile.open(directory, checksum)).rejects.toMatchObject({
      value: { code: 'CAPTURE_FOREIGN' },
    });
    await expect(CaptureFile.open(`${path}.no`, checksum)).rejects.toThrow('does not exist');
  });
});

describe('writing a capture', () => {
  test('never overwrites, unless told to', async () => {
    await write(madeUp(1, 5));
    await expect(CaptureWriter.create(path, header, checksum)).rejects.toThrow(
      `${path} exists already. Choose another name, or remove it first.`,
    );
    const writer = await CaptureWriter.create(path, header, checksum, true);
    await writer.finish();
    const file = await CaptureFile.open(path, checksum);
    expect(file.totals.rows).toBe(0);
    file.close();
  });

  test('to a directory that is not there says so', async () => {
    await expect(
      CaptureWriter.create(join(directory, 'none', 'x'), header, checksum),
    ).rejects.toMatchObject({ value: { code: 'FILE_NOT_WRITABLE', errno: 'ENOENT' } });
  });

  test('is readable by the last flush while it goes on', async () => {
    const writer = await CaptureWriter.create(path, header, checksum);
    await addAll(writer, madeUp(1, 500));
    writer.flush();
    await writer.idle();
    await addAll(writer, madeUp(501, 500));
    const file = await CaptureFile.open(path, checksum);
    expect(file.totals.rows).toBe(500);
    expect(file.isComplete).toBe(false);
    file.close();
    await writer.finish();
  });
});
