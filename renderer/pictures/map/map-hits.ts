/** What of the map is where: the request under a pointer, what is said of it, and parts that are marked. */
import { SECTOR_BYTES } from '../../../app/contract/units';
import { type MapResult, point, POINT_FAILED } from '../../trace/worker/derived/map';
import { families } from '../../trace/worker/derived/rows';
import { formatBytes, formatCount, formatDuration } from '../../widgets/numbers';
import { type Brush, durationText, rounded } from '../brush';
import type { Size } from '../surface';
import { layoutOf } from './layout';
import type { Plane } from './plane';

/** Pixels from which a request is meant. */
const REACH = 8;

/** The index of the single request nearest to a pixel, if one is near. */
export function pointAt(
  result: MapResult | null,
  size: Size,
  plane: Plane,
  x: number,
  y: number,
): number | null {
  if (!result?.points) return null;
  const { plot, lane } = layoutOf(size);
  const perNs = plot.width / (plane.timeTo - plane.timeFrom);
  const perSector = plot.height / (plane.sectorTo - plane.sectorFrom);
  let nearest: number | null = null;
  let least = REACH;
  for (let index = 0; index < result.kinds.length; index++) {
    const at = index * point.size;
    const time = result.points[at + point.time] ?? 0;
    const sector = result.points[at + point.sector] ?? 0;
    const sectors = result.points[at + point.sectors] ?? 0;
    const top = sectors === 0 ? lane.top : plot.top + (sector - plane.sectorFrom) * perSector;
    const tall = sectors === 0 ? lane.height : sectors * perSector;
    const aside = Math.abs(plot.left + (time - plane.timeFrom) * perNs - x);
    const distance = Math.hypot(Math.max(0, top - y, y - top - tall), aside);
    if (distance > least) continue;
    least = distance;
    nearest = index;
  }
  return nearest;
}

/** What is under a pixel, in words; '' outside the map. */
export function textAt(
  result: MapResult | null,
  size: Size,
  plane: Plane,
  x: number,
  y: number,
): string {
  const { plot } = layoutOf(size);
  const place = { x: (x - plot.left) / plot.width, y: (y - plot.top) / plot.height };
  if (place.x < 0 || place.x > 1 || place.y > 1) return '';
  const index = pointAt(result, size, plane, x, y);
  if (index !== null && result?.points) {
    const own = result.points.subarray(index * point.size, (index + 1) * point.size);
    const kind = result.kinds[index] ?? 0;
    const sectors = own[point.sectors] ?? 0;
    return [
      `${formatCount(own[point.sequence] ?? 0)}: ${families[kind & ~POINT_FAILED] ?? ''}`,
      ...(sectors > 0
        ? [`sector ${formatCount(own[point.sector] ?? 0)}`, formatBytes(sectors * SECTOR_BYTES)]
        : []),
      formatDuration(own[point.latency] ?? 0),
      ...((kind & POINT_FAILED) !== 0 ? ['failed'] : []),
    ].join(' · ');
  }
  if (place.y < 0) return '';
  const { timeFrom, timeTo, sectorFrom, sectorTo } = plane;
  const time = rounded({ from: timeFrom + place.x * (timeTo - timeFrom), to: timeTo }).from;
  const sector = Math.floor(sectorFrom + place.y * (sectorTo - sectorFrom));
  return `${durationText(time)} · sector ${formatCount(sector)}`;
}

/** The part of `plane` between two places, given as its shares. */
export function partOf(
  plane: Plane,
  from: { x: number; y: number },
  to: { x: number; y: number },
): Plane {
  const share = (value: number): number => Math.max(0, Math.min(1, value));
  const time = plane.timeTo - plane.timeFrom;
  const sectors = plane.sectorTo - plane.sectorFrom;
  return {
    timeFrom: plane.timeFrom + share(from.x) * time,
    timeTo: plane.timeFrom + share(to.x) * time,
    sectorFrom: plane.sectorFrom + share(from.y) * sectors,
    sectorTo: plane.sectorFrom + share(to.y) * sectors,
  };
}

/** `plane` as a brush: of time, of sectors, or both. */
export function spansOf(plane: Plane, hasTime: boolean, hasSectors: boolean): Brush {
  const { timeFrom, timeTo, sectorFrom, sectorTo } = plane;
  return {
    time: hasTime ? rounded({ from: timeFrom, to: timeTo }) : null,
    sectors: hasSectors
      ? { from: Math.max(0, Math.floor(sectorFrom)), to: Math.max(0, Math.ceil(sectorTo) - 1) }
      : null,
  };
}
