/** Rows that come late, wherever they belong. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { CHUNK_ROWS } from '../../app/filter/trace-columns';
import { RECORD_WORDS, Rows } from '../../renderer/trace/worker/rows';
import { packRecords } from '../support/packed-columns';
import { batchOf } from './records';

/** Each field says whose it is. */
const records = (sequences: readonly number[]): Uint32Array =>
  new Uint32Array(
    batchOf(
      sequences.map((sequence) => ({
        sequence,
        sector: sequence * 8,
        flags: sequence % 4093,
        queue: sequence % 61,
        operation: sequence % 5,
      })),
    ),
  );

const ROWS = 2 * CHUNK_ROWS + 5000;
const LATE = 37;
/** In the order of arrival: every number that LATE divides is missing. */
const early = Array.from({ length: ROWS }, (_, index) => index + 1).filter((one) => one % LATE > 0);

const late = fc
  .uniqueArray(fc.integer({ min: 1, max: Math.floor(ROWS / LATE) }), {
    minLength: 1,
    maxLength: 60,
  })
  .map((places) => places.map((place) => place * LATE).sort((one, other) => one - other));

/** How rows are given records: as they are, or as packed columns. */
const ways = {
  records: (rows: Rows, added: Uint32Array) => rows.add(added, added.length / RECORD_WORDS),
  'packed columns': (rows: Rows, added: Uint32Array) =>
    rows.addPacked(packRecords(added.buffer as ArrayBuffer), added.length / RECORD_WORDS),
};
const names = Object.keys(ways) as (keyof typeof ways)[];

it.each(names)('take their places among many that are there already, whole: %s', (way) => {
  const add = ways[way];
  fc.assert(
    fc.property(late, fc.boolean(), fc.nat({ max: 30 }), (missing, isFull, more) => {
      const capacity = isFull ? early.length : 4 * CHUNK_ROWS;
      const rows = new Rows(capacity);
      add(rows, records(early));
      const newer = Array.from({ length: more }, (_, index) => ROWS + 1 + index);
      const added = [...missing, ...newer];
      const { changedFrom, tooLate } = add(rows, records(added));
      const all = [...early, ...added].sort((one, other) => one - other).slice(-capacity);
      expect(rows.count).toBe(all.length);
      const found = new Uint32Array(all.length * RECORD_WORDS);
      for (let row = rows.first; row < rows.end; row++)
        rows.copyRecord(row, found, (row - rows.first) * RECORD_WORDS, 1);
      expect(Buffer.from(found.buffer).equals(Buffer.from(records(all).buffer))).toBe(true);
      expect(tooLate).toBe(0);
      const [first = 0] = missing;
      expect(changedFrom).toBe(Math.max(rows.first, early.filter((one) => one < first).length));
    }),
    { numRuns: 8 },
  );
});
