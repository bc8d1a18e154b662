/**
 * Requests on the plane of time and sectors: as a grid of cells while there are
 * many, one by one when there are few.
 */
import { SECTOR_BYTES } from '../../../../app/contract/units';
import { BIOSCOPE_RESULT_OK } from '../../../../app/contract/wire.gen';
import { wideAt, type TraceColumns } from '../../../../app/filter/trace-columns';
import { type Derivation, type DerivationContext, never, RunningSum } from './derivation';
import { CELL_BYTES, FAILED, type GridPart, MapGrid, SLOTS } from './map-grid';
import { cellOf, type MapParameters, MOST_CELLS, partOfAll } from './map-part';
import { type Epoch, epochOf, familyOf, latencyAt, passingRows, takeCounts, timeAt } from './rows';

export { CELL_BYTES } from './map-grid';
export { MOST_CELLS, type MapParameters } from './map-part';

/** Up to so many requests are given one by one. */
export const MOST_POINTS = 8192;

/** Numbers of a point. */
export const point = { time: 0, sector: 1, sectors: 2, sequence: 3, latency: 4, size: 5 } as const;
/** The bit of a point's kind that says it failed; the others are its family. */
export const POINT_FAILED = 0x80;

export interface MapPartial extends GridPart {
  /** What it was made for. */
  readonly parameters: MapParameters;
  /** Of all rows, in the wanted part or not: first and last arrival, and the sector behind the last. */
  readonly from: number;
  readonly to: number;
  readonly sectorEnd: number;
  /** Requests in the wanted part. */
  readonly count: number;
  /** Null when there are more than MOST_POINTS, or were of all chunks together. */
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

/** The number of the first column: what has the same cells has the same numbers, if they begin at multiples. */
const firstOf = (parameters: MapParameters): number =>
  Math.round(parameters.timeFrom / cellOf(parameters));

const isAligned = (parameters: MapParameters): boolean =>
  parameters.timeFrom === firstOf(parameters) * cellOf(parameters);

/** Whether all rows of a partial lie in the wanted time. */
const isWithin = ({ from, to }: MapPartial, { timeFrom, timeTo }: MapParameters): boolean =>
  from >= timeFrom && to < timeTo;

/** How many cells of `fine` are one of `coarse`; 0 where they do not fit. */
function cellsInOne(fine: MapParameters, coarse: MapParameters): number {
  if (fine === coarse) return 1;
  const ratio = cellOf(coarse) / cellOf(fine);
  return Number.isInteger(ratio) && isAligned(fine) && isAligned(coarse) ? ratio : 0;
}

/** Throws RangeError for parameters that no page of ours sends. */
export class MapDerivation implements Derivation<MapPartial, MapResult> {
  #wanted: MapParameters;
  /** The part that is counted: the wanted one, or what it is of all time now. */
  #parameters: MapParameters;
  /** Whether requests may be wanted one by one. Of many they are not: most of what a scan costs. */
  #hasPoints = true;
  /** First and last arrival of the last merge. */
  #bounds = { from: Infinity, to: -Infinity };
  readonly #epoch: Epoch;
  /** The lane is one more row behind the others. */
  readonly #lanes: number;
  #scratch: Uint32Array;
  /** Places of the scratch with a count. */
  #touched = new Uint32Array(4096);
  #touches = 0;
  readonly #grid = new RunningSum<MapPartial, MapGrid>((grid, part, sign) => grid.add(part, sign));

  constructor(parameters: MapParameters, { epochMonotonicNs }: DerivationContext) {
    checkParameters(parameters);
    this.#wanted = parameters;
    this.#parameters = parameters;
    this.#epoch = epochOf(epochMonotonicNs);
    this.#lanes = parameters.rows + 1;
    this.#scratch = new Uint32Array(parameters.columns * this.#lanes * SLOTS);
  }

  /**
   * Wants another part of the plane from now on. False where nothing it has could be of use
   * there: of other sectors. Throws like the constructor.
   */
  change(parameters: MapParameters): boolean {
    checkParameters(parameters);
    const before = this.#parameters;
    const isOther = (['rows', 'sectorFrom', 'sectorTo'] as const).some(
      (name) => parameters[name] !== before[name],
    );
    if (isOther) return false;
    this.#wanted = parameters;
    // Of all time: what is counted may do.
    if (parameters.isAll !== true) this.#setPart(parameters);
    return true;
  }

  begin: NonNullable<Derivation<MapPartial, MapResult>['begin']> = (from, to) => {
    if (this.#wanted.isAll !== true) return;
    const earliest = Math.min(from, to, this.#bounds.from);
    const latest = Math.max(from, to, this.#bounds.to);
    this.#setPart(partOfAll(this.#wanted, this.#parameters, earliest, latest));
  };

  #setPart(parameters: MapParameters): void {
    this.#parameters = parameters;
    const size = parameters.columns * this.#lanes * SLOTS;
    if (size > this.#scratch.length) this.#scratch = new Uint32Array(size);
  }

  isStillGood = (partial: MapPartial): boolean => {
    const wanted = this.#parameters;
    if (this.#lacksPoints(partial)) return false;
    if (partial.parameters === wanted || partial.to < partial.from) return true;
    const isKept = isWithin(partial, partial.parameters) && isWithin(partial, wanted);
    return isKept && cellsInOne(partial.parameters, wanted) === 1;
  };

  refit: NonNullable<Derivation<MapPartial, MapResult>['refit']> = (partial) => {
    const parameters = this.#parameters;
    if (partial.to < parameters.timeFrom || partial.from >= parameters.timeTo)
      return { ...partial, ...nothing, parameters };
    if (!isWithin(partial, partial.parameters) || !isWithin(partial, parameters)) return null;
    if (this.#lacksPoints(partial)) return null;
    const ratio = cellsInOne(partial.parameters, parameters);
    if (ratio === 0) return null;
    const stride = this.#lanes * SLOTS;
    const column = Math.floor(partial.column / ratio);
    this.#touches = 0;
    for (let index = 0; index < partial.slots.length; index++) {
      const slot = partial.slots[index] ?? 0;
      const past = Math.floor(slot / stride);
      const to = Math.floor((partial.column + past) / ratio) - column;
      this.#count(slot + (to - past) * stride, partial.counts[index] ?? 0);
    }
    return { ...partial, parameters, ...this.#takePart(column, 0) };
  };

  scan: Derivation<MapPartial, MapResult>['scan'] = (columns, from, to, bits) => {
    const parameters = this.#parameters;
    const { timeFrom, timeTo, sectorFrom, sectorTo, columns: wide, rows: high } = parameters;
    const cell = cellOf(parameters);
    const rowsPerSector = high / (sectorTo - sectorFrom);
    const lanes = this.#lanes;
    const epoch = this.#epoch;
    const { operation, result, length, sector } = columns;
    let insides = 0;
    let earliest = Infinity;
    let latest = -Infinity;
    let sectorEnd = 0;
    let firstColumn = wide;
    this.#touches = 0;
    const rows = passingRows(from, to, bits);
    for (const row of rows) {
      const time = timeAt(columns, row, epoch);
      if (time < earliest) earliest = time;
      if (time > latest) latest = time;
      const sectors = Math.ceil(wideAt(length, row) / SECTOR_BYTES);
      const start = wideAt(sector, row);
      if (sectors > 0 && start + sectors > sectorEnd) sectorEnd = start + sectors;
      if (time < timeFrom || time >= timeTo) continue;
      if (sectors > 0 && (start >= sectorTo || start + sectors <= sectorFrom)) continue;
      // In the place of one that has been looked at.
      rows[insides++] = row;
      const slot = familyOf[operation[row] ?? 0] ?? 0;
      const hasFailed = result[row] !== BIOSCOPE_RESULT_OK;
      const column = Math.min(wide - 1, Math.floor((time - timeFrom) / cell));
      if (column < firstColumn) firstColumn = column;
      let lane = high;
      let end = lanes;
      if (sectors > 0) {
        const first = Math.max(0, Math.floor((start - sectorFrom) * rowsPerSector));
        end = Math.min(high, Math.ceil((start + sectors - sectorFrom) * rowsPerSector));
        lane = Math.min(first, high - 1);
        if (end <= lane) end = lane + 1;
      }
      for (; lane < end; lane++) {
        const at = (column * lanes + lane) * SLOTS;
        this.#count(at + slot, 1);
        if (hasFailed) this.#count(at + FAILED, 1);
      }
    }
    const inside = rows.subarray(0, insides);
    const base = insides === 0 ? 0 : firstColumn;
    const part = this.#takePart(firstOf(parameters) + base, base * lanes * SLOTS);
    const isOneByOne = insides === 0 || (this.#hasPoints && insides <= MOST_POINTS);
    const points = isOneByOne ? this.#points(columns, inside) : null;
    const kinds = points === null ? new Uint8Array(0) : kindsOf(columns, inside);
    const bounds = { from: earliest, to: latest, sectorEnd };
    return { parameters, ...bounds, count: insides, ...part, points, kinds };
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
    const parameters = this.#parameters;
    this.#bounds = { from, to };
    // The first or the last row was not the one that came so, or a filter has left a short time.
    const isOther = parameters.isAll === true && to >= from;
    if (isOther && partOfAll(this.#wanted, parameters, from, to) !== parameters) return null;
    const about = { kind: 'map', parameters, from, to, sectorEnd, count } as const;
    this.#hasPoints = count <= MOST_POINTS;
    if (partials.some((part) => this.#lacksPoints(part))) return null;
    if (this.#hasPoints) {
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
    const { columns, rows } = parameters;
    // The same cells, wherever the wanted part begins: what is summed stays.
    const key = isAligned(parameters)
      ? `${cellOf(parameters)}`
      : `${parameters.timeFrom} ${parameters.timeTo}`;
    const grid = this.#grid.sum(
      partials,
      `${key} ${MapGrid.roomFor(columns)}`,
      () => new MapGrid(columns, this.#lanes),
      isOver,
    );
    if (grid === null) return null;
    const { most, cells } = grid.cells(firstOf(parameters), columns);
    const laneAt = columns * rows * CELL_BYTES;
    const own = { cells: cells.slice(0, laneAt), lane: cells.slice(laneAt) };
    const kinds = new Uint8Array(0);
    return {
      result: { ...about, ...own, most, points: null, kinds },
      transfer: [own.cells.buffer, own.lane.buffer, kinds.buffer],
    };
  };

  #lacksPoints({ points, count }: MapPartial): boolean {
    return this.#hasPoints && points === null && count <= MOST_POINTS;
  }

  #count(place: number, by: number): void {
    const count = this.#scratch[place] ?? 0;
    this.#scratch[place] = count + by;
    if (count > 0) return;
    if (this.#touches === this.#touched.length) {
      const more = new Uint32Array(2 * this.#touches);
      more.set(this.#touched);
      this.#touched = more;
    }
    this.#touched[this.#touches++] = place;
  }

  /** What has been counted, which is then 0, from the place `base` on, where `column` is. */
  #takePart(column: number, base: number): GridPart {
    const slots = this.#touched.slice(0, this.#touches);
    const counts = takeCounts(this.#scratch, slots);
    if (base > 0) slots.forEach((slot, index) => (slots[index] = slot - base));
    return { column, slots, counts };
  }

  #points(columns: TraceColumns, rows: Uint32Array): Float64Array {
    const points = new Float64Array(rows.length * point.size);
    rows.forEach((row, index) => {
      const at = index * point.size;
      points[at + point.time] = timeAt(columns, row, this.#epoch);
      points[at + point.sector] = wideAt(columns.sector, row);
      points[at + point.sectors] = Math.ceil(wideAt(columns.length, row) / SECTOR_BYTES);
      points[at + point.sequence] = wideAt(columns.sequence, row);
      points[at + point.latency] = latencyAt(columns, row);
    });
    return points;
  }
}

/** Of a chunk without a request in the wanted part. */
const nothing = {
  count: 0,
  column: 0,
  slots: new Uint32Array(0),
  counts: new Uint16Array(0),
  points: new Float64Array(0),
  kinds: new Uint8Array(0),
} as const satisfies Omit<MapPartial, 'parameters' | 'from' | 'to' | 'sectorEnd'>;

function checkParameters(parameters: MapParameters): void {
  const { timeFrom, timeTo, sectorFrom, sectorTo, columns, rows } = parameters;
  const areCells = Number.isInteger(columns) && Number.isInteger(rows) && columns > 0 && rows > 0;
  if (!areCells || columns * rows > MOST_CELLS)
    throw new RangeError(`a map of ${columns} × ${rows} cells`);
  if (!(timeTo > timeFrom && sectorTo > sectorFrom)) throw new RangeError('a map of nothing');
}

function kindsOf(columns: TraceColumns, rows: Uint32Array): Uint8Array {
  return Uint8Array.from(rows, (row) => {
    const family = familyOf[columns.operation[row] ?? 0] ?? 0;
    return columns.result[row] === BIOSCOPE_RESULT_OK ? family : family | POINT_FAILED;
  });
}
