/** CSV, JSON lines, and Perfetto's JSON: a line a request. */
import {
  errnoName,
  flagsOf,
  operationWord,
  resultNames,
  type TraceRecord,
} from '../../contract/trace';
import { encodeJson } from '../../contract/units';
import { BIOSCOPE_MARK_INJECTED } from '../../contract/wire.gen';
import type { CaptureFile } from '../file';
import { requestFields } from '../request-fields';
import type { Output } from './output';

const csvColumns = [
  'sequence',
  'time_ns',
  'operation',
  'sector',
  'length',
  'flags',
  'latency_ns',
  'backend_delay_ns',
  'result',
  'errno',
  'queue',
  'depth',
  'injected',
] as const;

/** RFC 4180, but for line ends, which are those of this system. No value needs quotes. */
export function writeCsv(
  { header }: CaptureFile,
  requests: Iterable<TraceRecord>,
  output: Output,
): string[] {
  const offset = header.epochRealtimeNs - header.epochMonotonicNs;
  output.write(`${csvColumns.join(',')}\n`);
  for (const record of requests) {
    const cells = [
      record.sequence,
      record.arrival + offset,
      operationWord(record.operation).name,
      record.sector,
      record.length,
      flagsOf(record.flags)
        .map(({ name }) => name)
        .join('|'),
      record.completion - record.arrival,
      record.backendDelay,
      resultNames[record.result] ?? record.result,
      record.error === 0 ? '' : errnoName(record.error),
      record.queue,
      record.depth,
      (record.marks & BIOSCOPE_MARK_INJECTED) === 0 ? 0 : 1,
    ];
    output.write(`${cells.join(',')}\n`);
  }
  return [];
}

/** As `bioscope trace --json` has them, but for the time: nanoseconds since 1970. */
export function writeJsonLines(
  { header }: CaptureFile,
  requests: Iterable<TraceRecord>,
  output: Output,
): string[] {
  const offset = header.epochRealtimeNs - header.epochMonotonicNs;
  for (const record of requests) {
    const realtime = record.arrival + offset;
    const line = encodeJson({ ...requestFields(record), realtime });
    output.write(`${line}\n`);
  }
  return [];
}

/**
 * The JSON trace format that ui.perfetto.dev opens: each request an asynchronous
 * slice on the track of its operation, and a counter of requests in flight.
 * Times are in µs since the first request, with three decimals.
 */
export function writePerfetto(
  { header }: CaptureFile,
  requests: Iterable<TraceRecord>,
  output: Output,
): string[] {
  const process = { pid: 1, tid: 1 };
  const events = new EventList(output);
  events.add({ ...process, ph: 'M', name: 'process_name', args: { name: header.name } });
  let first: bigint | null = null;
  const micros = (time: bigint) => Number(time - (first ?? 0n)) / 1000;
  for (const record of requests) {
    first ??= record.arrival;
    const { name, family } = operationWord(record.operation);
    const slice = { ...process, cat: family, name, id: record.sequence.toString() };
    events.add({
      ...slice,
      ph: 'b',
      ts: micros(record.arrival),
      args: {
        sector: record.sector.toString(),
        length: Number(record.length),
        flags: flagsOf(record.flags)
          .map((flag) => flag.name)
          .join('|'),
        result: record.error === 0 ? (resultNames[record.result] ?? '') : errnoName(record.error),
        backend_delay_ns: record.backendDelay,
      },
    });
    events.add({ ...slice, ph: 'e', ts: micros(record.completion) });
    const counter = { ...process, ph: 'C', name: 'in flight', ts: micros(record.arrival) };
    events.add({ ...counter, args: { requests: record.depth } });
  }
  events.end();
  return [];
}

class EventList {
  private readonly output: Output;
  private isFirst = true;

  constructor(output: Output) {
    this.output = output;
    output.write('{"displayTimeUnit":"ns","traceEvents":[\n');
  }

  add(event: Readonly<Record<string, unknown>>): void {
    this.output.write(`${this.isFirst ? '' : ',\n'}${JSON.stringify(event)}`);
    this.isFirst = false;
  }

  end(): void {
    this.output.write('\n]}\n');
  }
}
