/** Where an axis has its marks, and what stands beside them. */

export interface Tick {
  readonly at: number;
  readonly text: string;
}

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** 1, 2 or 5 times a power of ten, so that about `wanted` of them fill `span`. */
export function niceStep(span: number, wanted: number): number {
  const least = span / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((factor) => factor * power >= least) ?? 10);
}

function multiples(from: number, to: number, step: number): number[] {
  const first = Math.ceil(from / step);
  const count = Math.floor(to / step) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, index) => (first + index) * step);
}

/** Marks of time, ns: in one unit, with as many digits as tell them apart. */
export function timeTicks(from: number, to: number, wanted: number): Tick[] {
  const step = Math.max(1, niceStep(to - from, wanted));
  // Far from the beginning and close together: seconds all the same, so that they compare.
  const unit = to >= 1e9 ? 1e9 : to >= 1e6 ? 1e6 : 1e3;
  const name = unit === 1e9 ? 's' : unit === 1e6 ? 'ms' : 'µs';
  const digits = Math.max(0, Math.ceil(Math.log10(unit / step) - 1e-9));
  return multiples(from, to, step).map((at) => ({
    at,
    text: `${(at / unit).toFixed(digits)} ${name}`,
  }));
}

/** Marks of sectors: multiples of powers of two, as things lie on a disk. */
export function sectorTicks(from: number, to: number, wanted: number): Tick[] {
  const step = 2 ** Math.max(0, Math.ceil(Math.log2((to - from) / Math.max(1, wanted))));
  return multiples(from, to, step).map((at) => ({ at, text: grouped.format(at) }));
}

const durations = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12];

/** Powers of ten between two latencies, ns. */
export function latencyTicks(from: number, to: number): Tick[] {
  return durations
    .filter((at) => at >= from && at <= to)
    .map((at) => ({ at, text: decimalDuration(at) }));
}

function decimalDuration(ns: number): string {
  if (ns >= 1e9) return `${ns / 1e9} s`;
  if (ns >= 1e6) return `${ns / 1e6} ms`;
  return ns >= 1e3 ? `${ns / 1e3} µs` : `${ns} ns`;
}
