/** The tab of time: four charts that share their time axis, their cursor and the brush. */
import { useEffect, useMemo, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { TimeResult } from '../trace/worker/derived/time';
import { type Tick, timeTicks } from './axis';
import { rounded } from './brush';
import { setBrush } from './brushing';
import { useSize } from './canvas-picture';
import { type Colours, useColours } from './colours';
import { drawGaps } from './gap-bands';
import { NothingYet } from './nothing-yet';
import { offerSaving } from './saving';
import { shownGaps, useShownGaps } from './shown-gaps';
import { CanvasSurface } from './surface';
import { type Chart, type Charts, chartsOf, extremes, timePicture } from './time-picture';
import { useDerived } from './use-derived';

const SYNC_KEY = 'time';
const TITLE_HEIGHT = 18;
const AXIS_WIDTH = 62;
const AXIS_HEIGHT = 18;
const FONT = "10.5px 'IBM Plex Mono', monospace";
const NARROW = 560;

/** Where a value lies on the chart's own scale, which is a plain one for uPlot. */
const placed = ({ isLogarithmic }: Chart, value: number): number =>
  isLogarithmic ? Math.log(value) : value;
const valueAt = ({ isLogarithmic }: Chart, place: number): number =>
  isLogarithmic ? Math.exp(place) : place;

function rangeOf(chart: Chart): [number, number] {
  const [low, high] = extremes(chart);
  return [placed(chart, low), placed(chart, high)];
}

/** uPlot's gap is null. */
function dataOf(chart: Chart, seconds: Float64Array): uPlot.AlignedData {
  return [
    Array.from(seconds),
    ...chart.series.map(({ values }) =>
      Array.from(values, (value) =>
        Number.isFinite(value) ? placed(chart, Math.max(value, 1e-9)) : null,
      ),
    ),
  ];
}

/** Marks of seconds, none so far left that it meets the other axis. */
function ticksOf(from: number, to: number, width: number): Tick[] {
  return timeTicks(from * 1e9, to * 1e9, width / 70).filter(
    ({ at }) => at / 1e9 > from + 0.06 * (to - from),
  );
}

function optionsOf(
  chart: Chart,
  colours: Colours,
  size: { width: number; height: number },
  hovered: (bin: number | null) => void,
): uPlot.Options {
  const axis = {
    stroke: colours.dim,
    font: FONT,
    grid: { stroke: colours.line, width: 1 },
    ticks: { show: false },
    gap: 4,
  };
  return {
    ...size,
    padding: [9, 10, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: SYNC_KEY },
      drag: { x: true, y: false, setScale: false },
      points: { size: 5 },
    },
    scales: {
      x: { time: false },
      y: { range: () => rangeOf(chart) },
    },
    axes: [
      {
        ...axis,
        size: AXIS_HEIGHT,
        splits: (_plot, _axis, from, to) => ticksOf(from, to, size.width).map(({ at }) => at / 1e9),
        values: ({ scales: { x } }) =>
          ticksOf(x?.min ?? 0, x?.max ?? 1, size.width).map(({ text }) => text),
      },
      {
        ...axis,
        size: AXIS_WIDTH,
        splits: () => {
          const [low, high] = rangeOf(chart);
          return [low, (low + high) / 2, high];
        },
        values: (_plot, splits) => splits.map((place) => chart.format(valueAt(chart, place))),
      },
    ],
    series: [
      {},
      ...chart.series.map(({ name, colour }) => ({
        label: name,
        stroke: colour(colours),
        width: 1.2,
        points: { show: false },
        spanGaps: false,
      })),
    ],
    hooks: {
      drawAxes: [
        ({ ctx, bbox, scales: { x } }) => {
          const seen = { from: (x?.min ?? 0) * 1e9, to: (x?.max ?? 1) * 1e9 };
          ctx.save();
          drawGaps(new CanvasSurface(ctx, 1), bbox, seen, shownGaps(), colours);
          ctx.restore();
        },
      ],
      setCursor: [(plot) => hovered(plot.cursor.idx ?? null)],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width < 3) return;
          const from = plot.posToVal(left, 'x') * 1e9;
          const to = plot.posToVal(left + width, 'x') * 1e9;
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          setBrush({ sectors: null, time: rounded({ from: Math.max(0, from), to }) });
        },
      ],
    },
  };
}

/** One chart. uPlot is made anew when its series, size or colours change, and given data else. */
function TimeChart(props: {
  readonly chart: Chart;
  readonly seconds: Float64Array;
  readonly width: number;
  readonly height: number;
}) {
  const { chart, seconds, width, height } = props;
  const colours = useColours();
  const place = useRef<HTMLDivElement>(null);
  const values = useRef<(HTMLSpanElement | null)[]>([]);
  const plot = useRef<uPlot | null>(null);
  /** What hooks read: they live as long as the plot. */
  const newest = useRef({ chart, seconds });
  const names = chart.series.map(({ name }) => name).join(' ');
  const gaps = useShownGaps();
  useEffect(() => plot.current?.redraw(), [gaps]);
  useEffect(() => {
    newest.current = { chart, seconds };
    plot.current?.setData(dataOf(chart, seconds));
  }, [chart, seconds]);
  useEffect(() => {
    const element = place.current;
    if (!element || width < 80 || height < 30) return;
    const live: Chart = {
      ...newest.current.chart,
      get series() {
        return newest.current.chart.series;
      },
    };
    const hovered = (bin: number | null): void => {
      newest.current.chart.series.forEach(({ values: own }, index) => {
        const value = bin === null ? NaN : (own[bin] ?? NaN);
        const target = values.current[index];
        if (target) target.textContent = Number.isFinite(value) ? live.format(value) : '';
      });
    };
    const made = new uPlot(
      optionsOf(live, colours, { width, height }, hovered),
      dataOf(live, newest.current.seconds),
      element,
    );
    plot.current = made;
    return () => {
      plot.current = null;
      made.destroy();
    };
  }, [names, colours, width, height]);
  return (
    <figure className="time-chart" data-testid="time-chart" data-title={chart.title}>
      <figcaption>
        {chart.title}
        {chart.series.map(({ name, colour }, index) => (
          <span key={name} className="data" style={{ color: colour(colours) }}>
            {name}{' '}
            <span
              ref={(element) => {
                values.current[index] = element;
              }}
            />
          </span>
        ))}
      </figcaption>
      <div ref={place} />
    </figure>
  );
}

function TimeCharts({ charts }: { readonly charts: Charts }) {
  const [place, size] = useSize();
  const columns = size.width < NARROW ? 1 : 2;
  const rows = columns === 1 ? charts.charts.length : charts.charts.length / 2;
  const width = Math.floor(size.width / columns) - 4;
  const height = Math.max(64, Math.floor(size.height / rows) - TITLE_HEIGHT - 2);
  return (
    <div ref={place} className="time-charts" data-columns={columns} data-testid="time-picture">
      {charts.charts.map((chart) => (
        <TimeChart
          key={chart.title}
          chart={chart}
          seconds={charts.seconds}
          width={width}
          height={height}
        />
      ))}
    </div>
  );
}

/** Four charts below each other, wide enough to be read. */
const SAVED = { width: 900, height: 560 };

export function TimeTab() {
  const result = useDerived('time');
  const newest = useRef<TimeResult | null>(null);
  useEffect(() => {
    newest.current = result;
  }, [result]);
  useEffect(
    () =>
      offerSaving(
        {
          draw: (...run) => timePicture(shownGaps()).draw(...run),
          rows: (one) => timePicture([]).rows(one),
        },
        () => newest.current && { result: newest.current, size: SAVED },
      ),
    [],
  );
  const charts = useMemo(() => (result?.bins ? chartsOf(result) : null), [result]);
  if (!result) return null;
  return charts ? <TimeCharts charts={charts} /> : <NothingYet />;
}
