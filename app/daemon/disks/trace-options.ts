/** How much of a disk's past is kept. Each can be set in the daemon's environment. */
import type { DiskOptions } from '../../addon/addon';
import type { Log } from '../log';

export type TraceOptions = Pick<DiskOptions, 'threads' | 'ringCapacity' | 'payloadLimit' | 'trace'>;

const MEBIBYTE = 1024 * 1024;

/** A whole number from the environment; the default when unset, and (logged) when unusable. */
function number(
  environment: NodeJS.ProcessEnv,
  name: string,
  range: { readonly least: number; readonly most: number; readonly normal: number },
  log: Log,
): number {
  const text = environment[name];
  if (text === undefined || text === '') return range.normal;
  const value = Number(text);
  if (Number.isInteger(value) && value >= range.least && value <= range.most) return value;
  log(
    `${name}=${text} is not a whole number from ${range.least} to ${range.most}; ${range.normal} is used`,
  );
  return range.normal;
}

/**
 * BIOSCOPE_PAYLOAD_MIB (64): MiB of payload kept a disk.
 * BIOSCOPE_TRACE_RECORDS (65536): records kept an engine thread, rounded up to a power of two.
 * BIOSCOPE_THREADS (4): engine threads a disk.
 * BIOSCOPE_TRACE=off: no trace at all, to measure what it costs.
 */
export function traceOptions(environment: NodeJS.ProcessEnv, log: Log): TraceOptions {
  const payload = { least: 0, most: 65_536, normal: 64 };
  const records = { least: 1024, most: 2 ** 24, normal: 2 ** 16 };
  const threads = { least: 1, most: 64, normal: 4 };
  const wanted = number(environment, 'BIOSCOPE_TRACE_RECORDS', records, log);
  return {
    threads: number(environment, 'BIOSCOPE_THREADS', threads, log),
    ringCapacity: 2 ** Math.ceil(Math.log2(wanted)),
    payloadLimit: number(environment, 'BIOSCOPE_PAYLOAD_MIB', payload, log) * MEBIBYTE,
    trace: environment['BIOSCOPE_TRACE'] !== 'off',
  };
}

/** Channels of a dm-user target: two of the engine's threads serve each. */
export const channelsOf = ({ threads }: TraceOptions): number =>
  Math.max(1, Math.floor(threads / 2));
