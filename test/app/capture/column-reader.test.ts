/** A capture as the window takes it: whole columns, in the order of arrival. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CaptureColumnReader } from '../../../app/capture/column-reader';
import { CaptureFile } from '../../../app/capture/file';
import { orderBySequence } from '../../../app/capture/order';
import { CaptureWriter } from '../../../app/capture/writer';
import { isFeedMessage, type FeedMessage } from '../../../app/contract/feed';
import { RECORD_BYTES } from '../../../app/contract/trace';
import { diskId } from '../../../app/contract/units';
import { CaptureSource } from '../../../app/feed/capture-source';
import { unpackRecords } from '../../support/packed-columns';
import { addAll, addon, checksum, header, madeUp, recordsOf } from './support';

/** Of the disk in records that `madeUp` makes. */
const DISK = 3;

let directory = '';
let path = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bioscope-capture-'));
  path = join(directory, 'x.bioscope');
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Each part becomes a batch (or several, if it is long). */
async function write(parts: readonly ArrayBuffer[]): Promise<void> {
  const writer = await CaptureWriter.create(path, header, checksum);
  for (const part of parts) {
    await addAll(writer, part);
    while (!writer.flush()) await writer.idle();
  }
  await writer.finish();
}

/** The records of `from` at these places. */
function pick(from: ArrayBuffer, places: readonly number[]): ArrayBuffer {
  const picked = new Uint8Array(places.length * RECORD_BYTES);
  places.forEach((place, index) => {
    picked.set(new Uint8Array(from, place * RECORD_BYTES, RECORD_BYTES), index * RECORD_BYTES);
  });
  return picked.buffer;
}

/** The columns of the file; the same as the feed's. */
async function openColumns(file = path, mostWaiting?: number): Promise<CaptureColumnReader> {
  const opened = await CaptureFile.open(file, checksum);
  return new CaptureColumnReader(opened, addon.makeColumnPacker(), mostWaiting);
}

async function readAll(
  mostWaiting?: number,
): Promise<{ records: Buffer; rows: number[]; lost: bigint }> {
  const reader = await openColumns(path, mostWaiting);
  const records: Uint8Array[] = [];
  const rows: number[] = [];
  let lost = 0n;
  for (let piece = reader.next(); piece; piece = reader.next()) {
    records.push(unpackRecords(piece.packed, piece.rows, DISK));
    rows.push(piece.rows);
    lost += piece.lost;
  }
  reader.close();
  return { records: Buffer.concat(records), rows, lost };
}

describe('a capture as columns', () => {
  test('has every field of every record, over several batches', async () => {
    const records = madeUp(1, 66_000);
    await write([records]);
    const read = await readAll();
    expect(read.rows).toEqual([32_768, 32_768, 464]);
    expect(read.records.equals(Buffer.from(records))).toBe(true);
  });

  test('is in the order of arrival, also where a later batch has earlier requests', async () => {
    const records = madeUp(1, 9);
    await write([pick(records, [1, 0, 4, 2]), pick(records, [6, 3]), pick(records, [8, 7, 5])]);
    const read = await readAll();
    // 5 waits for 4 (in the second batch), 7 for 6 (in the third).
    expect(read.rows).toEqual([3, 2, 4]);
    expect(read.records.equals(Buffer.from(records))).toBe(true);
  });

  test('does not wait for one request without end', async () => {
    const records = madeUp(1, 40);
    const places = Array.from({ length: 39 }, (_, index) => index + 1);
    // The very first completes last.
    await write([
      pick(records, places.slice(0, 10)),
      pick(records, places.slice(10, 20)),
      pick(records, [...places.slice(20), 0]),
    ]);
    const patient = await readAll();
    expect(patient.rows).toEqual([40]);
    expect(patient.records.equals(Buffer.from(records))).toBe(true);
    const read = await readAll(15);
    expect(read.rows).toEqual([20, 20]);
    const late = pick(records, [...places.slice(0, 20), 0, ...places.slice(20)]);
    expect(read.records.equals(Buffer.from(late))).toBe(true);
  });

  test('leaves out a batch with numbers that no request can have, and counts it as lost', async () => {
    const request = { arrival: 1n, completion: 2n, sector: 0n, operation: 1 };
    const hostile = [
      { ...request, sequence: 2n ** 53n, length: 512n },
      { ...request, sequence: 9n, length: 2n ** 33n },
    ];
    for (const fields of hostile) {
      await write([madeUp(1, 5), recordsOf([fields])]);
      const reader = await openColumns();
      expect(reader.next()).toMatchObject({ rows: 5, damage: null });
      const refused = reader.next();
      expect(refused).toMatchObject({ rows: 0, lost: 1n });
      expect(refused?.damage?.message).toContain('numbers that no request can have');
      expect(reader.next()).toBeNull();
      reader.close();
      rmSync(path);
    }
  });

  test('counts what was lost, before rows and behind the last', async () => {
    const writer = await CaptureWriter.create(path, header, checksum);
    writer.staging?.addLost(4);
    await addAll(writer, madeUp(1, 10));
    while (!writer.flush()) await writer.idle();
    await writer.idle();
    writer.staging?.addLost(7);
    await writer.finish();
    expect(await readAll()).toMatchObject({ rows: [10, 0], lost: 11n });
  });
});

describe('the order by sequence', () => {
  const words = (...sequences: number[]) =>
    Uint32Array.from(sequences.flatMap((one) => [one >>> 0, Math.floor(one / 2 ** 32)]));
  const order = (...sequences: number[]) => {
    const found = orderBySequence(words(...sequences), 0, 2, sequences.length);
    return found && [...found].map((row) => sequences[row]);
  };

  test('is not made where there is nothing to do', () => {
    expect(order()).toBeNull();
    expect(order(5, 6, 2 ** 40)).toBeNull();
  });

  test('is found for dense sequences, sparse ones and equal ones', () => {
    expect(order(8, 5, 7, 6)).toEqual([5, 6, 7, 8]);
    expect(order(2 ** 40, 3, 2 ** 33 + 1, 2 ** 33)).toEqual([3, 2 ** 33, 2 ** 33 + 1, 2 ** 40]);
    expect(order(4, 2, 4, 3)).toEqual([2, 3, 4, 4]);
  });
});

describe('the feed of a capture', () => {
  const disk = { id: diskId('capture-1'), number: 9, tracePath: '', isCapture: true };

  /** All messages of a source, from the one that announces it. */
  async function messagesOf(reports: unknown[]): Promise<FeedMessage[]> {
    let woken: () => void = () => undefined;
    const isReady = new Promise<void>((resolve) => (woken = resolve));
    const source = new CaptureSource(
      { ...disk, tracePath: path },
      { open: openColumns, report: (_path, thrown) => reports.push(thrown), wake: woken },
    );
    expect(source.begin()).toBeNull();
    await isReady;
    const messages = [source.begin()];
    for (let next = source.next(); next; next = source.next()) messages.push(next);
    source.close();
    return messages.filter((message) => message !== null);
  }

  test('announces it, then has all its columns, each within the contract', async () => {
    await write([madeUp(1, 70_000)]);
    const messages = await messagesOf([]);
    expect(messages.map(({ type }) => type)).toEqual(['opened', 'columns', 'columns', 'columns']);
    expect(messages[0]).toMatchObject({ number: 9, epochMonotonicNs: header.epochMonotonicNs });
    expect(messages.every(isFeedMessage)).toBe(true);
  });

  test('tells once which part of the file is damaged, counts it as lost, and goes on', async () => {
    await write([madeUp(1, 50), madeUp(51, 50), madeUp(101, 50), madeUp(151, 50)]);
    const whole = await CaptureFile.open(path, checksum);
    const places = [2, 3].map((index) => (whole.batches[index]?.position ?? 0) + 1000);
    whole.close();
    const bytes = readFileSync(path);
    for (const place of places) bytes.writeUInt8(bytes.readUInt8(place) ^ 1, place);
    writeFileSync(path, bytes);
    const reports: unknown[] = [];
    const messages = await messagesOf(reports);
    const pieces = messages.filter((message) => message.type === 'columns');
    expect(pieces.map(({ rows, lost }) => [rows, lost])).toEqual([
      [50, 0n],
      [0, 50n],
      [0, 50n],
      [50, 0n],
    ]);
    expect(reports).toHaveLength(1);
    expect(String(reports[0])).toMatch(/batch 3 \(requests 51 to 100\).*counts as lost/);
  });

  test('says why it cannot be opened, and is not tried again', async () => {
    const reports: unknown[] = [];
    const source = new CaptureSource(
      { ...disk, tracePath: path },
      { open: openColumns, report: (...said) => reports.push(said), wake: () => undefined },
    );
    source.begin();
    await expect.poll(() => reports.length).toBe(1);
    const isUnreadable = true;
    expect(reports[0]).toEqual([
      path,
      expect.objectContaining({ message: expect.stringContaining('does not exist') as string }),
      isUnreadable,
    ]);
    expect(source.begin()).toBeNull();
    expect(source.isOpen).toBe(false);
    expect(reports).toHaveLength(1);
  });

  test('closed while it is being opened lets go of the file', async () => {
    await write([madeUp(1, 5)]);
    const reader = await openColumns();
    let isLetGo = false;
    const close = reader.close.bind(reader);
    reader.close = () => {
      isLetGo = true;
      close();
    };
    const source = new CaptureSource(
      { ...disk, tracePath: path },
      { open: () => Promise.resolve(reader), report: () => undefined, wake: () => undefined },
    );
    source.begin();
    source.close();
    await expect.poll(() => isLetGo).toBe(true);
    expect(source.begin()).toBeNull();
  });
});
