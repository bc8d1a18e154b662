/** The address histogram: requests along the disk, and the extents that most go to. */
import { SECTOR_BYTES } from '../../app/contract/units';
import type { AddressResult } from '../trace/worker/derived/addresses';
import { families, FAMILIES, READ, WRITE } from '../trace/worker/derived/rows';
import { formatBytes, formatCount } from '../widgets/numbers';
import { sectorTicks } from './axis';
import type { Picture } from './picture';
import type { Size } from './surface';

const LEFT = 64;
const RIGHT = 12;
const TOP = 8;
const BOTTOM = 18;
const COLUMN = 3;

export interface HotExtent {
  /** Sectors [from, to). */
  readonly from: number;
  readonly to: number;
  readonly requests: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** Of all requests with sectors, 0 … 1. */
  readonly share: number;
}

function requestsOf({ bins, counts }: AddressResult): Float64Array {
  return Float64Array.from({ length: bins?.count ?? 0 }, (_, bin) => {
    let sum = 0;
    for (let family = 0; family < FAMILIES; family++) sum += counts[bin * FAMILIES + family] ?? 0;
    return sum;
  });
}

/** The `most` extents to which most requests go, the hottest first; neighbours are one. */
export function hotExtents(result: AddressResult, most: number): HotExtent[] {
  const { bins, bytes } = result;
  if (!bins) return [];
  const requests = requestsOf(result);
  const total = requests.reduce((sum, count) => sum + count, 0);
  const order = [...requests.keys()]
    .filter((bin) => (requests[bin] ?? 0) > 0)
    .sort((left, right) => (requests[right] ?? 0) - (requests[left] ?? 0) || left - right)
    .slice(0, most)
    .sort((left, right) => left - right);
  const runs: { first: number; end: number }[] = [];
  for (const bin of order) {
    const last = runs.at(-1);
    if (last?.end === bin) last.end = bin + 1;
    else runs.push({ first: bin, end: bin + 1 });
  }
  return runs
    .map(({ first, end }) => {
      let count = 0;
      let readBytes = 0;
      let writtenBytes = 0;
      for (let bin = first; bin < end; bin++) {
        count += requests[bin] ?? 0;
        readBytes += bytes[bin * FAMILIES + READ] ?? 0;
        writtenBytes += bytes[bin * FAMILIES + WRITE] ?? 0;
      }
      const from = (bins.first + first) * bins.width;
      const to = (bins.first + end) * bins.width;
      return { from, to, requests: count, readBytes, writtenBytes, share: count / total };
    })
    .sort((left, right) => right.requests - left.requests || left.from - right.from);
}

export const addressPicture: Picture<AddressResult> = {
  draw: (surface, { width, height }, result, colours) => {
    const { bins, counts } = result;
    if (!bins) return;
    const plot = { width: width - LEFT - RIGHT, height: height - TOP - BOTTOM };
    const columns = Math.max(1, Math.min(Math.floor(plot.width / COLUMN), bins.count));
    const wide = plot.width / columns;
    const bars = new Float64Array(columns * FAMILIES);
    for (let bin = 0; bin < bins.count; bin++) {
      const column = Math.floor((bin * columns) / bins.count);
      for (let family = 0; family < FAMILIES; family++) {
        const at = column * FAMILIES + family;
        bars[at] = (bars[at] ?? 0) + (counts[bin * FAMILIES + family] ?? 0);
      }
    }
    const heights = Array.from({ length: columns }, (_, column) =>
      bars.subarray(column * FAMILIES, (column + 1) * FAMILIES).reduce((sum, one) => sum + one, 0),
    );
    const tallest = Math.max(1, ...heights);
    const from = bins.first * bins.width;
    const to = from + bins.count * bins.width;
    for (const { at, text } of sectorTicks(from, to, plot.width / 72)) {
      const x = LEFT + ((at - from) / (to - from)) * plot.width;
      surface.line([x, TOP, x, TOP + plot.height], colours.line);
      const align = x < LEFT + 30 ? 'left' : x > width - RIGHT - 30 ? 'right' : 'center';
      surface.text(x, height - BOTTOM / 2, text, colours.dim, align);
    }
    surface.text(LEFT - 8, TOP + 5, formatCount(tallest), colours.dim, 'right');
    surface.text(LEFT - 8, TOP + plot.height - 5, '0', colours.dim, 'right');
    const bottom = TOP + plot.height;
    surface.line([LEFT, bottom + 0.5, width - RIGHT, bottom + 0.5], colours.line);
    for (let column = 0; column < columns; column++) {
      let y = bottom;
      for (let family = 0; family < FAMILIES; family++) {
        const count = bars[column * FAMILIES + family] ?? 0;
        if (count === 0) continue;
        const tall = Math.max(1, (count / tallest) * (plot.height - 2));
        y -= tall;
        const colour = colours.families[family] ?? colours.text;
        surface.rect(LEFT + column * wide, y, Math.max(1, wide - 0.5), tall, colour);
      }
    }
  },

  rows: (result) => {
    const { bins, counts, bytes } = result;
    const names = families.flatMap((family) => [`${family} requests`, `${family} bytes`]);
    if (!bins) return [['sector', 'sectors', ...names]];
    const requests = requestsOf(result);
    return [
      ['sector', 'sectors', ...names],
      ...[...requests.keys()]
        .filter((bin) =>
          bytes.subarray(bin * FAMILIES, (bin + 1) * FAMILIES).some((one) => one > 0),
        )
        .map((bin) => [
          (bins.first + bin) * bins.width,
          bins.width,
          ...families.flatMap((_, family) => [
            counts[bin * FAMILIES + family] ?? 0,
            bytes[bin * FAMILIES + family] ?? 0,
          ]),
        ]),
    ];
  },
};

/** "sectors 2,048 to 4,095 (1 MiB)" */
export function extentText({ from, to }: HotExtent): string {
  return `${formatCount(from)} … ${formatCount(to - 1)} (${formatBytes((to - from) * SECTOR_BYTES)})`;
}

/** The sector at `x` pixels of a picture of `size`. */
export function sectorAt({ bins }: AddressResult, x: number, { width }: Size): number {
  if (!bins) return 0;
  const share = Math.max(0, Math.min(1, (x - LEFT) / (width - LEFT - RIGHT)));
  return (bins.first + share * bins.count) * bins.width;
}
