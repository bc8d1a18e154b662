/**
 * Trace records as columns: a run of rows, one typed array a field. What reads
 * one field of many rows reads little memory, and nothing is decoded.
 */
import { bioscopeTraceRecordOffsets as at } from '../contract/wire.gen';

/** Rows of a chunk; a multiple of 32, the bits of a bitmap's word. */
export const CHUNK_ROWS = 32_768;
export const CHUNK_WORDS = CHUNK_ROWS / 32;

const RECORD_WORDS = at.size / 4;
const HIGH = 0x1_0000_0000;

/** 64-bit fields as pairs, low word first: row `n` has [2n] and [2n + 1]. Little-endian machines only. */
export const wideColumns = ['sequence', 'arrival', 'completion', 'sector', 'length'] as const;
export type WideColumn = (typeof wideColumns)[number];

export interface TraceColumns extends Readonly<Record<WideColumn, Uint32Array>> {
  readonly flags: Uint32Array;
  readonly backendDelay: Uint32Array;
  readonly queue: Uint16Array;
  readonly depth: Uint16Array;
  readonly error: Uint16Array;
  readonly operation: Uint8Array;
  readonly result: Uint8Array;
  readonly route: Uint8Array;
  readonly marks: Uint8Array;
}

/** Of 32 bits and less, in the order of a record. */
const narrowColumns = [
  'flags',
  'backendDelay',
  'queue',
  'depth',
  'error',
  'operation',
  'result',
  'route',
  'marks',
] as const satisfies readonly (keyof TraceColumns)[];

/** What a row takes of memory. The number of the disk, the same in every row, is left out. */
export const ROW_BYTES = 5 * 8 + 2 * 4 + 3 * 2 + 4;

export function makeColumns(rows: number): TraceColumns {
  return {
    sequence: new Uint32Array(rows * 2),
    arrival: new Uint32Array(rows * 2),
    completion: new Uint32Array(rows * 2),
    sector: new Uint32Array(rows * 2),
    length: new Uint32Array(rows * 2),
    flags: new Uint32Array(rows),
    backendDelay: new Uint32Array(rows),
    queue: new Uint16Array(rows),
    depth: new Uint16Array(rows),
    error: new Uint16Array(rows),
    operation: new Uint8Array(rows),
    result: new Uint8Array(rows),
    route: new Uint8Array(rows),
    marks: new Uint8Array(rows),
  };
}

/** The columns in the order of a record's fields. */
export function columnList(columns: TraceColumns): (Uint8Array | Uint16Array | Uint32Array)[] {
  return [...wideColumns, ...narrowColumns].map((name) => columns[name]);
}

/** Copies `count` rows of `from`, beginning with `fromRow`, to `to` from `toRow` on; both may be the same. */
export function copyColumns(
  from: TraceColumns,
  fromRow: number,
  to: TraceColumns,
  toRow: number,
  count: number,
): void {
  const targets = columnList(to);
  columnList(from).forEach((source, index) => {
    const unit = index < wideColumns.length ? 2 : 1;
    const [begin, end] = [unit * fromRow, unit * (fromRow + count)];
    if (from === to) source.copyWithin(unit * toRow, begin, end);
    else targets[index]?.set(source.subarray(begin, end), unit * toRow);
  });
}

/** A 64-bit field of a row as a number: exact below 2^53. */
export function wideAt(column: Uint32Array, row: number): number {
  return (column[2 * row + 1] ?? 0) * HIGH + (column[2 * row] ?? 0);
}

/** Puts `count` records, from the record `from` on, into the rows from `row` on. */
export function putRecords(
  columns: TraceColumns,
  row: number,
  records: Uint32Array,
  from: number,
  count: number,
): void {
  const { sequence, arrival, completion, sector, length, flags, backendDelay } = columns;
  const { queue, depth, error, operation, result, route, marks } = columns;
  let word = from * RECORD_WORDS;
  for (let target = row; target < row + count; target++) {
    const pair = 2 * target;
    sequence[pair] = records[word] ?? 0;
    sequence[pair + 1] = records[word + 1] ?? 0;
    arrival[pair] = records[word + 2] ?? 0;
    arrival[pair + 1] = records[word + 3] ?? 0;
    completion[pair] = records[word + 4] ?? 0;
    completion[pair + 1] = records[word + 5] ?? 0;
    sector[pair] = records[word + 6] ?? 0;
    sector[pair + 1] = records[word + 7] ?? 0;
    length[pair] = records[word + 8] ?? 0;
    length[pair + 1] = records[word + 9] ?? 0;
    flags[target] = records[word + 10] ?? 0;
    backendDelay[target] = records[word + 11] ?? 0;
    const load = records[word + 12] ?? 0;
    queue[target] = load;
    depth[target] = load >>> 16;
    const outcome = records[word + 13] ?? 0;
    error[target] = outcome;
    operation[target] = outcome >>> 16;
    result[target] = outcome >>> 24;
    const rest = records[word + 14] ?? 0;
    route[target] = rest;
    marks[target] = rest >>> 8;
    word += RECORD_WORDS;
  }
}

/** Writes a row as a record to `target` at word `word`, with the disk's number. */
export function takeRecord(
  columns: TraceColumns,
  row: number,
  target: Uint32Array,
  word: number,
  disk: number,
): void {
  wideColumns.forEach((name, index) => {
    target[word + 2 * index] = columns[name][2 * row] ?? 0;
    target[word + 2 * index + 1] = columns[name][2 * row + 1] ?? 0;
  });
  target[word + 10] = columns.flags[row] ?? 0;
  target[word + 11] = columns.backendDelay[row] ?? 0;
  target[word + 12] = (columns.queue[row] ?? 0) | ((columns.depth[row] ?? 0) << 16);
  const outcome = (columns.operation[row] ?? 0) | ((columns.result[row] ?? 0) << 8);
  target[word + 13] = (columns.error[row] ?? 0) | (outcome << 16);
  target[word + 14] = (columns.route[row] ?? 0) | ((columns.marks[row] ?? 0) << 8);
  target[word + 15] = disk;
}
