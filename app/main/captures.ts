/**
 * The captures that are open in the window: disks that have been. They need no
 * daemon. The feed reads their records; what is asked for one at a time, their
 * payloads, is read here.
 */
import type { CaptureFile } from '../capture/file';
import { captureDisk } from '../capture/capture-disk';
import { openCapture } from '../capture/open-capture';
import type { DaemonParams, DaemonResult } from '../contract/daemon-api';
import type { Disk } from '../contract/disk';
import { BioscopeError } from '../contract/errors';
import { bytes, diskId, type DiskId } from '../contract/units';

/** Numbers of captures in trace records: far from those of a daemon's disks. */
const FIRST_NUMBER = 0x4000_0000;

interface Entry {
  readonly disk: Disk;
  readonly file: CaptureFile;
}

export class Captures {
  private readonly entries = new Map<DiskId, Entry>();
  private readonly onChange: () => void;
  private next = 1;

  constructor(onChange: () => void) {
    this.onChange = onChange;
  }

  get disks(): readonly Disk[] {
    return [...this.entries.values()].map(({ disk }) => disk);
  }

  has(id: DiskId): boolean {
    return this.entries.has(id);
  }

  /** Where an open capture lies. Throws DISK_UNKNOWN. */
  pathOf(id: DiskId): string {
    return this.entry(id).file.path;
  }

  /** Opens one; one that is open already is not opened twice. Throws BioscopeError, as CaptureFile.open does. */
  async open(path: string): Promise<Disk> {
    const before = this.disks.find(({ capture }) => capture?.path === path);
    if (before) return before;
    const file = await openCapture(path);
    // Dropped twice, it was opened by the other one meanwhile.
    const other = this.disks.find(({ capture }) => capture?.path === path);
    if (other) {
      file.close();
      return other;
    }
    const number = this.next++;
    const disk = captureDisk(file, diskId(`capture-${number}`), FIRST_NUMBER + number);
    this.entries.set(disk.id, { disk, file });
    this.onChange();
    return disk;
  }

  /** Closes one; false when there is none of that name. */
  close(id: DiskId): boolean {
    const entry = this.entries.get(id);
    if (!entry) return false;
    this.entries.delete(id);
    entry.file.close();
    this.onChange();
    return true;
  }

  /** Closes the one of that file, which has gone, or changed, since it was opened. */
  closeFile(path: string): void {
    const disk = this.disks.find(({ capture }) => capture?.path === path);
    if (disk) this.close(disk.id);
  }

  readPayload({
    disk,
    sequence,
    offset,
    length,
  }: DaemonParams<'payload.read'>): DaemonResult<'payload.read'> {
    const payload = this.entry(disk).file.readPayload(sequence, offset, length);
    if (payload === null) return { kept: false };
    return {
      kept: true,
      total: bytes(payload.total),
      base64: Buffer.from(payload.bytes).toString('base64'),
    };
  }

  private entry(id: DiskId): Entry {
    const entry = this.entries.get(id);
    if (entry) return entry;
    throw new BioscopeError('DISK_UNKNOWN', `There is no open capture ${id}.`);
  }
}

/** What the image holds now is asked of disks; a capture has none. */
export const noImage = (): BioscopeError =>
  new BioscopeError(
    'PAYLOAD_RANGE',
    'A capture has the requests alone: what the image holds now is not in it.',
  );
