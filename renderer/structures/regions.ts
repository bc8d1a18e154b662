/** The regions that are known of a disk, found by place. */
import type { Region } from './recogniser';

/** Regions that overlap others, at most: garbage may claim any number of them. */
const MOST_WIDE = 512;
/** Regions tried at one place, at most. */
const MOST_AT_ONE_PLACE = 4;

export class Regions {
  /** By start. */
  readonly #exact: readonly Region[];
  /** Regions that hold others: tried after those. */
  readonly #wide: readonly Region[];

  /** Regions that overlap many others are few: whole volumes and journals. */
  constructor(regions: readonly Region[]) {
    const sorted = [...regions].sort((left, right) => left.start - right.start);
    const exact: Region[] = [];
    const wide: Region[] = [];
    sorted.forEach((region, index) => {
      const next = sorted[index + 1];
      const holdsNext = next !== undefined && next.start < region.start + region.length;
      (holdsNext ? wide : exact).push(region);
    });
    this.#exact = exact;
    wide.sort((left, right) => left.length - right.length);
    // The largest are whole volumes.
    this.#wide = wide.slice(-MOST_WIDE);
  }

  get count(): number {
    return this.#exact.length + this.#wide.length;
  }

  /** The regions that hold device byte `device`, smallest first. */
  at(device: number): readonly Region[] {
    const holding: Region[] = [];
    let low = 0;
    let high = this.#exact.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#exact[middle]?.start ?? 0) <= device) low = middle + 1;
      else high = middle;
    }
    const nearest = this.#exact[low - 1];
    if (nearest && device < nearest.start + nearest.length) holding.push(nearest);
    for (const region of this.#wide) {
      if (holding.length === MOST_AT_ONE_PLACE) break;
      if (device >= region.start && device < region.start + region.length) holding.push(region);
    }
    return holding;
  }
}

export const noRegions = new Regions([]);
