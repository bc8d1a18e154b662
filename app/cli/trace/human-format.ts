/** The trace as columns for reading; no cell has a space in it, so that awk can take them apart. */
import {
  errnoName,
  flagsOf,
  operationWord,
  resultNames,
  type TraceRecord,
} from '../../contract/trace';
import { onOneLine } from '../table';
import type { TraceFormat } from './format';

const columns = [
  { title: 'TIME', width: 15, right: false },
  { title: 'DISK', width: 5, right: false },
  { title: 'SEQ', width: 9, right: true },
  { title: 'OP', width: 8, right: false },
  { title: 'SECTOR', width: 11, right: true },
  // A discard can be as long as 4 GiB.
  { title: 'LENGTH', width: 10, right: true },
  { title: 'FLAGS', width: 10, right: false },
  { title: 'LATENCY', width: 10, right: true },
  { title: 'RESULT', width: 0, right: false },
] as const;

function line(cells: readonly string[]): string {
  return columns
    .map(({ width, right }, index) => {
      const cell = cells[index] ?? '';
      return right ? cell.padStart(width) : cell.padEnd(width);
    })
    .join(' ')
    .trimEnd();
}

/** "12:34:56.789012", local time. */
export function clockTime(realtime: bigint): string {
  const date = new Date(Number(realtime / 1_000_000n));
  const two = (value: number) => String(value).padStart(2, '0');
  const micros = String((realtime / 1000n) % 1_000_000n).padStart(6, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${micros}`;
}

/** "950ns", "12.3µs", "4.56ms", "1.20s". */
export function duration(ns: bigint): string {
  const value = Number(ns);
  if (value < 1000) return `${value}ns`;
  if (value < 1e6) return `${(value / 1e3).toFixed(1)}µs`;
  if (value < 1e9) return `${(value / 1e6).toFixed(2)}ms`;
  return `${(value / 1e9).toFixed(2)}s`;
}

export function resultText(record: TraceRecord): string {
  if (record.error !== 0) return errnoName(record.error);
  return resultNames[record.result] ?? `result-${record.result}`;
}

export function humanFormat(): TraceFormat {
  return {
    header: () => [line(columns.map(({ title }) => title))],
    request: (disk, record, realtime) =>
      line([
        clockTime(realtime),
        disk.id,
        record.sequence.toString(),
        operationWord(record.operation).name.replaceAll(' ', '-'),
        record.sector.toString(),
        record.length.toString(),
        flagsOf(record.flags)
          .map(({ name }) => name)
          .join('|') || '-',
        duration(record.completion - record.arrival),
        resultText(record),
      ]),
    lost: (disk, count) =>
      `--- ${disk.id}: ${count} ${count === 1n ? 'request' : 'requests'} lost: overwritten before this program read them`,
    gone: (disk, count) =>
      `--- ${disk.id}: ${count} ${count === 1 ? 'payload is' : 'payloads are'} no longer kept, so the filter cannot look into ${count === 1 ? 'it' : 'them'}`,
    gap: (disk, { from, to }, offset) =>
      `--- ${disk.id}: no daemon served from ${clockTime(from + offset)} to ${clockTime(to + offset)} (${duration(to - from)}); requests waited`,
    attached: (disk) =>
      `--- ${disk.id}: ${onOneLine(disk.imagePath)} at ${disk.device ?? disk.fuseFile ?? '?'}`,
    ended: (disk, reason) => `--- ${disk.id}: ${reason}`,
  };
}
