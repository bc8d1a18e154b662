/**
 * A capture as whole columns, ascending by sequence: what the window's store
 * takes as it is. The file has its rows in the order of completion, so the few
 * that a later batch may still precede wait for it.
 */
import { BioscopeError } from '../contract/errors';
import { readError } from './capture-errors';
import { columns } from './columns';
import type { BatchRecords, CaptureFile } from './file';
import { orderBySequence, wideNumber } from './order';

/** Rows that wait at most: one request that took minutes must not hold all the others back. */
const MOST_WAITING = 4 * 65_536;

/** Bytes of a row. */
const ROW_BYTES = columns.reduce((sum, { width }) => sum + width, 0);

/** Room in a piece for a few rows more than the last had: as many as may have waited. */
const SPARE_ROWS = 4096;

export interface CapturePiece {
  /**
   * The columns in the order of the file, one right behind the other, each with
   * room for `capacity` rows. Overwritten by the next piece.
   */
  readonly columns: ArrayBuffer;
  readonly capacity: number;
  readonly rows: number;
  /** Requests that are missing before these rows, or among them. */
  readonly lost: bigint;
  /** What could not be read, which counts as lost. */
  readonly damage: BioscopeError | null;
}

type Values = Uint8Array | Uint16Array | Uint32Array;

/** Values of `width` bytes for `rows` rows; 64-bit ones as pairs of words. */
function valuesAt(bytes: ArrayBuffer, width: number, offset: number, rows: number): Values {
  if (width === 1) return new Uint8Array(bytes, offset, rows);
  if (width === 2) return new Uint16Array(bytes, offset, rows);
  return new Uint32Array(bytes, offset, (rows * width) / 4);
}

/** Values of a column that one row has: 64 bits are two words. */
const unitOf = (width: number): number => (width === 8 ? 2 : 1);

/** Columns one right behind the other, with room for `capacity` rows. */
class Packed {
  readonly bytes: ArrayBuffer;
  readonly capacity: number;
  readonly values: readonly Values[];

  constructor(capacity: number) {
    this.bytes = new ArrayBuffer(capacity * ROW_BYTES);
    this.capacity = capacity;
    let offset = 0;
    this.values = columns.map(({ width }) => {
      const values = valuesAt(this.bytes, width, offset, capacity);
      offset += width * capacity;
      return values;
    });
  }

  /** The words of the sequences, pairs. */
  get sequences(): Uint32Array {
    return new Uint32Array(this.bytes, 0, 2 * this.capacity);
  }

  /** This, if it suits so many rows, or a new one that does. */
  suiting(rows: number): Packed {
    const isWaste = this.capacity > 2 * rows + SPARE_ROWS;
    return rows > this.capacity || isWaste ? new Packed(rows + SPARE_ROWS) : this;
  }

  /** Puts the rows of a batch behind the first `before`. */
  put({ body, layout, rows }: BatchRecords, before: number): void {
    this.values.forEach((target, index) => {
      const width = columns[index]?.width ?? 1;
      const source = valuesAt(body, width, layout.columns[index] ?? 0, rows);
      target.set(source, before * unitOf(width));
    });
  }

  /** Copies the rows [from, to) of `order` (of these as they are, without one) to the front of `other`. */
  copy(order: Uint32Array | null, from: number, to: number, other: Packed): void {
    const rows = order?.subarray(from, to);
    other.values.forEach((target, index) => {
      const source = this.values[index] ?? target;
      const width = columns[index]?.width ?? 1;
      const unit = unitOf(width);
      if (rows) pick(source, rows, target, width === 8);
      else target.set(source.subarray(unit * from, unit * to));
    });
  }
}

/** Values of `from` at `rows`, to the front of `to`. One function for each kind: one that sees several is several times slower. */
function pickBytes(from: Uint8Array, rows: Uint32Array, to: Uint8Array): void {
  for (let row = 0; row < rows.length; row++) to[row] = from[rows[row] ?? 0] ?? 0;
}

function pickHalves(from: Uint16Array, rows: Uint32Array, to: Uint16Array): void {
  for (let row = 0; row < rows.length; row++) to[row] = from[rows[row] ?? 0] ?? 0;
}

function pickWords(from: Uint32Array, rows: Uint32Array, to: Uint32Array): void {
  for (let row = 0; row < rows.length; row++) to[row] = from[rows[row] ?? 0] ?? 0;
}

function pickPairs(from: Uint32Array, rows: Uint32Array, to: Uint32Array): void {
  for (let row = 0; row < rows.length; row++) {
    const source = 2 * (rows[row] ?? 0);
    to[2 * row] = from[source] ?? 0;
    to[2 * row + 1] = from[source + 1] ?? 0;
  }
}

function pick(from: Values, rows: Uint32Array, to: Values, isWide: boolean): void {
  if (from instanceof Uint8Array && to instanceof Uint8Array) pickBytes(from, rows, to);
  else if (from instanceof Uint16Array && to instanceof Uint16Array) pickHalves(from, rows, to);
  else if (from instanceof Uint32Array && to instanceof Uint32Array) {
    if (isWide) pickPairs(from, rows, to);
    else pickWords(from, rows, to);
  }
}

const nothing = (): Packed => new Packed(0);

type Rows = Pick<CapturePiece, 'columns' | 'capacity' | 'rows'>;

export class CaptureColumnReader {
  readonly file: CaptureFile;
  private readonly mostWaiting: number;
  /** For each batch the lowest sequence behind it; no row as high may come before that. */
  private readonly lowestBehind: Float64Array;
  private body = new ArrayBuffer(0);
  /** The rows at hand; the first `waiting` of them are from former batches. */
  private pool = nothing();
  private waiting = 0;
  private piece = nothing();
  private batch = 0;

  /** The file is closed with the reader. `mostWaiting`: rows. */
  constructor(file: CaptureFile, mostWaiting = MOST_WAITING) {
    this.file = file;
    this.mostWaiting = mostWaiting;
    const { batches } = file;
    this.lowestBehind = new Float64Array(batches.length);
    let lowest = Infinity;
    for (let index = batches.length - 1; index >= 0; index--) {
      this.lowestBehind[index] = lowest;
      const head = batches[index]?.head;
      if (head && head.rows > 0) lowest = Math.min(lowest, Number(head.first));
    }
  }

  /** The next rows, or null at the end; they are gone at the next call. Blocks while it reads one batch. */
  next(): CapturePiece | null {
    let lost = 0n;
    for (;;) {
      const index = this.batch++;
      const head = this.file.batches[index]?.head;
      if (!head) return this.rest(lost);
      lost += BigInt(head.lost);
      if (head.rows === 0) continue;
      const records = this.read(index);
      if (records instanceof BioscopeError) {
        lost += BigInt(head.rows);
        return { ...this.emit(null, 0), lost, damage: records };
      }
      const piece = this.take(records, this.lowestBehind[index] ?? Infinity);
      if (piece.rows > 0 || lost > 0n) return { ...piece, lost, damage: null };
    }
  }

  close(): void {
    this.file.close();
    [this.body, this.pool, this.piece] = [new ArrayBuffer(0), nothing(), nothing()];
    this.waiting = 0;
  }

  private read(index: number): BatchRecords | BioscopeError {
    try {
      const records = this.file.recordsInto(index, this.body);
      this.body = records.body;
      return records;
    } catch (thrown) {
      const error = readError(this.file.path, thrown);
      if (error instanceof BioscopeError) return error;
      throw error;
    }
  }

  /** Of a batch and what waits, the rows below `bound`; the others wait. */
  private take(records: BatchRecords, bound: number): Rows {
    const { waiting } = this;
    const all = waiting + records.rows;
    const pool = this.pool.suiting(all);
    if (pool !== this.pool) this.pool.copy(null, 0, waiting, pool);
    this.pool = pool;
    pool.put(records, waiting);
    const order = orderBySequence(pool.sequences, 0, 2, all);
    const below = rowsBelow(pool.sequences, order, all, bound);
    const ready = all - below > this.mostWaiting ? all : below;
    const piece = this.emit(order, ready);
    const rest = new Packed(all - ready);
    pool.copy(order, ready, all, rest);
    rest.copy(null, 0, all - ready, pool);
    this.waiting = all - ready;
    return piece;
  }

  /** The first `rows` rows of the pool in `order` as a piece. */
  private emit(order: Uint32Array | null, rows: number): Rows {
    this.piece = this.piece.suiting(rows);
    this.pool.copy(order, 0, rows, this.piece);
    const { bytes, capacity } = this.piece;
    return { columns: bytes, capacity, rows };
  }

  /** What waits for a batch that cannot be read, and what is lost behind the last row. */
  private rest(lost: bigint): CapturePiece | null {
    const { waiting } = this;
    this.waiting = 0;
    if (waiting === 0 && lost === 0n) return null;
    return { ...this.emit(null, waiting), lost, damage: null };
  }
}

/**
 * How many of the first `count` rows have a sequence below `bound`; `order`: what
 * brings them in order, null if they are.
 */
function rowsBelow(
  sequences: Uint32Array,
  order: Uint32Array | null,
  count: number,
  bound: number,
): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const row = order === null ? middle : (order[middle] ?? 0);
    if (wideNumber(sequences, 2 * row) < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
