/**
 * Bins of latency: one a nanosecond up to 64 ns, then 32 an octave, so that a
 * bin is never wider than 1/32 of what lies in it (an HDR histogram's idea).
 */
const STEPS_SHIFT = 5;
const STEPS = 1 << STEPS_SHIFT;
const HIGH = 0x1_0000_0000;

/** Up to 2^53 ns, more than a hundred days. */
export const LATENCY_BINS = (53 - STEPS_SHIFT + 1) * STEPS;

export function latencyBin(ns: number): number {
  if (ns < STEPS) return ns > 0 ? Math.floor(ns) : 0;
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
  if (total === 0) return NaN;
  const rank = Math.max(1, Math.ceil(share * total));
  let passed = 0;
  for (let bin = 0; bin < LATENCY_BINS; bin++) {
    passed += counts[from + bin] ?? 0;
    if (passed >= rank) return (latencyBinStart(bin) + latencyBinStart(bin + 1) - 1) / 2;
  }
  return NaN;
}
