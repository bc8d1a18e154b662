/** The engine's counters in the words of the contract. */
import type { NativeDisk } from '../../addon/addon';
import type { DiskStatistics } from '../../contract/disk';
import { bytes, nanoseconds, type DiskId } from '../../contract/units';
import type { TraceOptions } from './trace-options';

export function diskStatistics(
  disk: DiskId,
  native: NativeDisk,
  options: TraceOptions,
): DiskStatistics {
  const counters = native.counters();
  return {
    disk,
    time: nanoseconds(counters.time),
    reads: bytes(counters.reads),
    writes: bytes(counters.writes),
    flushes: bytes(counters.flushes),
    discards: bytes(counters.discards),
    zeroes: bytes(counters.zeroes),
    readBytes: bytes(counters.readBytes),
    writtenBytes: bytes(counters.writtenBytes),
    errors: bytes(counters.errors),
    inFlight: counters.inFlight,
    payloadBytes: bytes(counters.payloadBytes),
    payloadLimit: bytes(options.payloadLimit),
    traceCapacity: bytes(native.traceCapacity),
  };
}
