/** A capture in the place of the disk that it was recorded of. */
import type { Disk } from '../contract/disk';
import { bytes, type DiskId } from '../contract/units';
import type { CaptureFile } from './file';

const NANOSECONDS_A_MILLISECOND = 1_000_000n;

export function captureDisk(file: CaptureFile, id: DiskId, number: number): Disk {
  const { header, totals, path, size, isComplete } = file;
  const recordedAt = Number(header.startedAt / NANOSECONDS_A_MILLISECOND);
  return {
    id,
    number,
    name: header.name,
    imagePath: header.imagePath,
    imageKind: 'file',
    size: header.size,
    tail: bytes(0n),
    readOnly: true,
    // Of the records each says its own; this one is for the list.
    route: header.route === 'dm-user' ? 'dm-user' : 'fuse-loop',
    state: 'capture',
    capture: {
      path,
      program: header.program,
      recordedAt,
      payloads: header.payloads,
      records: totals.rows,
      lost: totals.lost,
      payloadsDropped: totals.payloadsDropped,
      bytes: size,
      isComplete,
    },
    failure: null,
    device: header.device,
    partitions: [],
    holders: [],
    fuseFile: null,
    tracePath: path,
    attachedAt: recordedAt,
    gaps: header.gaps ?? [],
    notes: isComplete
      ? []
      : ['The recording was interrupted: this is what was written until then.'],
  };
}
