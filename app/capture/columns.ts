/**
 * The columns of a capture, and the way between them and the records of a trace
 * (native/wire/trace.h): a matter of copying, never of objects. Little-endian
 * machines only, like the trace itself.
 */
import { Binary, Field, Schema, Uint16, Uint32, Uint64, Uint8, type DataType } from 'apache-arrow';
import { RECORD_BYTES } from '../contract/trace';
import { bioscopeTraceRecordOffsets as at } from '../contract/wire.gen';

export interface Column {
  readonly name: string;
  readonly type: DataType;
  /** Bytes a value. */
  readonly width: 1 | 2 | 4 | 8;
  /** Where it lies in a record. */
  readonly offset: number;
}

const column = (name: string, type: DataType, width: Column['width'], offset: number): Column => ({
  name,
  type,
  width,
  offset,
});

/** In the order of the file; the payload comes behind them. */
export const columns: readonly Column[] = [
  column('sequence', new Uint64(), 8, at.sequence),
  column('arrival_ns', new Uint64(), 8, at.arrivalNs),
  column('completion_ns', new Uint64(), 8, at.completionNs),
  column('sector', new Uint64(), 8, at.sector),
  column('length', new Uint64(), 8, at.length),
  column('flags', new Uint32(), 4, at.flags),
  column('backend_delay_ns', new Uint32(), 4, at.backendDelayNs),
  column('queue', new Uint16(), 2, at.queue),
  column('depth', new Uint16(), 2, at.depth),
  column('error', new Uint16(), 2, at.error),
  column('operation', new Uint8(), 1, at.operation),
  column('result', new Uint8(), 1, at.result),
  column('route', new Uint8(), 1, at.route),
  column('marks', new Uint8(), 1, at.marks),
];

export function captureSchema(metadata: Map<string, string>): Schema {
  return new Schema(
    [
      ...columns.map(({ name, type }) => new Field(name, type, false)),
      new Field('payload', new Binary(), true),
    ],
    metadata,
  );
}

/** Arrow asks for 8; 64 suits the processor. */
const ALIGNMENT = 64;
export const align = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** Where everything lies in the body of a batch, from its beginning, in bytes. */
export interface BodyLayout {
  readonly columns: readonly number[];
  /** One bit a row: it has a payload. */
  readonly validity: number;
  /** rows + 1 of int32: where each payload begins. */
  readonly offsets: number;
  readonly payload: number;
  /** The whole body. */
  readonly total: number;
}

/** `head`: bytes at the beginning that are no column's. */
export function bodyLayout(head: number, rows: number, payloadBytes: number): BodyLayout {
  let next = head;
  const take = (bytes: number) => {
    const place = next;
    next = align(place + bytes);
    return place;
  };
  return {
    columns: columns.map(({ width }) => take(width * rows)),
    validity: take(Math.ceil(rows / 8)),
    offsets: take(4 * (rows + 1)),
    payload: take(payloadBytes),
    total: next,
  };
}

/** Values of `width` bytes in `bytes` from `offset` on, for as many as there are; 64-bit ones as pairs of words. */
function values(
  bytes: ArrayBuffer,
  width: number,
  offset: number,
): Uint8Array | Uint16Array | Uint32Array {
  if (width === 1) return new Uint8Array(bytes, offset);
  return width === 2 ? new Uint16Array(bytes, offset) : new Uint32Array(bytes, offset);
}

/** Spreads `rows` records over the columns of `body`. */
export function toColumns(
  records: ArrayBuffer,
  rows: number,
  body: ArrayBuffer,
  layout: BodyLayout,
): void {
  columns.forEach(({ width, offset }, index) => {
    const unit = Math.min(width, 4);
    const from = values(records, unit, 0);
    const to = values(body, unit, layout.columns[index] ?? 0);
    const stride = RECORD_BYTES / unit;
    const start = offset / unit;
    if (width === 8) copyPairs(from, start, stride, to, 0, 2, rows);
    else copySingles(from, start, stride, to, 0, 1, rows);
  });
}

/** Gathers rows [first, first + rows) of `body` into records, of disk number `disk`. */
export function toRecords(
  body: ArrayBuffer,
  layout: BodyLayout,
  first: number,
  rows: number,
  records: ArrayBuffer,
  disk: number,
): void {
  columns.forEach(({ width, offset }, index) => {
    const unit = Math.min(width, 4);
    const from = values(body, unit, layout.columns[index] ?? 0);
    const to = values(records, unit, 0);
    const stride = RECORD_BYTES / unit;
    const start = offset / unit;
    if (width === 8) copyPairs(from, 2 * first, 2, to, start, stride, rows);
    else copySingles(from, first, 1, to, start, stride, rows);
  });
  const words = new Uint32Array(records);
  const stride = RECORD_BYTES / 4;
  const halves = new Uint16Array(records);
  for (let row = 0; row < rows; row++) {
    words[row * stride + at.disk / 4] = disk;
    halves[row * 2 * stride + at.reserved / 2] = 0;
  }
}

type Values = Uint8Array | Uint16Array | Uint32Array;

function copyPairs(
  from: Values,
  fromStart: number,
  fromStride: number,
  to: Values,
  toStart: number,
  toStride: number,
  count: number,
): void {
  let source = fromStart;
  let target = toStart;
  for (let index = 0; index < count; index++) {
    to[target] = from[source] ?? 0;
    to[target + 1] = from[source + 1] ?? 0;
    source += fromStride;
    target += toStride;
  }
}

function copySingles(
  from: Values,
  fromStart: number,
  fromStride: number,
  to: Values,
  toStart: number,
  toStride: number,
  count: number,
): void {
  let source = fromStart;
  let target = toStart;
  for (let index = 0; index < count; index++) {
    to[target] = from[source] ?? 0;
    source += fromStride;
    target += toStride;
  }
}
