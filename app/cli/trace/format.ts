/** How the trace is printed: as aligned columns, or as JSON. */
import type { Disk, Gap } from '../../contract/disk';
import type { TraceRecord } from '../../contract/trace';

export interface TraceFormat {
  /** Lines before all others. */
  header(): readonly string[];
  /** `realtime`: nanoseconds since 1970 when the request arrived. */
  request(disk: Disk, record: TraceRecord, realtime: bigint): string;
  /** `count` records of the disk were overwritten before they could be read. */
  lost(disk: Disk, count: bigint): string;
  /** The payloads of `count` requests, which the filter asks about, are no longer kept. */
  gone(disk: Disk, count: number): string;
  /** Nobody served the disk: its daemon had died. `offset`: from CLOCK_MONOTONIC to the wall clock, ns. */
  gap(disk: Disk, gap: Gap, offset: bigint): string;
  attached(disk: Disk): string;
  /** The disk was detached, or failed. */
  ended(disk: Disk, reason: string): string;
}
