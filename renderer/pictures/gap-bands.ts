/** The times in which nobody served the disk, as bands along the time axis of a picture. */
import type { Gap } from '../trace/worker/protocol';
import type { Colours } from './colours';
import type { PlotArea } from './picture';
import type { Surface } from './surface';

/** However short, a gap is seen: pixels. */
const LEAST_WIDTH = 2;
const OPACITY = 0.16;

/** Draws those of `gaps` that lie in [from, to), ns, which `area` is wide. */
export function drawGaps(
  surface: Surface,
  { left, top, width, height }: PlotArea,
  { from, to }: Gap,
  gaps: readonly Gap[],
  colours: Colours,
): void {
  const place = (ns: number): number =>
    left + Math.max(0, Math.min(1, (ns - from) / (to - from))) * width;
  for (const gap of gaps) {
    if (gap.to <= from || gap.from >= to) continue;
    const x = place(gap.from);
    const wide = Math.max(LEAST_WIDTH, place(gap.to) - x);
    surface.rect(Math.min(x, left + width - wide), top, wide, height, colours.error, OPACITY);
  }
}
