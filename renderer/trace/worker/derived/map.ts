/**
 * Requests on the plane of time and sectors: as a grid of cells while there are
 * many, one by one when there are few.
 */
import { SECTOR_BYTES } from '../../../../app/contract/units';
import { BIOSCOPE_RESULT_OK } from '../../../../app/contract/wire.gen';
import { wideAt, type TraceColumns } from '../../../../app/filter/trace-columns';
import { type Derivation, type DerivationContext, never, RunningSum } from './derivation';
import { FAMILIES, familyOf, latencyAt, passingRows, takeCounts, timeReader } from './rows';

/** The part of the plane that is wanted: [from, to) both ways, and its cells. */
export interface MapParameters {
  /** ns since the trace began */
  readonly timeFrom: number;
  readonly timeTo: number;
  readonly sectorFrom: number;
  readonly sectorTo: number;
  /** Cells along time and along the sectors: their product at most MOST_CELLS. */
  readonly columns: number;
  readonly rows: number;
}

export const MOST_CELLS = 2 ** 18;
/** Up to so many requests are given one by one. */
export const MOST_POINTS = 8192;
/** Counts of a cell: one a family, and one of those that failed. */
const SLOTS = 8;
const FAILED = FAMILIES;

/** Numbers of a point. */
export const point = { time: 0, sector: 1, sectors: 2, sequence: 3, latency: 4, size: 5 } as const;
/** The bit of a point's kind that says it failed; the others are its family. */
export const POINT_FAILED = 0x80;
/** Bytes of a cell: family + 1 (0: no request), how many (logarithmic, 1 … 255), whether one failed, 255. */
export const CELL_BYTES = 4;

export interface MapPartial {
  /** Of all rows, in the wanted part or not: first and last arrival, and the sector behind the last. */
  readonly from: number;
  readonly to: number;
  readonly sectorEnd: number;
  /** Requests in the wanted part. */
  readonly count: number;
  /** Cells' slots with a count, and the counts. */
  readonly slots: Uint32Array;
  /** A chunk has no more rows than 16 bits count. */
  readonly counts: Uint16Array;
  /** Null when there are more than MOST_POINTS. */
  readonly points: Float64Array | null;
  readonly kinds: Uint8Array;
}

export interface MapResult {
  readonly kind: 'map';
  readonly parameters: MapParameters;
  readonly from: number;
  readonly to: number;
  readonly sectorEnd: number;
  readonly count: number;
  /** Row by row of cells, from the first sector on; requests without sectors are in `lane`. */
  readonly cells: Uint8Array | null;
  /** One cell a column: what has no sectors (a flush). */
  readonly lane: Uint8Array | null;
  /** Requests in the fullest cell. */
  readonly most: number;
  /** `point.size` numbers each, in the order of `kinds`; where there are few enough. */
  readonly points: Float64Array | null;
  readonly kinds: Uint8Array;
}

/** Throws RangeError for parameters that no page of ours sends. */
export class MapDerivation implements Derivation<MapPartial, MapResult> {
  readonly #parameters: MapParameters;
  readonly #time: (columns: TraceColumns, row: number) => number;
  /** The lane is one more row behind the others. */
  readonly #scratch: Uint32Array;
  readonly #grid = new RunningSum<MapPartial, Uint32Array>((grid, { slots, counts }, sign) => {
    for (let index = 0; index < slots.length; index++) {
      const slot = slots[index] ?? 0;
      grid[slot] = (grid[slot] ?? 0) + sign * (counts[index] ?? 0);
    }
  });

  constructor(parameters: MapParameters, { epochMonotonicNs }: DerivationContext) {
    const { timeFrom, timeTo, sectorFrom, sectorTo, columns, rows } = parameters;
    const areCells = Number.isInteger(columns) && Number.isInteger(rows) && columns > 0 && rows > 0;
    if (!areCells || columns * rows > MOST_CELLS)
      throw new RangeError(`a map of ${columns} × ${rows} cells`);
    if (!(timeTo > timeFrom && sectorTo > sectorFrom)) throw new RangeError('a map of nothing');
    this.#parameters = parameters;
    this.#time = timeReader(epochMonotonicNs);
    this.#scratch = new Uint32Array(columns * (rows + 1) * SLOTS);
  }

  scan: Derivation<MapPartial, MapResult>['scan'] = (columns, from, to, bits) => {
    const { timeFrom, timeTo, sectorFrom, sectorTo, columns: wide, rows: high } = this.#parameters;
    const columnsPerNs = wide / (timeTo - timeFrom);
    const rowsPerSector = high / (sectorTo - sectorFrom);
    const scratch = this.#scratch;
    const touched: number[] = [];
    const inside: number[] = [];
    let earliest = Infinity;
    let latest = -Infinity;
    let sectorEnd = 0;
    const count = (cell: number, family: number, hasFailed: boolean): void => {
      const slot = cell * SLOTS + family;
      if (scratch[slot] === 0) touched.push(slot);
      scratch[slot] = (scratch[slot] ?? 0) + 1;
      if (!hasFailed) return;
      const failed = cell * SLOTS + FAILED;
      if (scratch[failed] === 0) touched.push(failed);
      scratch[failed] = (scratch[failed] ?? 0) + 1;
    };
    for (const row of passingRows(from, to, bits)) {
      const time = this.#time(columns, row);
      if (time < earliest) earliest = time;
      if (time > latest) latest = time;
      const sectors = Math.ceil(wideAt(columns.length, row) / SECTOR_BYTES);
      const start = wideAt(columns.sector, row);
      if (sectors > 0 && start + sectors > sectorEnd) sectorEnd = start + sectors;
      if (time < timeFrom || time >= timeTo) continue;
      if (sectors > 0 && (start >= sectorTo || start + sectors <= sectorFrom)) continue;
      inside.push(row);
      const family = familyOf[columns.operation[row] ?? 0] ?? 0;
      const hasFailed = columns.result[row] !== BIOSCOPE_RESULT_OK;
      const column = Math.min(wide - 1, Math.floor((time - timeFrom) * columnsPerNs));
      if (sectors === 0) {
        count(high * wide + column, family, hasFailed);
        continue;
      }
      const first = Math.max(0, Math.floor((start - sectorFrom) * rowsPerSector));
      const end = Math.min(high, Math.ceil((start + sectors - sectorFrom) * rowsPerSector));
      for (let cell = Math.min(first, high - 1); cell < Math.max(end, first + 1); cell++)
        if (cell < high) count(cell * wide + column, family, hasFailed);
    }
    const slots = Uint32Array.from(touched);
    const counts = takeCounts(scratch, slots);
    const points = inside.length <= MOST_POINTS ? this.#points(columns, inside) : null;
    const kinds = points === null ? new Uint8Array(0) : kindsOf(columns, inside);
    const bounds = { from: earliest, to: latest, sectorEnd };
    return { ...bounds, count: inside.length, slots, counts, points, kinds };
  };

  merge: Derivation<MapPartial, MapResult>['merge'] = (partials, isOver = never) => {
    let from = Infinity;
    let to = -Infinity;
    let sectorEnd = 0;
    let count = 0;
    for (const part of partials) {
      from = Math.min(from, part.from);
      to = Math.max(to, part.to);
      sectorEnd = Math.max(sectorEnd, part.sectorEnd);
      count += part.count;
    }
    const about = {
      kind: 'map',
      parameters: this.#parameters,
      from,
      to,
      sectorEnd,
      count,
    } as const;
    if (count <= MOST_POINTS) {
      const points = new Float64Array(count * point.size);
      const kinds = new Uint8Array(count);
      let at = 0;
      for (const part of partials) {
        points.set(part.points ?? [], at * point.size);
        kinds.set(part.kinds, at);
        at += part.kinds.length;
      }
      return {
        result: { ...about, cells: null, lane: null, most: 0, points, kinds },
        transfer: [points.buffer, kinds.buffer],
      };
    }
    const grid = this.#grid.sum(partials, '', () => new Uint32Array(this.#scratch.length), isOver);
    if (grid === null) return null;
    const { most, cells } = cellsOf(grid);
    const { columns, rows } = this.#parameters;
    const laneAt = columns * rows * CELL_BYTES;
    const own = { cells: cells.slice(0, laneAt), lane: cells.slice(laneAt) };
    const kinds = new Uint8Array(0);
    return {
      result: { ...about, ...own, most, points: null, kinds },
      transfer: [own.cells.buffer, own.lane.buffer, kinds.buffer],
    };
  };

  #points(columns: TraceColumns, rows: readonly number[]): Float64Array {
    const points = new Float64Array(rows.length * point.size);
    rows.forEach((row, index) => {
      const at = index * point.size;
      points[at + point.time] = this.#time(columns, row);
      points[at + point.sector] = wideAt(columns.sector, row);
      points[at + point.sectors] = Math.ceil(wideAt(columns.length, row) / SECTOR_BYTES);
      points[at + point.sequence] = wideAt(columns.sequence, row);
      points[at + point.latency] = latencyAt(columns, row);
    });
    return points;
  }
}

function kindsOf(columns: TraceColumns, rows: readonly number[]): Uint8Array {
  return Uint8Array.from(rows, (row) => {
    const family = familyOf[columns.operation[row] ?? 0] ?? 0;
    return columns.result[row] === BIOSCOPE_RESULT_OK ? family : family | POINT_FAILED;
  });
}

/** Each cell shows the family it has most of. */
function cellsOf(grid: Uint32Array): { most: number; cells: Uint8Array } {
  const count = grid.length / SLOTS;
  const totals = new Uint32Array(count);
  const cells = new Uint8Array(count * CELL_BYTES);
  let most = 0;
  for (let cell = 0; cell < count; cell++) {
    let total = 0;
    let leader = 0;
    let leading = 0;
    for (let family = 0; family < FAMILIES; family++) {
      const own = grid[cell * SLOTS + family] ?? 0;
      total += own;
      if (own <= leading) continue;
      leading = own;
      leader = family + 1;
    }
    if (total === 0) continue;
    totals[cell] = total;
    most = Math.max(most, total);
    cells[cell * CELL_BYTES] = leader;
    cells[cell * CELL_BYTES + 2] = (grid[cell * SLOTS + FAILED] ?? 0) > 0 ? 255 : 0;
    cells[cell * CELL_BYTES + 3] = 255;
  }
  const scale = 254 / Math.log2(1 + most);
  totals.forEach((total, cell) => {
    if (total > 0) cells[cell * CELL_BYTES + 1] = 1 + Math.round(scale * Math.log2(1 + total));
  });
  return { most, cells };
}
