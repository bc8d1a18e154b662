/** A request as an object of JSON, the same wherever one is printed or exported. */
import {
  errnoName,
  flagsOf,
  operationWord,
  resultNames,
  routeByNumber,
  type TraceRecord,
} from '../contract/trace';
import { BIOSCOPE_MARK_INJECTED, BIOSCOPE_MARK_PAYLOAD } from '../contract/wire.gen';

/** All but when it was by the wall clock. Times in ns; for `encodeJson`. */
export function requestFields(record: TraceRecord) {
  return {
    sequence: record.sequence,
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
  };
}
