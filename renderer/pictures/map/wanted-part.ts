/**
 * Which part of the plane, in which cells, the map asks for. Along time a cell is
 * a power of two nanoseconds and the part begins at a multiple: so that the worker
 * has counted most of it already when the next part is asked for.
 */
import type { MapParameters } from '../../trace/worker/derived/map';
import type { PlotArea } from '../picture';
import { isInside, type Plane } from './plane';

/** Pixels of a cell along the sectors; along time they are this at least, and less than twice that. */
const CELL = 2;
const LEAST_CELL = 1.6;
const MOST_COLUMNS = 1024;
const MOST_ROWS = 256;
/** Room for what comes, so that not every new request asks for another part. */
const GROWTH = 1.25;
const MARGIN = 0.1;
/** Of a part, as much is seen at least along the sectors; cells finer than this share are asked for. */
const LEAST_SHARE = 0.6;

const rowsOf = ({ height }: PlotArea): number =>
  Math.max(1, Math.min(MOST_ROWS, Math.ceil(height / CELL)));

/** ns of a cell where `span` ns are seen. */
function cellFor(span: number, { width }: PlotArea): number {
  const columns = Math.min(MOST_COLUMNS / GROWTH - 2, Math.max(1, width / LEAST_CELL));
  return 2 ** Math.ceil(Math.log2(span / columns));
}

/** The part to ask for where `plane` is seen in `plot`; `isAll`: which is all there is, and grows. */
export function wantedPart(plane: Plane, plot: PlotArea, isAll: boolean): MapParameters {
  const time = plane.timeTo - plane.timeFrom;
  const sectors = plane.sectorTo - plane.sectorFrom;
  const cell = cellFor(time, plot);
  const from = isAll ? plane.timeFrom : plane.timeFrom - MARGIN * time;
  const to = isAll ? plane.timeFrom + GROWTH * time : plane.timeTo + MARGIN * time;
  const first = Math.floor(from / cell);
  const columns = Math.min(MOST_COLUMNS, Math.ceil(to / cell) - first);
  return {
    timeFrom: first * cell,
    timeTo: (first + columns) * cell,
    sectorFrom: isAll ? 0 : Math.max(0, plane.sectorFrom - MARGIN * sectors),
    sectorTo: isAll ? plane.sectorTo : plane.sectorTo + MARGIN * sectors,
    columns,
    rows: rowsOf(plot),
  };
}

/** Whether what was asked for holds what is seen, and finely enough. */
export function willDo(asked: MapParameters, plane: Plane, plot: PlotArea): boolean {
  if (asked.rows !== rowsOf(plot) || !isInside(plane, asked)) return false;
  const cell = (asked.timeTo - asked.timeFrom) / asked.columns;
  // Somewhat more than what is seen: one that grows and shrinks a little keeps its cells.
  const wanted = cellFor((plane.timeTo - plane.timeFrom) / LEAST_SHARE, plot);
  const tall = (plane.sectorTo - plane.sectorFrom) / (asked.sectorTo - asked.sectorFrom);
  return cell <= wanted && tall > LEAST_SHARE;
}
