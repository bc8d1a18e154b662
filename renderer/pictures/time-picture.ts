/** Rates, latency and depth along time: the series of the four charts, and how they are saved. */
import type { TimeResult } from '../trace/worker/derived/time';
import type { Gap } from '../trace/worker/protocol';
import { families, FAMILIES, READ, WRITE } from '../trace/worker/derived/rows';
import { formatDuration, formatRate, formatThroughput } from '../widgets/numbers';
import { timeTicks } from './axis';
import type { Colours } from './colours';
import { drawGaps } from './gap-bands';
import type { Picture, PlotArea } from './picture';
import type { Surface } from './surface';

export interface Series {
  readonly name: string;
  readonly colour: (colours: Colours) => string;
  /** One a bin; NaN where there is none. */
  readonly values: Float64Array;
}

export interface Chart {
  readonly title: string;
  readonly format: (value: number) => string;
  readonly isLogarithmic: boolean;
  readonly series: readonly Series[];
}

export interface Charts {
  /** Middle of each bin, seconds since the trace began. */
  readonly seconds: Float64Array;
  readonly charts: readonly Chart[];
}

const inFamily =
  (family: number) =>
  ({ families: own, text }: Colours): string =>
    own[family] ?? text;

/**
 * The time of each bin that has been traced, seconds: the first may have begun,
 * and the last is not over yet. A quarter at least, so that one request makes no peak.
 */
function traced({ bins, to }: TimeResult): Float64Array {
  if (!bins) return new Float64Array(0);
  return Float64Array.from({ length: bins.count }, (_, bin) => {
    const end = (bins.first + bin + 1) * bins.width;
    const over = bin === bins.count - 1 ? Math.max(0, end - to - 1) : 0;
    return Math.max(bins.width / 4, bins.width - over) / 1e9;
  });
}

/** What the charts show of `result`. */
export function chartsOf(result: TimeResult): Charts {
  const { bins, counts } = result;
  const duration = traced(result);
  const rate = (values: ArrayLike<number>): Float64Array =>
    duration.map((seconds, bin) => (values[bin] ?? 0) / seconds);
  const perFamily = families.map((_, family) =>
    Float64Array.from(duration, (_seconds, bin) => counts[bin * FAMILIES + family] ?? 0),
  );
  const isUsed = (family: number): boolean =>
    family === READ || family === WRITE || (perFamily[family]?.some((count) => count > 0) ?? false);
  const line = (name: string, colour: Series['colour'], values: Float64Array): Series => ({
    name,
    colour,
    values,
  });
  return {
    seconds: Float64Array.from(
      duration,
      (_, bin) => (((bins?.first ?? 0) + bin + 0.5) * (bins?.width ?? 0)) / 1e9,
    ),
    charts: [
      {
        title: 'IOPS',
        format: formatRate,
        isLogarithmic: false,
        series: families.flatMap((name, family) =>
          isUsed(family) ? [line(name, inFamily(family), rate(perFamily[family] ?? []))] : [],
        ),
      },
      {
        title: 'Throughput',
        format: formatThroughput,
        isLogarithmic: false,
        series: [
          line('read', inFamily(READ), rate(result.readBytes)),
          line('write', inFamily(WRITE), rate(result.writtenBytes)),
        ],
      },
      {
        title: 'Latency',
        format: formatDuration,
        isLogarithmic: true,
        series: [
          // The highest first: the lower ones are drawn over it, and stay in sight.
          line('p99.9', ({ error }) => error, result.p999),
          line('p99', ({ accent }) => accent, result.p99),
          line('p95', ({ text }) => text, result.p95),
          line('p50', ({ dim }) => dim, result.p50),
        ],
      },
      {
        title: 'Queue depth',
        format: (value) => String(Number(value.toFixed(1))),
        isLogarithmic: false,
        series: [
          line('mean', ({ text }) => text, result.meanDepth),
          line('most', ({ dim }) => dim, result.mostDepth),
        ],
      },
    ],
  };
}

const LEFT = 64;
const RIGHT = 12;
const BOTTOM = 18;
const TITLE = 16;

/** The least and the most of a chart's values. */
export function extremes({ series, isLogarithmic }: Chart): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const { values } of series) {
    for (const value of values) {
      if (!Number.isFinite(value)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (low > high) return [0, 1];
  return isLogarithmic
    ? [Math.max(1, low / 1.2), Math.max(2, high * 1.2)]
    : [0, Math.max(1e-9, high * 1.08)];
}

function drawChart(
  surface: Surface,
  chart: Chart,
  { left, top, width, height }: PlotArea,
  x: Float64Array,
  colours: Colours,
): void {
  const [low, high] = extremes(chart);
  const scaled = (value: number): number =>
    chart.isLogarithmic
      ? Math.log(value / low) / Math.log(high / low)
      : (value - low) / (high - low);
  surface.text(left, top - TITLE / 2, chart.title, colours.text);
  let legend = left + width;
  for (const { name, colour } of chart.series.toReversed()) {
    surface.text(legend, top - TITLE / 2, name, colour(colours), 'right');
    legend -= (name.length + 2) * 6.5;
  }
  surface.line([left, top, left + width, top], colours.line);
  surface.line([left, top + height, left + width, top + height], colours.line);
  surface.text(left - 6, top + 5, chart.format(high), colours.dim, 'right');
  surface.text(left - 6, top + height - 5, chart.format(low), colours.dim, 'right');
  for (const { values, colour } of chart.series) {
    let points: number[] = [];
    const flush = (): void => {
      // A single point is a short dash.
      if (points.length === 2) points.push((points[0] ?? 0) + 1, points[1] ?? 0);
      if (points.length > 0) surface.line(points, colour(colours), 1.2);
      points = [];
    };
    values.forEach((value, bin) => {
      if (Number.isFinite(value))
        points.push(x[bin] ?? 0, top + height - Math.max(0, scaled(value)) * height);
      else flush();
    });
    flush();
  }
}

/** The charts as they are saved, with `gaps` in which nobody served. */
export const timePicture = (gaps: readonly Gap[]): Picture<TimeResult> => ({
  draw: (surface, { width, height }, result, colours) => {
    const { bins } = result;
    if (!bins) return;
    const { seconds, charts } = chartsOf(result);
    const plotWidth = width - LEFT - RIGHT;
    const from = bins.first * bins.width;
    const to = from + bins.count * bins.width;
    const place = (ns: number): number => LEFT + ((ns - from) / (to - from)) * plotWidth;
    for (const { at, text } of timeTicks(from, to, plotWidth / 90)) {
      surface.line([place(at), 0, place(at), height - BOTTOM], colours.line);
      surface.text(place(at), height - BOTTOM / 2, text, colours.dim, 'center');
    }
    const x = seconds.map((second) => place(second * 1e9));
    const each = (height - BOTTOM) / charts.length;
    const whole = { left: LEFT, top: 0, width: plotWidth, height: height - BOTTOM };
    drawGaps(surface, whole, { from, to }, gaps, colours);
    charts.forEach((chart, index) => {
      const area = {
        left: LEFT,
        top: index * each + TITLE,
        width: plotWidth,
        height: each - TITLE - 4,
      };
      drawChart(surface, chart, area, x, colours);
    });
  },

  rows: (result) => {
    const { seconds, charts } = chartsOf(result);
    const series = charts.flatMap(({ title, series: own }) =>
      own.map(({ name, values }) => ({ name: `${title} ${name}`, values })),
    );
    return [
      ['time (s)', ...series.map(({ name }) => name), 'errors'],
      ...[...seconds].map((second, bin) => [
        second,
        ...series.map(({ values }) => values[bin] ?? NaN),
        result.errors[bin] ?? 0,
      ]),
    ];
  },
});
