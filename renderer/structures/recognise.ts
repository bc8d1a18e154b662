/** Finds the structures in a payload. Bounded work for any bytes; never throws. */
import { ByteView } from './byte-view';
import { recognisers } from './formats';
import type { Confidence, Structure } from './structure';
import type { Regions } from './regions';

const SECTOR = 512;
/** The most structures told of one payload. */
export const MOST_STRUCTURES = 512;
/** The most bytes of a payload that are looked at. */
export const MOST_BYTES = 1 << 20;

/** What is known beforehand to lie there. */
function fromRegions(regions: Regions, payload: ByteView, device: number, offset: number) {
  for (const region of regions.at(device)) {
    const left = region.start + region.length - device;
    const found = region.read({ view: payload.part(offset, left), device });
    if (found) return found;
  }
  return null;
}

const weak: ReadonlySet<Confidence> = new Set(['location', 'shape']);

function fromMagic(payload: ByteView, device: number, offset: number): Structure | null {
  const view = payload.part(offset);
  for (const recognise of recognisers) {
    const found = recognise({ view, device });
    if (found) return found;
  }
  return null;
}

/**
 * The structures in `bytes`, by offset. `device`: the byte of the device that
 * the first of them belongs to. `regions`: what is known of the disk.
 */
export function recognise(
  bytes: Uint8Array,
  device: number,
  regions: Regions,
): readonly Structure[] {
  const payload = new ByteView(bytes.subarray(0, MOST_BYTES));
  const found: Structure[] = [];
  for (let offset = 0; offset < payload.length && found.length < MOST_STRUCTURES;) {
    const at = device + offset;
    let structure = fromRegions(regions, payload, at, offset);
    if (!structure || weak.has(structure.confidence)) {
      // The disk may hold something else now than it did then: a magic outweighs a place.
      const sure = fromMagic(payload, at, offset);
      if (!structure || sure?.confidence === 'checked') structure = sure;
    }
    if (!structure || structure.length === 0) {
      offset += SECTOR;
      continue;
    }
    found.push(structure);
    const end = structure.offset + structure.length;
    offset = Math.max(offset + SECTOR, Math.ceil(end / SECTOR) * SECTOR);
  }
  return found;
}
