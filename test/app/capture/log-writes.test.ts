/** The log of writes as the kernel's own dm-log-writes makes it (test/golden/dm-log-writes.hex). */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exportCapture } from '../../../app/capture/export/exporters';
import { CaptureFile } from '../../../app/capture/file';
import { CaptureWriter } from '../../../app/capture/writer';
import { SECTOR_BYTES } from '../../../app/contract/units';
import { golden } from '../../support/golden';
import { addAll, checksum, header, recordsOf } from './support';

const [WRITE, FLUSH, DISCARD] = [1, 2, 3];
const FUA = 0x200;
const MARK = 8n;
const LOG_BYTES = 8192;

let directory = '';
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'bioscope-log-writes-'))));
afterEach(() => rmSync(directory, { recursive: true }));

/** What the kernel was made to do, one after the other. */
const done = [
  { operation: WRITE, sector: 8, length: 512, text: 'a write of 512 bytes' },
  { operation: WRITE, sector: 32, length: 1024, text: 'a write of 1024 bytes' },
  { operation: FLUSH, sector: 0, length: 0 },
  { operation: WRITE, sector: 100, length: 512, flags: FUA, text: 'a write with FUA of 512 bytes' },
  { operation: FLUSH, sector: 0, length: 0 },
  { operation: DISCARD, sector: 128, length: 4096 },
  { operation: WRITE, sector: 400, length: 1024, text: 'the last write of 1024 bytes' },
];

/** A log's superblock with its number of entries, and its entries with their data, marks left out. */
function parse(log: Buffer): { superblock: Buffer; entries: Buffer[]; marks: number } {
  const superblock = log.subarray(0, SECTOR_BYTES);
  const entries: Buffer[] = [];
  let marks = 0;
  let place = SECTOR_BYTES;
  for (let left = superblock.readBigUInt64LE(16); left > 0n; left--) {
    const flags = log.readBigUInt64LE(place + 16);
    const isDiscard = (flags & 4n) !== 0n;
    const sectors = isDiscard ? 0 : Number(log.readBigUInt64LE(place + 8));
    const end = place + (1 + sectors) * SECTOR_BYTES;
    if (flags === MARK) marks++;
    else entries.push(log.subarray(place, end));
    place = end;
  }
  expect(place).toBe(log.length);
  return { superblock, entries, marks };
}

test("the log of writes is the kernel's, byte for byte, but for its marks", async () => {
  const path = join(directory, 'x.bioscope');
  const writer = await CaptureWriter.create(path, { ...header, payloads: 'writes' }, checksum);
  const records = done.map(({ operation, sector, length, flags = 0 }, index) => {
    const arrival = header.epochMonotonicNs + BigInt(index) * 1000n;
    const [sequence, completion] = [BigInt(index + 1), arrival + 500n];
    const place = { sector: BigInt(sector), length: BigInt(length) };
    return { sequence, arrival, completion, ...place, flags, operation, marks: 1 };
  });
  const payloads = done.map(({ length, text }) => {
    const bytes = Buffer.alloc(length);
    bytes.write(text ?? '');
    return text === undefined ? null : bytes;
  });
  await addAll(writer, recordsOf(records), payloads);
  await writer.finish();
  const file = await CaptureFile.open(path, checksum);
  const exported = exportCapture(file, 'log-writes', join(directory, 'x.log'), false).path;
  file.close();

  const ours = parse(readFileSync(exported));
  const kernels = parse(Buffer.from(golden('dm-log-writes', LOG_BYTES)));
  expect(ours.entries).toEqual(kernels.entries);
  expect(kernels.marks).toBe(2);
  const unmarked = Buffer.from(kernels.superblock);
  unmarked.writeBigUInt64LE(BigInt(kernels.entries.length), 16);
  expect(ours.superblock.equals(unmarked)).toBe(true);
});
