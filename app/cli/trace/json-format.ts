/** The trace as one JSON object a line; 64-bit numbers as decimal strings. */
import {
  errnoName,
  flagsOf,
  operationWord,
  resultNames,
  routeByNumber,
} from '../../contract/trace';
import { encodeJson } from '../../contract/units';
import { BIOSCOPE_MARK_INJECTED, BIOSCOPE_MARK_PAYLOAD } from '../../contract/wire.gen';
import type { TraceFormat } from './format';

/** ISO 8601 in UTC, with nanoseconds. */
export function isoTime(realtime: bigint): string {
  const seconds = new Date(Number(realtime / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(realtime % 1_000_000_000n).padStart(9, '0')}Z`;
}

export function jsonFormat(): TraceFormat {
  return {
    header: () => [],
    request: (disk, record, realtime) =>
      encodeJson({
        type: 'request',
        disk: disk.id,
        sequence: record.sequence,
        time: isoTime(realtime),
        arrival: record.arrival,
        completion: record.completion,
        latency: record.completion - record.arrival,
        backendDelay: record.backendDelay,
        operation: operationWord(record.operation).name,
        sector: record.sector,
        length: record.length,
        flags: flagsOf(record.flags).map(({ name }) => name),
        result: resultNames[record.result] ?? `result ${record.result}`,
        error: record.error === 0 ? null : errnoName(record.error),
        injected: (record.marks & BIOSCOPE_MARK_INJECTED) !== 0,
        payload: (record.marks & BIOSCOPE_MARK_PAYLOAD) !== 0,
        route: routeByNumber[record.route] ?? `route ${record.route}`,
        queue: record.queue,
        depth: record.depth,
      }),
    lost: (disk, count) => encodeJson({ type: 'lost', disk: disk.id, count }),
    gone: (disk, count) => encodeJson({ type: 'gone', disk: disk.id, count }),
    attached: (disk) =>
      encodeJson({
        type: 'attached',
        disk: disk.id,
        image: disk.imagePath,
        device: disk.device,
        fuseFile: disk.fuseFile,
        size: disk.size,
        readOnly: disk.readOnly,
      }),
    ended: (disk, reason) => encodeJson({ type: 'ended', disk: disk.id, reason }),
  };
}
