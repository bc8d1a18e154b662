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

export interface CapturePiece {
  /** The columns in the order of the file, each right behind the other. */
  readonly columns: ArrayBuffer;
  readonly rows: number;
  /** Requests that are missing before these rows, or among them. */
  readonly lost: bigint;
  /** What could not be read, which counts as lost. */
  readonly damage: BioscopeError | null;
}

type Values = Uint8Array | Uint16Array | Uint32Array;

/** Values of `width` bytes, as many rows as there are; 64-bit ones as pairs of words. */
function valuesAt(bytes: ArrayBuffer, width: number, offset: number, rows: number): Values {
  if (width === 1) return new Uint8Array(bytes, offset, rows);
  if (width === 2) return new Uint16Array(bytes, offset, rows);
  return new Uint32Array(bytes, offset, (rows * width) / 4);
}

/** Rows as columns without gaps. */
class Packed {
  readonly bytes: ArrayBuffer;
  readonly rows: number;
  readonly values: readonly Values[];

  constructor(rows: number) {
    this.bytes = new ArrayBuffer(rows * ROW_BYTES);
    this.rows = rows;
    let offset = 0;
    this.values = columns.map(({ width }) => {
      const values = valuesAt(this.bytes, width, offset, rows);
      offset += width * rows;
      return values;
    });
  }

  /** The words of the sequences, pairs. */
  get sequences(): Uint32Array {
    return new Uint32Array(this.bytes, 0, 2 * this.rows);
  }

  /** The rows of `first`, and behind them those of a batch. */
  static joined(first: Packed, { body, layout, rows }: BatchRecords): Packed {
    const both = new Packed(first.rows + rows);
    both.values.forEach((target, index) => {
      const before = first.values[index] ?? [];
      const width = columns[index]?.width ?? 1;
      target.set(before);
      target.set(valuesAt(body, width, layout.columns[index] ?? 0, rows), before.length);
    });
    return both;
  }

  /** The rows [from, to) of `order`, or of these as they are without one. */
  part(order: Uint32Array | null, from: number, to: number): Packed {
    const some = new Packed(to - from);
    const rows = order?.subarray(from, to);
    some.values.forEach((target, index) => {
      const source = this.values[index] ?? target;
      const isWide = columns[index]?.width === 8;
      const unit = isWide ? 2 : 1;
      if (!rows) target.set(source.subarray(unit * from, unit * to));
      else if (isWide) pickPairs(source, rows, target);
      else pickSingles(source, rows, target);
    });
    return some;
  }
}

function pickPairs(from: Values, order: Uint32Array, to: Values): void {
  for (let row = 0; row < order.length; row++) {
    const source = 2 * (order[row] ?? 0);
    to[2 * row] = from[source] ?? 0;
    to[2 * row + 1] = from[source + 1] ?? 0;
  }
}

function pickSingles(from: Values, order: Uint32Array, to: Values): void {
  for (let row = 0; row < order.length; row++) to[row] = from[order[row] ?? 0] ?? 0;
}

const noRows = (): Packed => new Packed(0);

export class CaptureColumnReader {
  readonly file: CaptureFile;
  private readonly mostWaiting: number;
  /** For each batch the lowest sequence behind it; no row as high may come before that. */
  private readonly lowestBehind: Float64Array;
  private waiting = noRows();
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

  /** The next rows, or null at the end. Blocks while it reads one batch. */
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
        return { columns: new ArrayBuffer(0), rows: 0, lost, damage: records };
      }
      const { bytes, rows } = this.take(records, this.lowestBehind[index] ?? Infinity);
      if (rows > 0 || lost > 0n) return { columns: bytes, rows, lost, damage: null };
    }
  }

  close(): void {
    this.file.close();
    this.waiting = noRows();
  }

  private read(index: number): BatchRecords | BioscopeError {
    try {
      return this.file.records(index);
    } catch (thrown) {
      const error = readError(this.file.path, thrown);
      if (error instanceof BioscopeError) return error;
      throw error;
    }
  }

  /** Of a batch and what waits, the rows below `bound`; the others wait. */
  private take(records: BatchRecords, bound: number): Packed {
    const all = Packed.joined(this.waiting, records);
    const order = orderBySequence(all.sequences, 0, 2, all.rows);
    const ready = rowsBelow(all, order, bound);
    const isAll = ready === all.rows || all.rows - ready > this.mostWaiting;
    this.waiting = isAll ? noRows() : all.part(order, ready, all.rows);
    return isAll && order === null ? all : all.part(order, 0, isAll ? all.rows : ready);
  }

  /** What waits for a batch that cannot be read, and what is lost behind the last row. */
  private rest(lost: bigint): CapturePiece | null {
    const { bytes, rows } = this.waiting;
    this.waiting = noRows();
    if (rows === 0 && lost === 0n) return null;
    return { columns: bytes, rows, lost, damage: null };
  }
}

/** How many rows have a sequence below `bound`; `order`: what brings them in order, null if they are. */
function rowsBelow({ sequences, rows }: Packed, order: Uint32Array | null, bound: number): number {
  let low = 0;
  let high = rows;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const row = order === null ? middle : (order[middle] ?? 0);
    if (wideNumber(sequences, 2 * row) < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
