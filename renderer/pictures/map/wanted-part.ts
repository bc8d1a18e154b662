/** Which part of the plane, in which cells, the map asks for. */
import {
  cellFor,
  isFineEnough,
  type MapParameters,
  MOST_GROWTH,
  spanSeen,
} from '../../trace/worker/derived/map-part';
import type { PlotArea } from '../picture';
import { isInside, type Plane } from './plane';

/** Pixels of a cell along the sectors; along time they are this at least, and less than twice that. */
const CELL = 2;
const LEAST_CELL = 1.6;
const MOST_COLUMNS = 1024;
const MOST_ROWS = 256;
/** Of what is seen, beside it both ways. */
const MARGIN = 0.1;
/** Of a part, as much is seen at least along the sectors; of less another one is asked for. */
const LEAST_SHARE = 0.6;

const rowsOf = ({ height }: PlotArea): number =>
  Math.max(1, Math.min(MOST_ROWS, Math.ceil(height / CELL)));

/** Columns that are seen at most. */
const columnsOf = ({ width }: PlotArea): number =>
  Math.max(1, Math.min(Math.floor(MOST_COLUMNS / MOST_GROWTH) - 2, Math.floor(width / LEAST_CELL)));

/** All time there is, now and later; `sectors`: of the disk. */
export function partOfTimes(plot: PlotArea, sectors: number): MapParameters {
  const [columns, rows] = [columnsOf(plot), rowsOf(plot)];
  return { isAll: true, timeFrom: 0, timeTo: 1, sectorFrom: 0, sectorTo: sectors, columns, rows };
}

/** The part to ask for where `plane` is seen in `plot`. */
export function partAround(plane: Plane, plot: PlotArea): MapParameters {
  const time = plane.timeTo - plane.timeFrom;
  const sectors = plane.sectorTo - plane.sectorFrom;
  const cell = cellFor(time, columnsOf(plot));
  const first = Math.floor((plane.timeFrom - MARGIN * time) / cell);
  const columns = Math.ceil((plane.timeTo + MARGIN * time) / cell) - first;
  return {
    timeFrom: first * cell,
    timeTo: (first + columns) * cell,
    sectorFrom: Math.max(0, plane.sectorFrom - MARGIN * sectors),
    sectorTo: plane.sectorTo + MARGIN * sectors,
    columns,
    rows: rowsOf(plot),
  };
}

/** Whether what was asked for holds what is seen, and finely enough. */
export function willDo(asked: MapParameters, plane: Plane, plot: PlotArea): boolean {
  if (asked.rows !== rowsOf(plot) || !isInside(plane, asked)) return false;
  const tall = (plane.sectorTo - plane.sectorFrom) / (asked.sectorTo - asked.sectorFrom);
  const span = plane.timeTo - plane.timeFrom;
  return isFineEnough(asked, span, columnsOf(plot)) && tall > LEAST_SHARE;
}

/** What is seen of requests that came from `from` to `to`. */
export function wholePlane(from: number, to: number, sectors: number): Plane {
  return { timeFrom: from, timeTo: from + spanSeen(from, to), sectorFrom: 0, sectorTo: sectors };
}
