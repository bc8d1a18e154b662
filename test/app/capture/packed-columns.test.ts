/** What the feed packs, the window unpacks, whatever the numbers are. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  arePackedColumns,
  columnWidths,
  firstSequence,
} from '../../../app/contract/packed-columns';
import { RECORD_BYTES } from '../../../app/contract/trace';
import { columnList, makeColumns } from '../../../app/filter/trace-columns';
import { packRecords, unpackRecords } from '../../support/packed-columns';
import { addon, madeUp, recordsOf } from './support';

const DISK = 3;

/** The bytes that a buffer needs, without the room it may have behind them. */
const heads = 16 * columnWidths.length;

const word = (bits: number) => fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n });
/** Numbers of all magnitudes, those that are exact no more among them, also with zeroes at their ends. */
const wide = fc
  .tuple(fc.integer({ min: 0, max: 64 }), fc.constantFrom(0n, 0n, 9n, 12n, 20n))
  .chain(([bits, zeroes]) => word(bits).map((number) => (number >> zeroes) << zeroes));
const narrow = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 });

const record = fc.record({
  sequence: wide,
  arrival: wide,
  completion: wide,
  sector: wide,
  length: wide,
  flags: narrow(32),
  backendDelay: narrow(32),
  queue: narrow(16),
  depth: narrow(16),
  error: narrow(16),
  operation: narrow(8),
  result: narrow(8),
  route: narrow(8),
  marks: narrow(8),
  disk: fc.constant(DISK),
});

describe('packed columns', () => {
  test('are unpacked to what they were, in the order asked for', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 12 }), fc.func(fc.nat()), (fields, place) => {
        const records = recordsOf(fields);
        const order = Uint32Array.from(fields, (_, row) => place(row) % fields.length);
        const wanted = recordsOf([...order].flatMap((row) => fields[row] ?? []));
        const packed = packRecords(records, order);
        expect(arePackedColumns(packed, order.length)).toBe(true);
        expect(unpackRecords(packed, order.length, DISK)).toEqual(new Uint8Array(wanted));
        if (order.length > 0) {
          const sequence = fields[order[0] ?? 0]?.sequence ?? 0n;
          expect(firstSequence(packed)).toBe(Number(sequence));
        }
      }),
      { numRuns: 500 },
    );
  });

  test('of requests as disks have them take less than half of their bytes', () => {
    const fields = Array.from({ length: 4096 }, (_, index) => ({
      sequence: 10_000_000_000n + BigInt(index),
      arrival: 7_000_000_000_000_000n + BigInt(index * 1300),
      completion: 7_000_000_000_000_000n + BigInt(index * 1300 + 90_000 + (index % 977)),
      sector: BigInt((index * 7919) % 1_000_000) * 8n,
      length: index % 3 === 0 ? 65_536n : 4096n,
      flags: index % 5 === 0 ? 0x2800 : 0x800,
      backendDelay: 700 + (index % 300),
      depth: 1 + (index % 32),
      operation: index % 2,
      marks: 1,
      disk: DISK,
    }));
    const records = recordsOf(fields);
    const packed = packRecords(records);
    // arrival, completion and sector 4, flags and delay 2, length, depth and operation 1
    expect((packed.byteLength - heads) / fields.length).toBeLessThanOrEqual(19);
    expect(unpackRecords(packed, fields.length, DISK)).toEqual(new Uint8Array(records));
  });

  test('that are none are refused', () => {
    const packed = packRecords(madeUp(1, 100));
    expect(arePackedColumns(packed, 100)).toBe(true);
    expect(arePackedColumns(packed, 200)).toBe(false);
    expect(arePackedColumns(packed, -1)).toBe(false);
    expect(arePackedColumns(packed, 0.5)).toBe(false);
    expect(arePackedColumns(packed.slice(0, -8), 100)).toBe(false);
    expect(arePackedColumns(new ArrayBuffer(heads - 1), 0)).toBe(false);
    const damage = (offset: number, value: number) => {
      const copy = packed.slice(0);
      new DataView(copy).setUint32(offset, value, true);
      return arePackedColumns(copy, 100);
    };
    expect(damage(0, 3)).toBe(false); // a width
    expect(damage(16, 17 << 16)).toBe(false); // a shift
    expect(damage(16 * 5, 1 << 16)).toBe(false); // one of a narrow field
    expect(damage(16 * 5, 8)).toBe(false); // one that is too wide for its field
    expect(damage(4, 1)).toBe(false); // where its values begin
    expect(damage(4, 0xffff_fff8)).toBe(false);
    expect(damage(12, 0x7ff0_0000)).toBe(false); // its base
  });

  test('are not made of rows that are not there', () => {
    const columns = columnList(makeColumns(4));
    const pack = addon.makeColumnPacker();
    expect(() => pack(columns, Uint32Array.of(0, 4), new ArrayBuffer(RECORD_BYTES))).toThrow(
      'rows that are not there',
    );
    expect(() => pack(columns.slice(1), Uint32Array.of(), new ArrayBuffer(0))).toThrow(TypeError);
  });
});
