/** The latency histogram: a strip for each family, both scales logarithmic, with its percentiles. */
import type { LatencyResult } from '../trace/worker/derived/latency';
import { LATENCY_BINS, latencyBinStart, percentile } from '../trace/worker/derived/latency-bins';
import { families, FAMILIES } from '../trace/worker/derived/rows';
import { formatCount, formatDuration } from '../widgets/numbers';
import { latencyTicks } from './axis';
import type { Picture } from './picture';

export const shares = [
  { name: 'p50', share: 0.5 },
  { name: 'p95', share: 0.95 },
  { name: 'p99', share: 0.99 },
  { name: 'p99.9', share: 0.999 },
] as const;

const LEFT = 64;
const RIGHT = 12;
const TOP = 4;
const BOTTOM = 18;
const LABELS = 15;
const COLUMN = 3;

interface Strip {
  readonly family: number;
  readonly counts: Uint32Array;
  readonly total: number;
}

/** The families that have requests. */
export function stripsOf({ counts }: LatencyResult): Strip[] {
  return Array.from({ length: FAMILIES }, (_, family) => {
    const own = counts.subarray(family * LATENCY_BINS, (family + 1) * LATENCY_BINS);
    return { family, counts: own, total: own.reduce((sum, count) => sum + count, 0) };
  }).filter(({ total }) => total > 0);
}

/** A percentile to the width of a bin, and never beyond what there was. */
export function percentileOf(
  { least, most }: LatencyResult,
  { family, counts }: Pick<Strip, 'family' | 'counts'>,
  share: number,
): number {
  return Math.max(least[family] ?? 0, Math.min(percentile(counts, share), most[family] ?? 0));
}

export const latencyPicture: Picture<LatencyResult> = {
  draw: (surface, { width, height }, result, colours) => {
    const strips = stripsOf(result);
    if (strips.length === 0) return;
    const least = Math.max(1, Math.min(...strips.map(({ family }) => result.least[family] ?? 1)));
    const most = Math.max(2 * least, ...strips.map(({ family }) => result.most[family] ?? 1));
    const [low, high] = [Math.log(least / 1.1), Math.log(most * 1.1)];
    const plot = { width: width - LEFT - RIGHT, height: height - TOP - BOTTOM };
    const x = (ns: number) =>
      LEFT + ((Math.log(Math.max(least, ns)) - low) / (high - low)) * plot.width;
    for (const { at, text } of latencyTicks(least / 1.1, most * 1.1)) {
      surface.line([x(at), TOP, x(at), TOP + plot.height], colours.line);
      surface.text(x(at), height - BOTTOM / 2, text, colours.dim, 'center');
    }
    const each = plot.height / strips.length;
    const columns = Math.max(1, Math.floor(plot.width / COLUMN));
    strips.forEach(({ family, counts, total }, index) => {
      const colour = colours.families[family] ?? colours.text;
      const top = TOP + index * each + LABELS;
      const bottom = TOP + (index + 1) * each - 1;
      const bars = new Float64Array(columns);
      counts.forEach((count, bin) => {
        if (count === 0) return;
        const middle = (latencyBinStart(bin) + latencyBinStart(bin + 1) - 1) / 2;
        const column = Math.floor((x(middle) - LEFT) / COLUMN);
        const to = Math.max(0, Math.min(columns - 1, column));
        bars[to] = (bars[to] ?? 0) + count;
      });
      const tallest = Math.log2(1 + Math.max(...bars));
      bars.forEach((count, column) => {
        if (count === 0) return;
        const tall = Math.max(1.5, (Math.log2(1 + count) / tallest) * (bottom - top));
        surface.rect(LEFT + column * COLUMN, bottom - tall, COLUMN - 0.5, tall, colour);
      });
      surface.line([LEFT, bottom + 0.5, width - RIGHT, bottom + 0.5], colours.line);
      surface.text(LEFT - 8, (top + bottom) / 2 - 6, families[family] ?? '', colour, 'right');
      surface.text(LEFT - 8, (top + bottom) / 2 + 7, formatCount(total), colours.dim, 'right');
      const words = shares.map(({ name, share }) => {
        const value = percentileOf(result, { family, counts }, share);
        surface.line([x(value), top - 3, x(value), bottom], colours.text);
        return `${name} ${formatDuration(value)}`;
      });
      words.push(`max ${formatDuration(result.most[family] ?? 0)}`);
      surface.text(width - RIGHT, top - LABELS / 2, words.join('   '), colours.dim, 'right');
    });
  },

  rows: (result) => [
    ['operation', 'latency from (ns)', 'latency below (ns)', 'requests'],
    ...stripsOf(result).flatMap(({ family, counts }) =>
      [...counts].flatMap((count, bin) =>
        count === 0
          ? []
          : [[families[family] ?? '', latencyBinStart(bin), latencyBinStart(bin + 1), count]],
      ),
    ),
  ],
};
