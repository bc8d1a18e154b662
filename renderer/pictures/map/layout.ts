/** Where the map's parts lie, in pixels. */
import type { PlotArea } from '../picture';
import type { Size } from '../surface';

const LEFT = 92;
const RIGHT = 12;
const BOTTOM = 18;
/** Above the plot: requests without sectors, which are flushes. */
export const LANE = 7;
const LANE_GAP = 3;
const TOP = 5;

/** Smallest size of a request that is drawn by itself. */
export const POINT = 2;

export interface MapLayout {
  readonly plot: PlotArea;
  readonly lane: PlotArea;
}

export function layoutOf({ width, height }: Size): MapLayout {
  const wide = Math.max(1, width - LEFT - RIGHT);
  const top = TOP + LANE + LANE_GAP;
  return {
    lane: { left: LEFT, top: TOP, width: wide, height: LANE },
    plot: { left: LEFT, top, width: wide, height: Math.max(1, height - top - BOTTOM) },
  };
}
