/** How many threads serve a disk, and how much of its past is kept. Each can be set in the daemon's environment. */
import { availableParallelism } from 'node:os';
import type { DiskOptions } from '../../addon/addon';
import type { RouteName } from '../../contract/disk';
import type { Log } from '../log';
import { channelsFor, THREADS_PER_CHANNEL, usualChannels } from '../routes/channels';

/** What the engine is told of it for one disk. */
export type EngineOptions = Pick<
  DiskOptions,
  'threads' | 'ringCapacity' | 'payloadLimit' | 'trace'
>;

export interface TraceOptions extends EngineOptions {
  /** On fuse-loop. */
  readonly threads: number;
  /** Of a dm-user target. */
  readonly channels: number;
}

const MEBIBYTE = 1024 * 1024;

/** On fuse-loop. Measured to be faster than fewer, on two processors too. */
const USUAL_THREADS = 4;

/** A whole number from the environment; null when unset, and (logged) when unusable. */
function number(
  environment: NodeJS.ProcessEnv,
  name: string,
  range: { readonly least: number; readonly most: number; readonly normal: number | string },
  log: Log,
): number | null {
  const text = environment[name];
  if (text === undefined || text === '') return null;
  const value = Number(text);
  if (Number.isInteger(value) && value >= range.least && value <= range.most) return value;
  log(
    `${name}=${text} is not a whole number from ${range.least} to ${range.most}; ${range.normal} is used`,
  );
  return null;
}

/**
 * BIOSCOPE_PAYLOAD_MIB (64): MiB of payload kept a disk.
 * BIOSCOPE_TRACE_RECORDS (65536): records kept an engine thread, rounded up to a power of two.
 * BIOSCOPE_THREADS (4 on fuse-loop; on dm-user two for each of `usualChannels`): engine threads a disk.
 * BIOSCOPE_TRACE=off: no trace at all, to measure what it costs.
 * `processors`: those that this process may run on.
 */
export function traceOptions(
  environment: NodeJS.ProcessEnv,
  log: Log,
  processors = availableParallelism(),
): TraceOptions {
  const payload = { least: 0, most: 65_536, normal: 64 };
  const records = { least: 1024, most: 2 ** 24, normal: 2 ** 16 };
  const threads = { least: 1, most: 64, normal: 'the usual number' };
  const wanted = number(environment, 'BIOSCOPE_TRACE_RECORDS', records, log) ?? records.normal;
  const chosen = number(environment, 'BIOSCOPE_THREADS', threads, log);
  const kept = number(environment, 'BIOSCOPE_PAYLOAD_MIB', payload, log) ?? payload.normal;
  return {
    threads: chosen ?? USUAL_THREADS,
    channels: chosen === null ? usualChannels(processors) : channelsFor(chosen),
    ringCapacity: 2 ** Math.ceil(Math.log2(wanted)),
    payloadLimit: kept * MEBIBYTE,
    trace: environment['BIOSCOPE_TRACE'] !== 'off',
  };
}

/** For a disk on that route. */
export function engineOptions(
  { threads, channels, ...kept }: TraceOptions,
  route: RouteName,
): EngineOptions {
  return { ...kept, threads: route === 'dm-user' ? channels * THREADS_PER_CHANNEL : threads };
}
