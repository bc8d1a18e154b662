/** Captures whose checksums are right and whose numbers are anybody's. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { captureDisk } from '../../../app/capture/capture-disk';
import { CaptureColumnReader } from '../../../app/capture/column-reader';
import { exportCapture } from '../../../app/capture/export/exporters';
import { CaptureFile } from '../../../app/capture/file';
import { CaptureTraceReader } from '../../../app/capture/trace-reader';
import { CaptureWriter } from '../../../app/capture/writer';
import { humanFormat } from '../../../app/cli/trace/human-format';
import { jsonFormat } from '../../../app/cli/trace/json-format';
import { exportFormatNames } from '../../../app/contract/capture';
import { RECORD_BYTES, decodeRecord } from '../../../app/contract/trace';
import { diskId } from '../../../app/contract/units';
import * as wire from '../../../app/contract/wire.gen';
import { addAll, addon, checksum, header, madeUp, recordsOf, type RecordFields } from './support';

const patience = { timeout: 120_000 };
let directory = '';
let path = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bioscope-capture-'));
  path = join(directory, 'x.bioscope');
});
afterEach(() => rmSync(directory, { recursive: true }));

const READ = wire.DM_USER_REQUEST_READ;
const WRITE = wire.DM_USER_REQUEST_WRITE;
const DISCARD = wire.DM_USER_REQUEST_DISCARD;
/** Their bytes go through memory. */
const carrying: readonly number[] = [READ, WRITE, wire.DM_USER_REQUEST_ZONE_APPEND];
const plain: RecordFields = {
  sequence: 12n,
  arrival: 2_000_000_000n,
  completion: 2_000_000_500n,
  sector: 8n,
  length: 4096n,
  operation: WRITE,
};

/** Three batches: requests 1 to 9, `hostile`, requests 30 to 38. */
async function write(hostile: readonly RecordFields[]): Promise<void> {
  const writer = await CaptureWriter.create(path, header, checksum, true);
  for (const part of [madeUp(1, 9), recordsOf(hostile), madeUp(30, 9)]) {
    await addAll(writer, part);
    while (!writer.flush()) await writer.idle();
  }
  await writer.finish();
}

/** What opening it in the window gives: rows, what was lost, what was said. */
async function asWindow(): Promise<{ rows: number; lost: bigint; said: string[] }> {
  const file = await CaptureFile.open(path, checksum);
  const reader = new CaptureColumnReader(file, addon.makeColumnPacker());
  const result = { rows: 0, lost: 0n, said: [] as string[] };
  for (let piece = reader.next(); piece; piece = reader.next()) {
    result.rows += piece.rows;
    result.lost += piece.lost;
    if (piece.damage) result.said.push(piece.damage.message);
  }
  reader.close();
  return result;
}

describe('a request that no block device can have', () => {
  const cases: readonly (readonly [string, Partial<RecordFields>, string])[] = [
    ['a sector of 2^53', { sector: 1n << 53n }, 'begins at sector 9007199254740992'],
    ['the highest sector there is', { sector: (1n << 64n) - 1n }, 'where no disk reaches'],
    ['an end past 2^53 sectors', { sector: (1n << 53n) - 1n, length: 1024n }, 'more than any disk'],
    [
      'a write of 4 GiB',
      { length: 1n << 32n },
      'carries 4294967296 bytes; 4294966784 are the most',
    ],
    ['a read of 8 GiB less one', { operation: READ, length: (1n << 33n) - 1n }, 'carries 8589'],
    ['a discard of 2^63 bytes', { operation: DISCARD, length: 1n << 63n }, 'more than any disk'],
    ['an end before its beginning', { completion: 1_999_999_999n }, 'ends before it begins'],
    ['an end a whole word before', { arrival: 5n << 32n }, 'ends before it begins'],
    ['an end in 300 years', { completion: 1n << 63n }, 'which no clock shows'],
    ['the number 0', { sequence: 0n }, 'no request has the number 0'],
    ['a number of 2^53', { sequence: 1n << 53n }, 'no request has the number 9007199254740992'],
  ];
  test.each(cases)('%s costs its batch, which is named, and no other', async (_, wrong, words) => {
    const fields = { ...plain, ...wrong };
    await write([{ ...plain, sequence: 11n }, fields]);
    const file = await CaptureFile.open(path, checksum);
    expect(() => file.records(2)).toThrow(words);
    expect(() => file.records(2)).toThrow(/ is damaged: batch 3 \(requests \d+ to \d+\) has /);
    expect([file.records(1).rows, file.records(3).rows]).toEqual([9, 9]);
    file.close();
    const seen = await asWindow();
    expect(seen).toMatchObject({ rows: 18, lost: 2n });
    expect(seen.said).toHaveLength(1);
    expect(seen.said[0]).toContain(words);
    const reader = new CaptureTraceReader(await CaptureFile.open(path, checksum), 1);
    const target = new ArrayBuffer(100 * RECORD_BYTES);
    expect(reader.read(target).count).toBe(9);
    expect(() => reader.read(target)).toThrow(words);
    reader.close();
  });

  test('is none that is only long or late: a hole of a TiB, the last sector, a flush', async () => {
    await write([
      { ...plain, sequence: 11n, operation: DISCARD, length: 1n << 40n },
      { ...plain, sequence: 12n, sector: (1n << 53n) - 8n },
      { ...plain, sequence: 13n, length: (1n << 32n) - 512n },
      {
        ...plain,
        sequence: 14n,
        length: 0n,
        operation: wire.DM_USER_REQUEST_FLUSH,
        completion: plain.arrival,
      },
      { ...plain, sequence: 15n, completion: (1n << 63n) - 1n },
    ]);
    expect(await asWindow()).toEqual({ rows: 23, lost: 0n, said: [] });
  });
});

/** Numbers of 64 bits, often at the edges of what is possible. */
const wide = (...edges: readonly bigint[]) =>
  fc.oneof(
    { weight: 8, arbitrary: fc.bigInt(0n, 1n << 40n) },
    fc.constantFrom(...edges, (1n << 64n) - 1n),
    fc.bigInt(0n, (1n << 64n) - 1n),
  );
const anything: fc.Arbitrary<RecordFields> = fc.record({
  sequence: fc.bigInt(10n, 29n),
  arrival: wide(0n, 1n, 1n << 63n, (1n << 63n) - 1n),
  completion: fc.oneof(
    { weight: 3, arbitrary: fc.bigInt(1n << 41n, 1n << 62n) },
    wide(1n << 63n, (1n << 63n) - 1n),
  ),
  sector: wide(1n << 53n, (1n << 53n) - 1n, (1n << 53n) - 8n),
  length: fc.oneof(
    { weight: 8, arbitrary: fc.bigInt(0n, 1n << 24n) },
    wide(4096n, 1n << 32n, (1n << 32n) - 1n),
  ),
  flags: fc.nat(0xffff_ffff),
  backendDelay: fc.nat(0xffff_ffff),
  queue: fc.nat(0xffff),
  depth: fc.nat(0xffff),
  error: fc.nat(0xffff),
  operation: fc.oneof(fc.nat(13), fc.constant(255)),
  result: fc.nat(255),
  route: fc.nat(255),
  marks: fc.nat(255),
});

/** The same rules, the plain way. */
function isPossible({ arrival, completion, sector, length, operation }: RecordFields): boolean {
  const isPlace = sector < 1n << 53n && sector * 512n + length <= 512n << 53n;
  const isShort = !carrying.includes(operation) || length < 1n << 32n;
  return arrival <= completion && completion < 1n << 63n && isPlace && isShort;
}

test(
  'whatever the numbers, a capture is refused by batch, or read, printed and exported',
  patience,
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anything, { minLength: 1, maxLength: 4 }), async (hostile) => {
        await write(hostile);
        const seen = await asWindow();
        if (!hostile.every(isPossible)) {
          expect(seen).toMatchObject({ rows: 18, lost: BigInt(hostile.length) });
          expect(seen.said).toHaveLength(1);
          return;
        }
        expect(seen).toEqual({ rows: 18 + hostile.length, lost: 0n, said: [] });
        const file = await CaptureFile.open(path, checksum);
        const disk = captureDisk(file, diskId('capture'), 3);
        const records = new ArrayBuffer(hostile.length * RECORD_BYTES);
        file.copyRecords(2, 0, hostile.length, records, 3);
        expect(Buffer.from(records).equals(Buffer.from(recordsOf(hostile)))).toBe(true);
        for (let row = 0; row < hostile.length; row++) {
          const record = decodeRecord(new DataView(records), row * RECORD_BYTES);
          for (const format of [humanFormat(), jsonFormat()]) {
            const line = format.request(disk, record, record.arrival);
            expect(line).not.toMatch(/undefined|NaN|Infinity/);
          }
        }
        // The writes among them have no bytes, which a log of writes says.
        for (const format of exportFormatNames.filter((name) => name !== 'log-writes')) {
          const exported = exportCapture(file, format, join(directory, `x.${format}`), true);
          expect(exported.path).toContain(`x.${format}`);
        }
        file.close();
      }),
      { numRuns: 60 },
    );
  },
);
