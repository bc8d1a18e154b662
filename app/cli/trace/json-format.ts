/** The trace as one JSON object a line; 64-bit numbers as decimal strings. */
import { requestFields } from '../../capture/request-fields';
import { encodeJson } from '../../contract/units';
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
        time: isoTime(realtime),
        ...requestFields(record),
      }),
    lost: (disk, count) => encodeJson({ type: 'lost', disk: disk.id, count }),
    gone: (disk, count) => encodeJson({ type: 'gone', disk: disk.id, count }),
    gap: (disk, { from, to }, offset) =>
      encodeJson({
        type: 'gap',
        disk: disk.id,
        time: isoTime(from + offset),
        from,
        to,
        duration: to - from,
      }),
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
