/** Rates, latencies and queue depth along time. */
import { wideAt, type TraceColumns } from '../../../../app/filter/trace-columns';
import { binIn, type Bins, binsFor, joinBins } from './bins';
import { type Derivation, type DerivationContext, RunningSum } from './derivation';
import { latencyBin, LATENCY_BINS, percentile } from './latency-bins';
import { FAMILIES, familyOf, latencyAt, passingRows, READ, timeReader, WRITE } from './rows';

export const TIME_BINS = 256;
/** Few requests in many bins would be a picture of noise. */
const LEAST_BINS = 32;
const REQUESTS_A_BIN = 8;
/** A key is bin << 11 | bin of latency. */
const KEY_SHIFT = 11;

export interface TimePartial {
  /** Of nanoseconds since the trace began; null without a row. */
  readonly bins: Bins | null;
  /** The exact first and last arrival. */
  readonly from: number;
  readonly to: number;
  /** FAMILIES a bin. */
  readonly counts: Uint32Array;
  readonly readBytes: Float64Array;
  readonly writtenBytes: Float64Array;
  readonly errors: Uint32Array;
  readonly depthSum: Float64Array;
  readonly depthMost: Uint16Array;
  /** How many requests of a bin have a latency: keys ascending, and their counts. */
  readonly latencyKeys: Uint32Array;
  readonly latencyCounts: Uint32Array;
}

/** One value a bin, NaN where no request arrived. */
export interface TimeResult {
  readonly kind: 'time';
  readonly bins: Bins | null;
  readonly from: number;
  readonly to: number;
  readonly counts: Uint32Array;
  readonly readBytes: Float64Array;
  readonly writtenBytes: Float64Array;
  readonly errors: Uint32Array;
  readonly meanDepth: Float64Array;
  readonly mostDepth: Float64Array;
  /** ns */
  readonly p50: Float64Array;
  readonly p95: Float64Array;
  readonly p99: Float64Array;
  readonly p999: Float64Array;
}

const scratch = new Uint32Array(TIME_BINS << KEY_SHIFT);
if (LATENCY_BINS > 1 << KEY_SHIFT) throw new RangeError('bins of latency do not fit a key');

function arrays(count: number) {
  return {
    counts: new Uint32Array(count * FAMILIES),
    readBytes: new Float64Array(count),
    writtenBytes: new Float64Array(count),
    errors: new Uint32Array(count),
    depthSum: new Float64Array(count),
    depthMost: new Uint16Array(count),
  };
}

const nothing: TimePartial = {
  bins: null,
  from: Infinity,
  to: -Infinity,
  ...arrays(0),
  latencyKeys: new Uint32Array(0),
  latencyCounts: new Uint32Array(0),
};

export class TimeDerivation implements Derivation<TimePartial, TimeResult> {
  readonly #time: (columns: TraceColumns, row: number) => number;
  readonly #total = new RunningSum<TimePartial, Total>(addPart, copyTotal);

  constructor({ epochMonotonicNs }: DerivationContext) {
    this.#time = timeReader(epochMonotonicNs);
  }

  scan: Derivation<TimePartial, TimeResult>['scan'] = (columns, from, to, bits) => {
    const time = this.#time;
    const rows = passingRows(from, to, bits);
    let low = Infinity;
    let high = -Infinity;
    for (const row of rows) {
      const at = time(columns, row);
      if (at < low) low = at;
      if (at > high) high = at;
    }
    if (low > high) return nothing;
    const bins = binsFor(low, high, TIME_BINS);
    const made = arrays(bins.count);
    const { counts, readBytes, writtenBytes, errors, depthSum, depthMost } = made;
    const touched: number[] = [];
    for (const row of rows) {
      const bin = Math.floor(time(columns, row) / bins.width) - bins.first;
      const family = familyOf[columns.operation[row] ?? 0] ?? 0;
      const depth = columns.depth[row] ?? 0;
      counts[bin * FAMILIES + family] = (counts[bin * FAMILIES + family] ?? 0) + 1;
      const moved = family === READ ? readBytes : family === WRITE ? writtenBytes : null;
      if (moved) moved[bin] = (moved[bin] ?? 0) + wideAt(columns.length, row);
      if ((columns.result[row] ?? 0) !== 0) errors[bin] = (errors[bin] ?? 0) + 1;
      depthSum[bin] = (depthSum[bin] ?? 0) + depth;
      if (depth > (depthMost[bin] ?? 0)) depthMost[bin] = depth;
      const key = (bin << KEY_SHIFT) | latencyBin(latencyAt(columns, row));
      if ((scratch[key] ?? 0) === 0) touched.push(key);
      scratch[key] = (scratch[key] ?? 0) + 1;
    }
    const latencyKeys = Uint32Array.from(touched);
    const latencyCounts = latencyKeys.map((key) => scratch[key] ?? 0);
    for (const key of touched) scratch[key] = 0;
    return { bins, from: low, to: high, ...made, latencyKeys, latencyCounts };
  };

  merge: Derivation<TimePartial, TimeResult>['merge'] = (partials) => {
    let requests = 0;
    for (const { counts } of partials) requests += counts.reduce((sum, one) => sum + one, 0);
    const bins = joinBins(
      partials.flatMap((partial) => partial.bins ?? []),
      Math.max(LEAST_BINS, Math.min(TIME_BINS, Math.floor(requests / REQUESTS_A_BIN))),
    );
    const count = bins?.count ?? 0;
    const { sum, latencies } = this.#total.sum(
      partials,
      bins ? `${bins.first} ${bins.width} ${bins.count}` : '',
      () => ({ bins, sum: arrays(count), latencies: new Uint32Array(count << KEY_SHIFT) }),
    );
    const mean = new Float64Array(count);
    const most = new Float64Array(count);
    let from = Infinity;
    let to = -Infinity;
    for (const part of partials) {
      from = Math.min(from, part.from);
      to = Math.max(to, part.to);
    }
    const shares = [0.5, 0.95, 0.99, 0.999].map(() => new Float64Array(count).fill(NaN));
    const [p50, p95, p99, p999] = shares as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    for (let bin = 0; bin < count; bin++) {
      let own = 0;
      for (let family = 0; family < FAMILIES; family++)
        own += sum.counts[bin * FAMILIES + family] ?? 0;
      mean[bin] = own === 0 ? NaN : (sum.depthSum[bin] ?? 0) / own;
      most[bin] = own === 0 ? NaN : (sum.depthMost[bin] ?? 0);
      if (own === 0) continue;
      const at = bin << KEY_SHIFT;
      const inBin = latencies.subarray(at, at + LATENCY_BINS);
      p50[bin] = percentile(inBin, 0.5);
      p95[bin] = percentile(inBin, 0.95);
      p99[bin] = percentile(inBin, 0.99);
      p999[bin] = percentile(inBin, 0.999);
    }
    const { counts, readBytes, writtenBytes, errors } = sum;
    const made = { counts, readBytes, writtenBytes, errors, meanDepth: mean, mostDepth: most };
    const result: TimeResult = { kind: 'time', bins, from, to, ...made, p50, p95, p99, p999 };
    const buffers = [...Object.values(made), ...shares].map(({ buffer }) => buffer);
    return { result, transfer: buffers };
  };
}

/** Sums over the bins, and how many requests of each have a latency, by key. */
interface Total {
  readonly bins: Bins | null;
  readonly sum: ReturnType<typeof arrays>;
  readonly latencies: Uint32Array;
}

function copyTotal({ bins, sum, latencies }: Total): Total {
  return {
    bins,
    sum: {
      counts: sum.counts.slice(),
      readBytes: sum.readBytes.slice(),
      writtenBytes: sum.writtenBytes.slice(),
      errors: sum.errors.slice(),
      depthSum: sum.depthSum.slice(),
      depthMost: sum.depthMost.slice(),
    },
    latencies: latencies.slice(),
  };
}

function addPart({ bins, sum, latencies }: Total, part: TimePartial): void {
  const { bins: partBins } = part;
  if (!bins || !partBins) return;
  const target = Uint32Array.from({ length: partBins.count }, (_, bin) =>
    binIn(bins, partBins, bin),
  );
  target.forEach((to, bin) => {
    for (let family = 0; family < FAMILIES; family++) {
      const at = to * FAMILIES + family;
      sum.counts[at] = (sum.counts[at] ?? 0) + (part.counts[bin * FAMILIES + family] ?? 0);
    }
    sum.readBytes[to] = (sum.readBytes[to] ?? 0) + (part.readBytes[bin] ?? 0);
    sum.writtenBytes[to] = (sum.writtenBytes[to] ?? 0) + (part.writtenBytes[bin] ?? 0);
    sum.errors[to] = (sum.errors[to] ?? 0) + (part.errors[bin] ?? 0);
    sum.depthSum[to] = (sum.depthSum[to] ?? 0) + (part.depthSum[bin] ?? 0);
    sum.depthMost[to] = Math.max(sum.depthMost[to] ?? 0, part.depthMost[bin] ?? 0);
  });
  part.latencyKeys.forEach((key, index) => {
    const to = target[key >>> KEY_SHIFT] ?? 0;
    const at = (to << KEY_SHIFT) | (key & ((1 << KEY_SHIFT) - 1));
    latencies[at] = (latencies[at] ?? 0) + (part.latencyCounts[index] ?? 0);
  });
}
