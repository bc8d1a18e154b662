/**
 * The map drawn with rectangles and lines: what is saved, and on the screen the axes
 * and, without WebGL2, requests one by one.
 */
import { CELL_BYTES, type MapResult, point, POINT_FAILED } from '../../trace/worker/derived/map';
import { families } from '../../trace/worker/derived/rows';
import type { Gap } from '../../trace/worker/protocol';
import { sectorTicks, timeTicks } from '../axis';
import type { Colours } from '../colours';
import { drawGaps } from '../gap-bands';
import type { Picture, PlotArea } from '../picture';
import type { Size, Surface } from '../surface';
import { layoutOf, POINT } from './layout';
import type { Plane } from './plane';
import { cellOpacity, cellTint, cellWords, FAILED_TINT, tintsOf } from './tints';

/** Labels, lines and `gaps` around the data, for the part `plane`. */
export function drawAxes(
  surface: Surface,
  size: Size,
  plane: Plane,
  gaps: readonly Gap[],
  colours: Colours,
): void {
  const { plot, lane } = layoutOf(size);
  const { left, top, width, height } = plot;
  const right = left + width;
  const bottom = top + height;
  const whole = { left, top: lane.top, width, height: bottom - lane.top };
  drawGaps(surface, whole, { from: plane.timeFrom, to: plane.timeTo }, gaps, colours);
  for (const { at, text } of sectorTicks(plane.sectorFrom, plane.sectorTo, height / 34)) {
    const y = top + ((at - plane.sectorFrom) / (plane.sectorTo - plane.sectorFrom)) * height;
    surface.line([left, y, right, y], colours.line);
    // Clear of the lane's name, and of the times.
    const middle = Math.max(top + 7, Math.min(y, bottom - 4));
    surface.text(left - 8, middle, text, colours.dim, 'right');
  }
  for (const { at, text } of timeTicks(plane.timeFrom, plane.timeTo, width / 100)) {
    const x = left + ((at - plane.timeFrom) / (plane.timeTo - plane.timeFrom)) * width;
    surface.line([x, top, x, bottom], colours.line);
    surface.text(Math.min(x, right - 20), bottom + 10, text, colours.dim, 'center');
  }
  surface.text(left - 8, lane.top + lane.height / 2, 'flush', colours.families[2] ?? '', 'right');
  surface.line([left, bottom + 0.5, right, bottom + 0.5], colours.line);
}

/** Cuts a rectangle to `area` and draws what is left of it, if anything. */
function clipped(
  surface: Surface,
  area: PlotArea,
  [x, y, width, height]: readonly [number, number, number, number],
  fill: string,
  opacity?: number,
): void {
  const left = Math.max(x, area.left);
  const top = Math.max(y, area.top);
  const right = Math.min(x + width, area.left + area.width);
  const bottom = Math.min(y + height, area.top + area.height);
  if (right > left && bottom > top)
    surface.rect(left, top, right - left, bottom - top, fill, opacity);
}

/** The requests of `result` that lie in `plane`. */
export function drawData(
  surface: Surface,
  size: Size,
  plane: Plane,
  result: MapResult,
  colours: Colours,
): void {
  const { plot, lane } = layoutOf(size);
  const pixelsPerNs = plot.width / (plane.timeTo - plane.timeFrom);
  const pixelsPerSector = plot.height / (plane.sectorTo - plane.sectorFrom);
  const x = (time: number): number => plot.left + (time - plane.timeFrom) * pixelsPerNs;
  const y = (sector: number): number => plot.top + (sector - plane.sectorFrom) * pixelsPerSector;
  const { parameters, cells, lane: laneCells, points, kinds } = result;
  const tints = tintsOf(colours);
  if (cells && laneCells) {
    const wide = (parameters.timeTo - parameters.timeFrom) / parameters.columns;
    const high = (parameters.sectorTo - parameters.sectorFrom) / parameters.rows;
    const put = (cell: number, index: number, area: PlotArea, top: number, tall: number): void => {
      const fill = tints[cellTint(cell)];
      if (fill === undefined) return;
      const left = x(parameters.timeFrom + (index % parameters.columns) * wide);
      clipped(surface, area, [left, top, wide * pixelsPerNs, tall], fill, cellOpacity(cell));
    };
    cellWords(cells).forEach((cell, index) => {
      const row = Math.floor(index / parameters.columns);
      put(cell, index, plot, y(parameters.sectorFrom + row * high), high * pixelsPerSector);
    });
    cellWords(laneCells).forEach((cell, index) => {
      put(cell, index, lane, lane.top, lane.height);
    });
    return;
  }
  kinds.forEach((kind, index) => {
    const at = index * point.size;
    const fill = tints[(kind & POINT_FAILED) !== 0 ? FAILED_TINT : kind] ?? '';
    const sectors = points?.[at + point.sectors] ?? 0;
    const left = x(points?.[at + point.time] ?? 0) - POINT / 2;
    if (sectors === 0) clipped(surface, lane, [left, lane.top, POINT, lane.height], fill);
    else {
      const tall = Math.max(POINT, sectors * pixelsPerSector);
      clipped(surface, plot, [left, y(points?.[at + point.sector] ?? 0), POINT, tall], fill);
    }
  });
}

/** The map as it is saved: the part `plane`, with `gaps` in which nobody served. */
export function mapPicture(plane: Plane, gaps: readonly Gap[]): Picture<MapResult> {
  return {
    draw: (surface, size, result, colours) => {
      drawAxes(surface, size, plane, gaps, colours);
      drawData(surface, size, plane, result, colours);
    },
    rows: ({ parameters, cells, lane, points, kinds }) => {
      if (!cells || !lane) {
        const names = [
          'sequence',
          'time (ns)',
          'operation',
          'sector',
          'sectors',
          'latency (ns)',
          'failed',
        ];
        return [
          names,
          ...[...kinds].map((kind, index) => {
            const own = points?.subarray(index * point.size, (index + 1) * point.size);
            return [
              own?.[point.sequence] ?? NaN,
              own?.[point.time] ?? NaN,
              families[kind & ~POINT_FAILED] ?? '',
              own?.[point.sector] ?? NaN,
              own?.[point.sectors] ?? NaN,
              own?.[point.latency] ?? NaN,
              (kind & POINT_FAILED) !== 0 ? 1 : 0,
            ];
          }),
        ];
      }
      const wide = (parameters.timeTo - parameters.timeFrom) / parameters.columns;
      const high = (parameters.sectorTo - parameters.sectorFrom) / parameters.rows;
      const rows: (string | number)[][] = [
        ['time from (ns)', 'sector from', 'most are', 'fullness (1 to 255)', 'any failed'],
      ];
      for (let index = 0; index < parameters.columns * parameters.rows; index++) {
        const at = index * CELL_BYTES;
        const family = (cells[at] ?? 0) - 1;
        if (family < 0) continue;
        rows.push([
          Math.round(parameters.timeFrom + (index % parameters.columns) * wide),
          Math.round(parameters.sectorFrom + Math.floor(index / parameters.columns) * high),
          families[family] ?? '',
          cells[at + 1] ?? 0,
          (cells[at + 2] ?? 0) > 0 ? 1 : 0,
        ]);
      }
      return rows;
    },
  };
}
