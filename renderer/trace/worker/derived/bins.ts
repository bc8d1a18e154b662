/**
 * Bins along time or along the disk. Their width is a power of two and they
 * begin at whole multiples of it, so that the bins of a chunk, however wide,
 * fall into the bins of the whole trace without being parted.
 */
export interface Bins {
  readonly width: number;
  /** The first bin covers [first * width, (first + 1) * width). */
  readonly first: number;
  readonly count: number;
}

/** The narrowest bins, `most` at most and no narrower than `width`, that hold `low` and `high`. */
export function binsFor(low: number, high: number, most: number, width = 1): Bins {
  for (let tried = width; ; tried *= 2) {
    const first = Math.floor(low / tried);
    const count = Math.floor(high / tried) - first + 1;
    if (count <= most) return { width: tried, first, count };
  }
}

/** The narrowest bins, `most` at most, into which all of `parts` fall; null for no parts. */
export function joinBins(parts: readonly Bins[], most: number): Bins | null {
  if (parts.length === 0) return null;
  let low = Infinity;
  let high = -Infinity;
  let width = 1;
  for (const part of parts) {
    low = Math.min(low, part.first * part.width);
    high = Math.max(high, (part.first + part.count) * part.width - 1);
    width = Math.max(width, part.width);
  }
  return binsFor(low, high, most, width);
}

/** Which of `bins` holds the bin `index` of `part`. */
export function binIn(bins: Bins, part: Bins, index: number): number {
  return Math.floor(((part.first + index) * part.width) / bins.width) - bins.first;
}
