/**
 * A capture as whole columns, ascending by sequence: what the window's store
 * takes as it is. The file has its rows in the order of completion, so the few
 * that a later batch may still precede wait for it.
 */
import type { PackColumns } from '../addon/addon';
import { BioscopeError } from '../contract/errors';
import type { ColumnValues } from '../contract/packed-columns';
import { readError } from './capture-errors';
import { columns } from './columns';
import type { BatchRecords, CaptureFile } from './file';
import { orderBySequence, wideNumber } from './order';

/** Rows that wait at most: one request that took minutes must not hold all the others back. */
const MOST_WAITING = 4 * 65_536;

/** Rows of a piece at most: what crosses a process boundary is best neither tiny nor a megabyte. */
const PIECE_ROWS = 32_768;

/** Room for a few rows more than the last batch had: as many as may have waited. */
const SPARE_ROWS = 4096;

export interface CapturePiece {
  /** Packed columns (app/contract/packed-columns.ts) of `rows` rows. Overwritten by the next piece. */
  readonly packed: ArrayBuffer;
  readonly rows: number;
  /** Requests that are missing before these rows, or among them. */
  readonly lost: bigint;
  /** What could not be read, which counts as lost. */
  readonly damage: BioscopeError | null;
}

/** Values of `width` bytes for `rows` rows; 64-bit ones as pairs of words. */
function valuesAt(bytes: ArrayBuffer, width: number, offset: number, rows: number): ColumnValues {
  if (width === 1) return new Uint8Array(bytes, offset, rows);
  if (width === 2) return new Uint16Array(bytes, offset, rows);
  return new Uint32Array(bytes, offset, (rows * width) / 4);
}

/** Values of a column that one row has: 64 bits are two words. */
const unitOf = (width: number): number => (width === 8 ? 2 : 1);

/** Rows at hand, as columns with room for `capacity` of them. */
class Pool {
  readonly capacity: number;
  readonly values: readonly ColumnValues[];

  constructor(capacity: number) {
    this.capacity = capacity;
    this.values = columns.map(({ width }) =>
      valuesAt(new ArrayBuffer(width * capacity), width, 0, capacity),
    );
  }

  /** The words of the sequences, pairs. */
  get sequences(): Uint32Array {
    const [sequences] = this.values;
    return sequences instanceof Uint32Array ? sequences : new Uint32Array();
  }

  /** This, if it suits so many rows, or one that does and begins with the first `kept` of these. */
  suiting(rows: number, kept: number): Pool {
    const isWaste = this.capacity > 2 * rows + SPARE_ROWS;
    if (rows <= this.capacity && !isWaste) return this;
    const other = new Pool(rows + SPARE_ROWS);
    other.values.forEach((target, index) => {
      const unit = unitOf(columns[index]?.width ?? 1);
      target.set(this.values[index]?.subarray(0, unit * kept) ?? []);
    });
    return other;
  }

  /** Puts the rows of a batch behind the first `before`. */
  put({ body, layout, rows }: BatchRecords, before: number): void {
    this.values.forEach((target, index) => {
      const width = columns[index]?.width ?? 1;
      const source = valuesAt(body, width, layout.columns[index] ?? 0, rows);
      target.set(source, before * unitOf(width));
    });
  }

  /** Moves the rows `rows`, ascending, to the front: run by run, as most that wait lie side by side. */
  keep(rows: Uint32Array): void {
    for (let begin = 0; begin < rows.length;) {
      const row = rows[begin] ?? 0;
      let end = begin + 1;
      while (end < rows.length && rows[end] === row + end - begin) end++;
      this.values.forEach((values, index) => {
        const unit = unitOf(columns[index]?.width ?? 1);
        values.copyWithin(unit * begin, unit * row, unit * (row + end - begin));
      });
      begin = end;
    }
  }
}

type Rows = Pick<CapturePiece, 'packed' | 'rows'>;

export class CaptureColumnReader {
  readonly file: CaptureFile;
  private readonly mostWaiting: number;
  /** For each batch the lowest sequence behind it; no row as high may come before that. */
  private readonly lowestBehind: Float64Array;
  private body = new ArrayBuffer(0);
  /** The rows at hand; the first `waiting` of them are from former batches. */
  private pool = new Pool(0);
  private waiting = 0;
  /** Rows at hand in order: the first `ready` of them go out, and `given` of those have; the others wait. */
  private order: Uint32Array = new Uint32Array(0);
  private ready = 0;
  private given = 0;
  private readonly pack: PackColumns;
  private packed = new ArrayBuffer(0);
  /** 0, 1, 2 and so on, as many as were wanted: the order of what is in order. */
  private asTheyAre = new Uint32Array(0);
  private batch = 0;

  /** The file is closed with the reader. `mostWaiting`: rows. */
  constructor(file: CaptureFile, pack: PackColumns, mostWaiting = MOST_WAITING) {
    this.file = file;
    this.pack = pack;
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
      if (this.given < this.ready) return { ...this.give(), lost, damage: null };
      this.keepOthers();
      const index = this.batch++;
      const head = this.file.batches[index]?.head;
      if (!head) {
        // What waits for a batch that cannot be read, and what is lost behind the last row.
        if (this.waiting === 0 && lost === 0n) return null;
        this.sort(this.waiting, Infinity);
        return { ...this.give(), lost, damage: null };
      }
      lost += BigInt(head.lost);
      if (head.rows === 0) continue;
      const records = this.read(index);
      if (records instanceof BioscopeError) {
        lost += BigInt(head.rows);
        return { ...this.give(), lost, damage: records };
      }
      this.take(records, this.lowestBehind[index] ?? Infinity);
    }
  }

  close(): void {
    this.file.close();
    [this.body, this.pool, this.waiting] = [new ArrayBuffer(0), new Pool(0), 0];
    this.ready = this.given = 0;
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

  /** Of a batch and what waits, the rows below `bound` are ready; the others wait. */
  private take(records: BatchRecords, bound: number): void {
    const { waiting } = this;
    const all = waiting + records.rows;
    this.pool = this.pool.suiting(all, waiting);
    this.pool.put(records, waiting);
    this.sort(all, bound);
  }

  /** The same of the first `rows` of the pool. */
  private sort(rows: number, bound: number): void {
    const { sequences } = this.pool;
    this.order = orderBySequence(sequences, 0, 2, rows) ?? this.inOrder(rows);
    const below = rowsBelow(sequences, this.order, bound);
    this.ready = rows - below > this.mostWaiting ? rows : below;
    this.given = 0;
  }

  /** What is ready has been given: the others come first in the pool. */
  private keepOthers(): void {
    if (this.order.length === 0) return;
    const others = this.order.slice(this.ready).sort();
    this.pool.keep(others);
    this.waiting = others.length;
    this.order = new Uint32Array(0);
    this.ready = this.given = 0;
  }

  private inOrder(rows: number): Uint32Array {
    if (this.asTheyAre.length < rows)
      this.asTheyAre = Uint32Array.from({ length: rows }, (_, row) => row);
    return this.asTheyAre.subarray(0, rows);
  }

  /** The next rows of those that are ready. */
  private give(): Rows {
    const end = Math.min(this.ready, this.given + PIECE_ROWS);
    const rows = this.order.subarray(this.given, end);
    this.given = end;
    const { values } = this.pool;
    const bytes = this.pack(values, rows, this.packed);
    const { byteLength } = this.packed;
    // Not many more than are needed: all of them are copied when they are sent.
    if (byteLength < bytes || byteLength > bytes + bytes / 8) {
      this.packed = new ArrayBuffer(bytes);
      this.pack(values, rows, this.packed);
    }
    return { packed: this.packed, rows: rows.length };
  }
}

/** How many of `rows`, ascending by sequence, have one below `bound`. */
function rowsBelow(sequences: Uint32Array, rows: Uint32Array, bound: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (wideNumber(sequences, 2 * (rows[middle] ?? 0)) < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
