/** The pictures without a window: the brush in the filter's text, axes, what is drawn and saved. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { allOf, type Filter } from '../../app/filter/filter';
import { parseFilter } from '../../app/filter/parse';
import { makeColumns, putRecords } from '../../app/filter/trace-columns';
import { addressPicture, hotExtents } from '../../renderer/pictures/address-picture';
import { niceStep, sectorTicks, timeTicks } from '../../renderer/pictures/axis';
import {
  type Brush,
  brushText,
  durationText,
  rounded,
  withBrush,
  withoutBrush,
} from '../../renderer/pictures/brush';
import type { Colours } from '../../renderer/pictures/colours';
import { latencyPicture } from '../../renderer/pictures/latency-picture';
import { pointAt, textAt } from '../../renderer/pictures/map/map-hits';
import { layoutOf } from '../../renderer/pictures/map/layout';
import { mapPicture } from '../../renderer/pictures/map/map-picture';
import { isInside, keptIn, panned, zoomedAt } from '../../renderer/pictures/map/plane';
import { FAINTEST } from '../../renderer/pictures/map/tints';
import { csvText, svgText } from '../../renderer/pictures/save';
import { statisticsFacts, statisticsRows } from '../../renderer/pictures/statistics-picture';
import { chartsOf, timePicture } from '../../renderer/pictures/time-picture';
import { AddressDerivation } from '../../renderer/trace/worker/derived/addresses';
import { LatencyDerivation } from '../../renderer/trace/worker/derived/latency';
import { MapDerivation } from '../../renderer/trace/worker/derived/map';
import { StatisticsDerivation } from '../../renderer/trace/worker/derived/statistics';
import { TimeDerivation } from '../../renderer/trace/worker/derived/time';
import { batchOf, type MadeRecord } from './records';

vi.setConfig({ testTimeout: 60_000 });

function filterOf(text: string): Filter | null {
  const parsed = parseFilter(text);
  if (!parsed.ok) throw new Error(`${text}: ${parsed.problem.message}`);
  return parsed.filter;
}

describe('a brush', () => {
  const span = fc
    .tuple(fc.nat(2 ** 40), fc.nat(2 ** 40))
    .map(([from, more]) => ({ from, to: from + more }));
  const brush: fc.Arbitrary<Brush> = fc.record({
    sectors: fc.option(span),
    time: fc.option(span),
  });
  const texts = fc.constantFrom(
    '',
    'op == write',
    'op == write && len >= 64K',
    'read || write',
    '(read || write) && fua',
    '(fua) || (sync)',
    '!(op == read)',
    'sector in 1..2',
  );

  it('is a filter of just what it marks', () => {
    fc.assert(
      fc.property(brush, ({ sectors, time }) => {
        const number = (field: 'sector' | 'time', range: typeof time): Filter | null =>
          range && { kind: 'number', field, ranges: [{ low: range.from, high: range.to }] };
        const expected = allOf([number('sector', sectors), number('time', time)]);
        expect(filterOf(brushText({ sectors, time }))).toEqual(expected);
      }),
    );
  });

  it('joins the filter that is there, and leaves it as it was', () => {
    fc.assert(
      fc.property(texts, brush, brush, (text, first, second) => {
        fc.pre(brushText(first) !== '' && brushText(second) !== '');
        const once = withBrush(text, null, first);
        const tree = (marked: Brush) => allOf([filterOf(text), filterOf(`(${brushText(marked)})`)]);
        expect(flat(filterOf(once))).toEqual(flat(tree(first)));
        const twice = withBrush(once, brushText(first), second);
        expect(twice).toBe(withBrush(text, null, second));
        expect(withoutBrush(twice, brushText(second))).toBe(text);
      }),
    );
  });

  it('leaves a text alone from which it was edited away, and replaces one that is wrong', () => {
    expect(withoutBrush('op == write', 'sector in 1..2')).toBe('op == write');
    const marked: Brush = { sectors: { from: 8, to: 15 }, time: null };
    expect(withBrush('op == ', null, marked)).toBe('sector in 8..15');
  });

  it.each([
    [0, '0s'],
    [17, '17ns'],
    [1_500, '1.5us'],
    [1_031_470_000, '1.03147s'],
    [20_000_000, '20ms'],
    [100_000_000_000, '100s'],
  ])('writes %d ns as %s', (ns, text) => {
    expect(durationText(ns)).toBe(text);
  });

  it('is rounded away from its middle, by less than a hundredth', () => {
    fc.assert(
      fc.property(span, ({ from, to }) => {
        const made = rounded({ from, to });
        expect(made.from).toBeLessThanOrEqual(from);
        expect(made.to).toBeGreaterThanOrEqual(to);
        expect(made.to - made.from - (to - from)).toBeLessThanOrEqual(
          Math.max(2, (to - from) / 100),
        );
      }),
    );
  });
});

/** The conditions of a conjunction, whichever way its brackets lean. */
function flat(filter: Filter | null): (Filter | null)[] {
  return filter?.kind === 'and' ? [...flat(filter.left), ...flat(filter.right)] : [filter];
}

describe('axes', () => {
  it('have about as many marks as wanted, with texts that tell them apart', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 40), fc.integer({ min: 10, max: 2 ** 36 }), (from, span) => {
        const ticks = timeTicks(from, from + span, 6);
        expect(ticks.length).toBeLessThanOrEqual(7);
        expect(new Set(ticks.map(({ text }) => text)).size).toBe(ticks.length);
        for (const { at } of ticks) expect(at >= from && at <= from + span).toBe(true);
      }),
    );
    expect(niceStep(100, 5)).toBe(20);
    expect(sectorTicks(0, 4096, 4).map(({ text }) => text)).toEqual([
      '0',
      '1,024',
      '2,048',
      '3,072',
      '4,096',
    ]);
    expect(timeTicks(0, 1e9, 4).map(({ text }) => text)).toEqual(['0.0 s', '0.5 s', '1.0 s']);
  });
});

describe('the plane of the map', () => {
  const whole = { timeFrom: 0, timeTo: 1e9, sectorFrom: 0, sectorTo: 8192 };

  it('zooms around the pointer, and stays inside', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(share, share, (x, y) => {
        const near = zoomedAt(whole, { x, y }, { x: 0.5, y: 0.25 });
        expect(near.timeTo - near.timeFrom).toBeCloseTo(5e8, 0);
        expect(near.timeFrom + x * (near.timeTo - near.timeFrom)).toBeCloseTo(x * 1e9, 0);
        expect(near.sectorFrom + y * (near.sectorTo - near.sectorFrom)).toBeCloseTo(y * 8192, 3);
        expect(isInside(keptIn(panned(near, 3, -3), whole), whole)).toBe(true);
      }),
    );
  });

  it('does not come nearer than a microsecond and eight sectors', () => {
    let plane = whole;
    for (let index = 0; index < 60; index++)
      plane = zoomedAt(plane, { x: 0.5, y: 0.5 }, { x: 0.5, y: 0.5 });
    expect(plane.timeTo - plane.timeFrom).toBeCloseTo(1000, 3);
    expect(plane.sectorTo - plane.sectorFrom).toBeCloseTo(8, 6);
  });
});

const colours: Colours = {
  families: ['#000001', '#000002', '#000003', '#000004', '#000005', '#000006'],
  error: '#ff0000',
  text: '#111111',
  dim: '#222222',
  faint: '#333333',
  line: '#444444',
  pane: '#555555',
  background: '#666666',
  accent: '#777777',
};
const size = { width: 700, height: 220 };
const context = { epochMonotonicNs: 0n };

const made: readonly MadeRecord[] = [
  { sequence: 1, arrival: 0n, completion: 10_000n, operation: 0, sector: 0, length: 4096 },
  {
    sequence: 2,
    arrival: 500_000_000n,
    completion: 500_200_000n,
    operation: 1,
    sector: 4096,
    length: 4096,
  },
  {
    sequence: 3,
    arrival: 600_000_000n,
    completion: 600_000_400n,
    operation: 2,
    sector: 0,
    length: 0,
  },
  {
    sequence: 4,
    arrival: 1_000_000_000n,
    completion: 1_000_100_000n,
    operation: 1,
    sector: 4096,
    length: 4096,
    result: 1,
    error: 5,
  },
  {
    sequence: 5,
    arrival: 1_000_000_000n,
    completion: 1_000_100_000n,
    operation: 1,
    sector: 4096,
    length: 8192,
  },
];
const columns = makeColumns(made.length);
putRecords(columns, 0, new Uint32Array(batchOf(made)), 0, made.length);
const all = [columns, 0, made.length, null] as const;

const plane = { timeFrom: 0, timeTo: 1_100_000_000, sectorFrom: 0, sectorTo: 8192 };
const map = new MapDerivation({ ...plane, columns: 100, rows: 50 }, context);
const mapResult = map.merge([map.scan(...all)])!.result;
const latency = new LatencyDerivation();
const latencyResult = latency.merge([latency.scan(...all)])!.result;
const time = new TimeDerivation(context);
const timeResult = time.merge([time.scan(...all)])!.result;
const addresses = new AddressDerivation();
const addressResult = addresses.merge([addresses.scan(...all)])!.result;
const statistics = new StatisticsDerivation(context);
const statisticsResult = statistics.merge([statistics.scan(...all)])!.result;

describe('a saved picture', () => {
  const fills = (svg: string, fill: string): number => svg.split(`fill="${fill}"`).length - 1;

  it('of the map has each request in its colour, a failed one as an error, a flush in its lane', () => {
    const svg = svgText(mapPicture(plane, []), mapResult, size, colours);
    expect(fills(svg, '#000001')).toBe(1);
    expect(fills(svg, '#000002')).toBe(2);
    expect(fills(svg, colours.error)).toBe(1);
    expect(svg).toContain('>4,096<');
    const { plot, lane } = layoutOf(size);
    expect(svg).toContain(`y="${lane.top}" width="2" height="${lane.height}" fill="#000003"`);
    const x = Number((plot.left + (5e8 / 1.1e9) * plot.width - 1).toFixed(2));
    expect(svg).toContain(`<rect x="${x}" y="${plot.top + plot.height / 2}"`);
    expect(csvText(mapPicture(plane, []).rows(mapResult)).split('\r\n')[4]).toBe(
      '4,1000000000,write,4096,8,100000,1',
    );
  });

  it('of latencies names each operation and its percentiles', () => {
    const svg = svgText(latencyPicture, latencyResult, size, colours);
    expect(svg).toMatch(
      /p50 (99\.\d|10\d) µs\s+p95 (19\d|200) µs\s+p99 (19\d|200) µs\s+p99.9 (19\d|200) µs\s+max 200 µs/,
    );
    // One request has been every percentile of its kind.
    expect(svg).toMatch(
      /p50 10\.0 µs\s+p95 10\.0 µs\s+p99 10\.0 µs\s+p99.9 10\.0 µs\s+max 10\.0 µs/,
    );
    expect(svg).toContain('>flush<');
    expect(svg).not.toContain('>discard<');
    const rows = latencyPicture.rows(latencyResult).slice(1);
    expect(rows.map(([name, , , count]) => [name, count])).toEqual([
      ['read', 1],
      ['write', 2],
      ['write', 1],
      ['flush', 1],
    ]);
  });

  it('of time has the rates of whole bins, and the last bin’s of what has passed', () => {
    const { seconds, charts } = chartsOf(timeResult);
    const iops = charts[0]!.series.find(({ name }) => name === 'write')!.values;
    const { width } = timeResult.bins!;
    const bin = Math.floor(5e8 / width);
    expect(iops[bin]).toBeCloseTo(1e9 / width);
    expect(seconds[bin]).toBeCloseTo(((bin + 0.5) * width) / 1e9);
    const last = Math.floor(1e9 / width) - timeResult.bins!.first;
    const passed = Math.max(width / 4, 1e9 - last * width + 1);
    expect(iops[last]).toBeCloseTo(2 / (passed / 1e9));
    expect(svgText(timePicture([]), timeResult, size, colours)).toContain('>Queue depth<');
    expect(timePicture([]).rows(timeResult)[0]).toContain('Latency p99');
  });

  it('of addresses has the hottest extent first', () => {
    const [hottest, other] = hotExtents(addressResult, 2);
    expect(hottest).toMatchObject({ requests: 3, writtenBytes: expect.any(Number) as number });
    expect(hottest!.from).toBeLessThanOrEqual(4096);
    expect(hottest!.to).toBeGreaterThan(4096);
    expect(other).toMatchObject({ from: 0, requests: 1, share: 0.25 });
    expect(svgText(addressPicture, addressResult, size, colours)).toContain('>3<');
  });

  it('escapes what would be markup, and quotes what would be another cell', () => {
    expect(csvText([['a,b', 'say "hi"', 3, NaN]])).toBe('"a,b","say ""hi""",3,\r\n');
  });
});

describe('the statistics', () => {
  it('are written for reading', () => {
    const rows = statisticsRows(statisticsResult);
    expect(rows.map(({ cells }) => cells.slice(0, 3))).toEqual([
      ['read', '1', '20.0 %'],
      ['write', '3', '60.0 %'],
      ['flush', '1', '20.0 %'],
    ]);
    expect(rows.map(({ hasFailed }) => hasFailed)).toEqual([false, true, false]);
    const facts = new Map(
      statisticsFacts(statisticsResult).map(({ name, value }) => [name, value]),
    );
    expect(facts.get('Reads : writes')).toBe('25.0 % : 75.0 %');
    // Two writes succeeded, the second over the first: 12 KiB on 8 KiB.
    expect(facts.get('Overwrites')).toBe('1 (50.0 %)');
    expect(facts.get('Written once or more')).toBe('8 KiB');
    expect(facts.get('Write amplification')).toBe('1.50 ×');
  });
});

describe('the pointer on the map', () => {
  it('finds the request it is near, and says what it is', () => {
    const { plot } = layoutOf(size);
    const x = plot.left + (5e8 / 1.1e9) * plot.width;
    const y = plot.top + plot.height / 2;
    expect(pointAt(mapResult, size, plane, x + 3, y + 2)).toBe(1);
    expect(textAt(mapResult, size, plane, x, y)).toBe('2: write · sector 4,096 · 4 KiB · 200 µs');
    expect(pointAt(mapResult, size, plane, x + 40, y)).toBeNull();
    expect(textAt(mapResult, size, plane, x + 40, y)).toMatch(/^\d+\.?\d*(s|ms) · sector 4,096$/);
    expect(textAt(mapResult, size, plane, 2, y)).toBe('');
  });
});

describe('the map’s colours', () => {
  const css = readFileSync(new URL('../../renderer/widgets/tokens.css', import.meta.url), 'utf8');
  const [dark = '', light = ''] = css.split('@media (prefers-color-scheme: light)');
  const luminance = ([red, green, blue]: number[]): number => {
    const linear = [red!, green!, blue!].map((value) =>
      value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * linear[0]! + 0.7152 * linear[1]! + 0.0722 * linear[2]!;
  };

  it.each([
    ['dark', dark],
    ['light', light],
  ])('are told from the ground where there is one request in the %s theme', (_name, theme) => {
    const token = (name: string): number[] => {
      const hex = new RegExp(`--${name}: #([0-9a-f]{6})`).exec(theme)![1]!;
      return [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
    };
    const ground = token('background');
    for (const name of ['read', 'write', 'flush', 'discard', 'zeroes', 'error']) {
      const own = token(name);
      const mixed = own.map((value, at) => FAINTEST * value + (1 - FAINTEST) * ground[at]!);
      const contrast = (colour: number[]): number => {
        const [low, high] = [luminance(colour), luminance(ground)].sort((a, b) => a - b);
        return (high! + 0.05) / (low! + 0.05);
      };
      // WCAG asks 3 of what is drawn; the faintest cell is one request among thousands.
      expect(contrast(own), name).toBeGreaterThanOrEqual(3);
      expect(contrast(mixed), `${name}, faintest`).toBeGreaterThanOrEqual(1.5);
    }
  });
});
