/** Requests as fast-check makes them, and the columns they are in. */
import fc from 'fast-check';
import { makeColumns, putRecords, type TraceColumns } from '../../../app/filter/trace-columns';
import { countedFlags } from '../../../renderer/trace/worker/derived/statistics';
import { batchOf, type MadeRecord } from '../records';

const EPOCH = 5_000_000_000n;
export const context = { epochMonotonicNs: EPOCH };

export interface Request {
  readonly time: number;
  readonly latency: number;
  readonly operation: number;
  readonly sector: number;
  readonly sectors: number;
  readonly flags: number;
  readonly depth: number;
  readonly failed: boolean;
  readonly passes: boolean;
}

const request: fc.Arbitrary<Request> = fc.record({
  time: fc.oneof(fc.nat(2_000), fc.nat(10_000_000_000)),
  latency: fc.oneof(
    fc.nat(100),
    fc.nat(1_000_000),
    fc.nat(2 ** 31),
    fc.nat(2 ** 31).map((n) => n * 9),
  ),
  operation: fc.constantFrom(0, 0, 1, 1, 1, 2, 3, 6, 10),
  sector: fc.oneof(fc.nat(64), fc.nat(2 ** 20)),
  sectors: fc.nat(40),
  flags: fc.constantFrom(0, ...countedFlags.map(({ bit }) => bit), 0x208),
  depth: fc.integer({ min: 1, max: 64 }),
  failed: fc.boolean(),
  passes: fc.boolean(),
});
export const requests = fc.array(request, { maxLength: 120 });
/** Where chunks end. */
export const cuts = fc.array(fc.nat(120), { maxLength: 4 });

export function columnsOf(all: readonly Request[]): TraceColumns {
  const records = all.map((one, index): MadeRecord => {
    const arrival = EPOCH + BigInt(one.time);
    const { operation, sector, flags, depth } = one;
    const outcome = one.failed ? { error: 5, result: 1 } : {};
    const length = operation === 2 ? 0 : one.sectors * 512;
    const completion = arrival + BigInt(one.latency);
    return {
      sequence: index + 1,
      arrival,
      completion,
      operation,
      sector,
      length,
      flags,
      depth,
      ...outcome,
    };
  });
  const columns = makeColumns(Math.max(1, all.length));
  putRecords(columns, 0, new Uint32Array(batchOf(records)), 0, all.length);
  return columns;
}

export function bitsOf(all: readonly Request[]): Uint32Array {
  const bits = new Uint32Array(Math.ceil(all.length / 32));
  all.forEach(({ passes }, row) => {
    if (passes) bits[row >>> 5]! |= 1 << (row & 31);
  });
  return bits;
}
