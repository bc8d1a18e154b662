/**
 * What is known of the volumes on each disk, so that what has no magic can be
 * told by its place. It is read from the image as it is now; the payload that
 * is looked at, and those looked at before, speak for what the image cannot
 * tell any more (a capture, a disk that is detached).
 */
import { sector, type DiskId } from '../../app/contract/units';
import type { WindowBridge } from '../../app/contract/window-api';
import type { DeviceReader } from '../structures/recogniser';
import { noRegions, type Regions } from '../structures/regions';
import type { Structure } from '../structures/structure';
import { survey } from '../structures/survey';

const SECTOR = 512;
/** Milliseconds for which what was read of an image counts as what it holds. */
const FRESH_MS = 5000;
/** Payloads remembered of a disk, and the most bytes of each. */
const MOST_PIECES = 32;
const MOST_PIECE_BYTES = 64 * 1024;

/** Bytes of a device from byte `device` on. */
export interface DevicePiece {
  readonly device: number;
  readonly bytes: Uint8Array;
}

interface ImageRead {
  readonly time: number;
  readonly bytes: Promise<Uint8Array | null>;
}

function within(piece: DevicePiece, offset: number, length: number): Uint8Array | null {
  const from = offset - piece.device;
  if (from < 0 || from + length > piece.bytes.length) return null;
  return piece.bytes.subarray(from, from + length);
}

export class DiskKnowledge {
  readonly #bridge: Pick<WindowBridge, 'invoke'>;
  readonly #images = new Map<DiskId, Map<string, ImageRead>>();
  readonly #pieces = new Map<DiskId, DevicePiece[]>();

  constructor(bridge: Pick<WindowBridge, 'invoke'>) {
    this.#bridge = bridge;
  }

  /** The regions of a disk of `size` bytes, as `payload` and all that is known have it. */
  async regions(disk: DiskId, size: number, payload: DevicePiece): Promise<Regions> {
    const reader: DeviceReader = async (offset, length) => {
      if (length <= 0 || offset < 0 || offset + length > size) return null;
      const own = within(payload, offset, length);
      if (own) return own;
      const now = await this.#image(disk, offset, length);
      if (now) return now;
      for (const piece of this.#pieces.get(disk) ?? []) {
        const remembered = within(piece, offset, length);
        if (remembered) return remembered;
      }
      return null;
    };
    return size > 0 ? survey(size, reader) : noRegions;
  }

  /** Remembers a payload in which something was recognised by itself. */
  remember(disk: DiskId, payload: DevicePiece, structures: readonly Structure[]): void {
    const isSure = structures.some(({ confidence }) => ['checked', 'magic'].includes(confidence));
    if (!isSure) return;
    const bytes = payload.bytes.slice(0, MOST_PIECE_BYTES);
    const others = (this.#pieces.get(disk) ?? []).filter(({ device }) => device !== payload.device);
    this.#pieces.set(disk, [{ device: payload.device, bytes }, ...others].slice(0, MOST_PIECES));
  }

  /** What the image holds at [offset, offset + length); null if it cannot be read. */
  #image(disk: DiskId, offset: number, length: number): Promise<Uint8Array | null> {
    const reads = this.#images.get(disk) ?? new Map<string, ImageRead>();
    this.#images.set(disk, reads);
    const key = `${offset}+${length}`;
    const now = performance.now();
    for (const [old, { time }] of reads) if (now - time > FRESH_MS) reads.delete(old);
    const known = reads.get(key);
    if (known) return known.bytes;
    const bytes = this.#readImage(disk, offset, length);
    reads.set(key, { time: now, bytes });
    return bytes;
  }

  async #readImage(disk: DiskId, offset: number, length: number): Promise<Uint8Array | null> {
    const first = Math.floor(offset / SECTOR);
    const skipped = offset - first * SECTOR;
    const wanted = Math.ceil((skipped + length) / SECTOR) * SECTOR;
    const params = { disk, sector: sector(first), length: wanted };
    const answer = await this.#bridge.invoke('image.read', params);
    if (!answer.ok) return null;
    const binary = atob(answer.value.base64);
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    return bytes.length < skipped + length ? null : bytes.subarray(skipped, skipped + length);
  }
}
