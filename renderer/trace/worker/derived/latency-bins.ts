/**
 * Bins of latency: one a nanosecond up to 64 ns, then 32 an octave, so that a
 * bin is never wider than 1/32 of what lies in it (an HDR histogram's idea).
 */
const STEPS_SHIFT = 5;
const STEPS = 1 << STEPS_SHIFT;
const HIGH = 0x1_0000_0000;
/** Below it the bits of a number are those of a whole one of the machine. */
const SMALL = 0x8000_0000;

/** Up to 2^53 ns, more than a hundred days. */
export const LATENCY_BINS = (53 - STEPS_SHIFT + 1) * STEPS;

export function latencyBin(ns: number): number {
  if (ns < SMALL) {
    if (ns < STEPS) return ns > 0 ? Math.floor(ns) : 0;
    // Nearly all are here, ten million times.
    const whole = ns | 0;
    const shift = 31 - Math.clz32(whole) - STEPS_SHIFT;
    return shift * STEPS + (whole >>> shift);
  }
  const octave =
    ns < HIGH ? 31 - Math.clz32(ns) : Math.min(52, 63 - Math.clz32(Math.floor(ns / HIGH)));
  const step = Math.min(2 * STEPS - 1, Math.floor(ns / 2 ** (octave - STEPS_SHIFT)));
  return (octave - STEPS_SHIFT) * STEPS + step;
}

/** The least latency in the bin, ns. */
export function latencyBinStart(bin: number): number {
  if (bin < 2 * STEPS) return bin;
  const octave = (bin >>> STEPS_SHIFT) - 1;
  return (STEPS + (bin & (STEPS - 1))) * 2 ** octave;
}

/**
 * The latency that a `share` (0 … 1) of the requests in `counts` did not exceed,
 * to the width of a bin: the bin's middle. NaN where there are none.
 */
export function percentile(counts: ArrayLike<number>, share: number, from = 0): number {
  let total = 0;
  for (let bin = 0; bin < LATENCY_BINS; bin++) total += counts[from + bin] ?? 0;
  const found = new Float64Array(1);
  percentiles(counts, [share], total, from, found);
  return found[0] ?? NaN;
}

/** The same of several shares, ascending, into `found`; `total` is how many are counted. */
export function percentiles(
  counts: ArrayLike<number>,
  shares: readonly number[],
  total: number,
  from: number,
  found: Float64Array,
): void {
  found.fill(NaN);
  let passed = 0;
  let next = 0;
  for (let bin = 0; bin < LATENCY_BINS && passed < total; bin++) {
    const own = counts[from + bin] ?? 0;
    if (own === 0) continue;
    passed += own;
    while (next < shares.length && passed >= Math.max(1, Math.ceil((shares[next] ?? 0) * total)))
      found[next++] = (latencyBinStart(bin) + latencyBinStart(bin + 1) - 1) / 2;
  }
}
