/** The statistics as cells of text: the table in the window, the saved picture and the CSV read the same. */
import { countedFlags, type StatisticsResult } from '../trace/worker/derived/statistics';
import { families, READ, WRITE } from '../trace/worker/derived/rows';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatRate,
  formatThroughput,
} from '../widgets/numbers';
import type { Picture } from './picture';

export const columns = [
  'Operation',
  'Requests',
  'Share',
  'Bytes',
  'Share',
  'Least',
  'Mean',
  'Most',
  'Sequential',
  'Latency',
  'Failed',
] as const;

export interface StatisticsRow {
  readonly family: number;
  readonly cells: readonly string[];
  readonly hasFailed: boolean;
}

const percent = (part: number, whole: number): string =>
  whole === 0 ? '—' : `${((100 * part) / whole).toFixed(1)} %`;
const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);
const orNone = (value: number, format: (value: number) => string): string =>
  Number.isFinite(value) ? format(value) : '—';

/** A row for each family that has requests. */
export function statisticsRows(result: StatisticsResult): StatisticsRow[] {
  const requests = sum(result.counts);
  const bytes = sum(result.bytes);
  return families.flatMap((name, family) => {
    const count = result.counts[family] ?? 0;
    if (count === 0) return [];
    const own = result.bytes[family] ?? 0;
    const failed = result.errors[family] ?? 0;
    const hasSize = own > 0;
    const cells = [
      name,
      formatCount(count),
      percent(count, requests),
      hasSize ? formatBytes(own) : '—',
      hasSize ? percent(own, bytes) : '—',
      orNone(result.leastBytes[family] ?? NaN, formatBytes),
      hasSize ? formatBytes(own / count) : '—',
      orNone(result.mostBytes[family] ?? NaN, formatBytes),
      hasSize ? percent(result.sequential[family] ?? 0, count) : '—',
      formatDuration((result.latency[family] ?? 0) / count),
      formatCount(failed),
    ];
    return [{ family, cells, hasFailed: failed > 0 }];
  });
}

export interface Fact {
  readonly name: string;
  readonly value: string;
  readonly meaning: string;
}

/** What is said of all requests together. */
export function statisticsFacts(result: StatisticsResult): Fact[] {
  const { counts, bytes, distinctBytes, writtenBytes, overwrites, writes } = result;
  const [reads, writesAll] = [counts[READ] ?? 0, counts[WRITE] ?? 0];
  const [readBytes, writeBytes] = [bytes[READ] ?? 0, bytes[WRITE] ?? 0];
  const seconds = (result.to - result.from) / 1e9;
  const about = result.granule > 1 ? '≈ ' : '';
  const exactness =
    result.granule > 1 ? ` Counted in groups of ${result.granule} sectors: the disk is large.` : '';
  const facts: Fact[] = [
    {
      name: 'Reads : writes',
      value: `${percent(reads, reads + writesAll)} : ${percent(writesAll, reads + writesAll)}`,
      meaning: 'Of reads and writes together, by requests',
    },
    {
      name: 'by bytes',
      value: `${percent(readBytes, readBytes + writeBytes)} : ${percent(writeBytes, readBytes + writeBytes)}`,
      meaning: 'Of what reads and writes moved',
    },
    {
      name: 'Overwrites',
      value: `${about}${formatCount(overwrites)} (${percent(overwrites, writes)})`,
      meaning: `Successful writes that touched sectors an earlier one had written.${exactness}`,
    },
    {
      name: 'Written once or more',
      value: `${about}${formatBytes(distinctBytes)}`,
      meaning: `Distinct bytes of the disk that writes reached.${exactness}`,
    },
    {
      name: 'Write amplification',
      value: distinctBytes === 0 ? '—' : `${about}${(writtenBytes / distinctBytes).toFixed(2)} ×`,
      meaning: `Bytes written for each distinct byte: 1 means that nothing was written twice.${exactness}`,
    },
    {
      name: 'Mean rate',
      value:
        seconds > 0
          ? `${formatRate(sum(counts) / seconds)} IOPS · ${formatThroughput((readBytes + writeBytes) / seconds)}`
          : '—',
      meaning: 'From the first request to the last, pauses included',
    },
  ];
  countedFlags.forEach(({ name }, flag) => {
    const count = result.flags[flag] ?? 0;
    facts.push({
      name,
      value: formatCount(count),
      meaning: `Requests with the flag ${name}. Only routes that hand flags on show any.`,
    });
  });
  return facts;
}

/** "4 KiB 812", the most frequent first. */
export function sizeWords({ sizes }: StatisticsResult): string[] {
  return sizes.map(({ bytes, count }) => `${formatBytes(bytes)} × ${formatCount(count)}`);
}

const LINE = 18;
const LEFT = 12;

export const statisticsPicture: Picture<StatisticsResult> = {
  draw: (surface, { width }, result, colours) => {
    const wide = (width - 2 * LEFT) / columns.length;
    const put = (cells: readonly string[], line: number, first: string, rest: string): void => {
      const y = (line + 0.75) * LINE;
      cells.forEach((cell, column) => {
        if (column === 0) surface.text(LEFT, y, cell, first);
        else surface.text(LEFT + (column + 1) * wide, y, cell, rest, 'right');
      });
    };
    put(columns, 0, colours.dim, colours.dim);
    const rows = statisticsRows(result);
    rows.forEach(({ family, cells }, index) =>
      put(cells, index + 1, colours.families[family] ?? colours.text, colours.text),
    );
    const facts = statisticsFacts(result).map(({ name, value }) => `${name} ${value}`);
    const perLine = Math.max(1, Math.floor(width / 260));
    facts.forEach((fact, index) => {
      const y = (rows.length + 2.25 + Math.floor(index / perLine)) * LINE;
      surface.text(LEFT + (index % perLine) * 260, y, fact, colours.text);
    });
    const y = (rows.length + 2.25 + Math.ceil(facts.length / perLine)) * LINE;
    surface.text(LEFT, y, `Sizes ${sizeWords(result).join('  ')}`, colours.dim);
  },

  rows: (result) => {
    const names = [
      'operation',
      'requests',
      'bytes',
      'least bytes',
      'most bytes',
      'sequential',
      'latency sum (ns)',
      'failed',
    ];
    return [
      names,
      ...families.map((name, family) =>
        [
          name,
          result.counts,
          result.bytes,
          result.leastBytes,
          result.mostBytes,
          result.sequential,
          result.latency,
          result.errors,
        ].map((value) => (typeof value === 'string' ? value : (value[family] ?? NaN))),
      ),
      [],
      ['fact', 'value'],
      ...countedFlags.map(({ name }, flag) => [name, result.flags[flag] ?? 0]),
      ['overwrites', result.overwrites],
      ['successful writes', result.writes],
      ['bytes written', result.writtenBytes],
      ['distinct bytes written', result.distinctBytes],
      ['exact to sectors', result.granule],
      ['first request (ns)', result.from],
      ['last request (ns)', result.to],
      [],
      ['bytes of a request', 'requests'],
      ...result.sizes.map(({ bytes, count }) => [bytes, count]),
    ];
  },
};
