/**
 * The map's counts by cell, as a sum that partials are added to and taken away
 * from, and the cells that are drawn of it. Each column of cells lies in the place
 * of its number modulo the columns there is room for: so that what is counted
 * stays where it is while old columns leave and new ones come.
 */
import { FAMILIES } from './rows';

/** Counts of a cell: one a family, and one of those that failed. */
export const SLOTS = 8;
export const FAILED = FAMILIES;
/** Bytes of a cell: family + 1 (0: no request), how many (logarithmic, 1 … 255), whether one failed, 255. */
export const CELL_BYTES = 4;
/** Fullness of so many is looked up. */
const LOOKED_UP = 4096;

/** Columns of cells, and in each the cells of the sectors and the lane behind them. */
export interface GridPart {
  /** The number of its first column. */
  readonly column: number;
  /** From its first column on: cell after cell, column after column, SLOTS each. */
  readonly slots: Uint32Array;
  readonly counts: Uint16Array;
}

export class MapGrid {
  readonly #lanes: number;
  /** Room for so many columns: a power of two. */
  readonly #room: number;
  readonly #counts: Uint32Array;
  readonly #totals: Uint32Array;
  /** By cell: the family it has most of + 1, and FAILED_BIT. */
  readonly #kinds: Uint8Array;
  /** Cells whose counts are others than their total and kind say. */
  readonly #changed: number[] = [];
  readonly #isChanged: Uint8Array;

  /** `columns` cells along time, and `lanes` along the sectors with the one of what has none. */
  constructor(columns: number, lanes: number) {
    this.#lanes = lanes;
    this.#room = MapGrid.roomFor(columns);
    const cells = this.#room * lanes;
    this.#counts = new Uint32Array(cells * SLOTS);
    this.#totals = new Uint32Array(cells);
    this.#kinds = new Uint8Array(cells);
    this.#isChanged = new Uint8Array(cells);
  }

  static roomFor(columns: number): number {
    return 2 ** Math.ceil(Math.log2(columns));
  }

  /** Adds `part`, of no more columns than there is room for, or takes it away with -1. */
  add({ column, slots, counts }: GridPart, sign: 1 | -1): void {
    const all = this.#counts;
    const start = this.#place(column) * SLOTS;
    for (let index = 0; index < slots.length; index++) {
      let slot = start + (slots[index] ?? 0);
      if (slot >= all.length) slot -= all.length;
      all[slot] = (all[slot] ?? 0) + sign * (counts[index] ?? 0);
      const cell = slot >>> 3;
      if (this.#isChanged[cell] === 0) {
        this.#isChanged[cell] = 1;
        this.#changed.push(cell);
      }
    }
  }

  /** The cells of `columns` columns from `column` on, row by row of cells, the lane behind the others. */
  cells(column: number, columns: number): { most: number; cells: Uint8Array } {
    this.#settle();
    const lanes = this.#lanes;
    const cells = new Uint8Array(columns * lanes * CELL_BYTES);
    const totals = this.#totals;
    let most = 0;
    for (let at = 0; at < columns; at++) {
      const place = this.#place(column + at);
      for (let lane = 0; lane < lanes; lane++) {
        const total = totals[place + lane] ?? 0;
        if (total > most) most = total;
      }
    }
    const scale = 254 / Math.log2(1 + most);
    const fullness = (total: number): number => 1 + Math.round(scale * Math.log2(1 + total));
    const known = Uint8Array.from({ length: Math.min(LOOKED_UP, most + 1) }, (_, total) =>
      fullness(total),
    );
    for (let at = 0; at < columns; at++) {
      const place = this.#place(column + at);
      for (let lane = 0; lane < lanes; lane++) {
        const total = totals[place + lane] ?? 0;
        if (total === 0) continue;
        const kind = this.#kinds[place + lane] ?? 0;
        const to = (lane * columns + at) * CELL_BYTES;
        cells[to] = kind & ~FAILED_BIT;
        cells[to + 1] = total < known.length ? (known[total] ?? 0) : fullness(total);
        cells[to + 2] = (kind & FAILED_BIT) === 0 ? 0 : 255;
        cells[to + 3] = 255;
      }
    }
    return { most, cells };
  }

  /** Where the cells of a column begin. */
  #place(column: number): number {
    return (column & (this.#room - 1)) * this.#lanes;
  }

  /** Totals and kinds of the cells that have changed. */
  #settle(): void {
    const counts = this.#counts;
    for (const cell of this.#changed) {
      this.#isChanged[cell] = 0;
      const at = cell * SLOTS;
      let total = 0;
      let kind = 0;
      let leading = 0;
      for (let family = 0; family < FAMILIES; family++) {
        const own = counts[at + family] ?? 0;
        total += own;
        if (own <= leading) continue;
        leading = own;
        kind = family + 1;
      }
      this.#totals[cell] = total;
      this.#kinds[cell] = (counts[at + FAILED] ?? 0) > 0 ? kind | FAILED_BIT : kind;
    }
    this.#changed.length = 0;
  }
}

const FAILED_BIT = 0x80;
