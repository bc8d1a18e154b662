/** The plane of the map: a part of time and of the sectors, and how pointers and keys move it. */

/** [from, to) in nanoseconds since the trace began, and in sectors. */
export interface Plane {
  readonly timeFrom: number;
  readonly timeTo: number;
  readonly sectorFrom: number;
  readonly sectorTo: number;
}

/** The most one can zoom in: to a microsecond, and to eight sectors. */
const LEAST_TIME = 1_000;
const LEAST_SECTORS = 8;

function zoomed(
  from: number,
  to: number,
  at: number,
  factor: number,
  least: number,
): [number, number] {
  const span = Math.max(least, (to - from) * factor);
  const share = (at - from) / (to - from);
  const start = at - share * span;
  return [start, start + span];
}

function kept(from: number, to: number, low: number, high: number): [number, number] {
  const span = to - from;
  if (span >= high - low) return [low, high];
  const start = Math.min(Math.max(from, low), high - span);
  return [start, start + span];
}

/** Moves `plane` into `whole`, shrinking it if it must. */
export function keptIn(plane: Plane, whole: Plane): Plane {
  const [timeFrom, timeTo] = kept(plane.timeFrom, plane.timeTo, whole.timeFrom, whole.timeTo);
  const [sectorFrom, sectorTo] = kept(
    plane.sectorFrom,
    plane.sectorTo,
    whole.sectorFrom,
    whole.sectorTo,
  );
  return { timeFrom, timeTo, sectorFrom, sectorTo };
}

/** Zooms around a place, given as shares (0 … 1) of the plane; factors below 1 come nearer. */
export function zoomedAt(
  plane: Plane,
  at: { readonly x: number; readonly y: number },
  factor: { readonly x: number; readonly y: number },
): Plane {
  const { timeFrom, timeTo, sectorFrom, sectorTo } = plane;
  const time = timeFrom + at.x * (timeTo - timeFrom);
  const sector = sectorFrom + at.y * (sectorTo - sectorFrom);
  const [newTimeFrom, newTimeTo] = zoomed(timeFrom, timeTo, time, factor.x, LEAST_TIME);
  const [newSectorFrom, newSectorTo] = zoomed(
    sectorFrom,
    sectorTo,
    sector,
    factor.y,
    LEAST_SECTORS,
  );
  return {
    timeFrom: newTimeFrom,
    timeTo: newTimeTo,
    sectorFrom: newSectorFrom,
    sectorTo: newSectorTo,
  };
}

/** Moves by shares of what is seen. */
export function panned(plane: Plane, x: number, y: number): Plane {
  const time = x * (plane.timeTo - plane.timeFrom);
  const sectors = y * (plane.sectorTo - plane.sectorFrom);
  return {
    timeFrom: plane.timeFrom + time,
    timeTo: plane.timeTo + time,
    sectorFrom: plane.sectorFrom + sectors,
    sectorTo: plane.sectorTo + sectors,
  };
}

export function isInside(plane: Plane, whole: Plane): boolean {
  return (
    plane.timeFrom >= whole.timeFrom &&
    plane.timeTo <= whole.timeTo &&
    plane.sectorFrom >= whole.sectorFrom &&
    plane.sectorTo <= whole.sectorTo
  );
}
