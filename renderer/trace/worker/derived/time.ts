/** Rates, latencies and queue depth along time. */
import { CHUNK_ROWS, wideAt } from '../../../../app/filter/trace-columns';
import { binIn, type Bins, binsFor, joinBins } from './bins';
import { type Derivation, type DerivationContext, never, RunningSum } from './derivation';
import { latencyBin, LATENCY_BINS, percentiles } from './latency-bins';
import {
  type Epoch,
  epochOf,
  FAMILIES,
  familyOf,
  latencyAt,
  passingRows,
  READ,
  takeCounts,
  timeAt,
  WRITE,
} from './rows';

export const TIME_BINS = 256;
/** Few requests in many bins would be a picture of noise. */
const LEAST_BINS = 32;
const REQUESTS_A_BIN = 8;
/** A key is bin << 11 | bin of latency. */
const KEY_SHIFT = 11;
/** How much finer the bins of a chunk are than those that are drawn: a power of two. */
const FINER = 4;

export interface TimePartial {
  /** Of nanoseconds since the trace began; null without a row. */
  readonly bins: Bins | null;
  /** The exact first and last arrival. */
  readonly from: number;
  readonly to: number;
  readonly requests: number;
  /** FAMILIES a bin. */
  readonly counts: Uint32Array;
  readonly readBytes: Float64Array;
  readonly writtenBytes: Float64Array;
  readonly errors: Uint32Array;
  readonly depthSum: Float64Array;
  readonly depthMost: Uint16Array;
  /** How many requests of a bin have a latency: keys, and their counts. */
  readonly latencyKeys: Uint32Array;
  readonly latencyCounts: Uint16Array;
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

/** Of the requests of a bin: p50 to p999. */
const SHARES = [0.5, 0.95, 0.99, 0.999] as const;

const scratch = new Uint32Array(TIME_BINS << KEY_SHIFT);
/** Its places with a count. */
const touched = new Uint32Array(CHUNK_ROWS);
if (LATENCY_BINS > 1 << KEY_SHIFT) throw new RangeError('bins of latency do not fit a key');

function arrays(count: number) {
  return {
    counts: new Uint32Array(count * FAMILIES),
    readBytes: new Float64Array(count),
    writtenBytes: new Float64Array(count),
    errors: new Uint32Array(count),
    depthSum: new Float64Array(count),
  };
}

const nothing: TimePartial = {
  bins: null,
  from: Infinity,
  to: -Infinity,
  requests: 0,
  ...arrays(0),
  depthMost: new Uint16Array(0),
  latencyKeys: new Uint32Array(0),
  latencyCounts: new Uint16Array(0),
};

export class TimeDerivation implements Derivation<TimePartial, TimeResult> {
  readonly #epoch: Epoch;
  readonly #total = new RunningSum<TimePartial, Total>(addPart);
  /** The bins that are drawn are no narrower than the one, and partials need none narrower than the other. */
  #drawn = Infinity;
  #least = 1;

  constructor({ epochMonotonicNs }: DerivationContext) {
    this.#epoch = epochOf(epochMonotonicNs);
  }

  begin: NonNullable<Derivation<TimePartial, TimeResult>['begin']> = (from, to) => {
    this.#drawn = binsFor(Math.min(from, to), Math.max(from, to), TIME_BINS).width;
    // Somewhat finer: old rows leave, and what is drawn is finer then.
    this.#least = Math.max(1, this.#drawn / FINER);
  };

  isStillGood = ({ bins }: TimePartial): boolean => bins === null || bins.width <= this.#drawn;

  scan: Derivation<TimePartial, TimeResult>['scan'] = (columns, from, to, bits) => {
    const epoch = this.#epoch;
    const rows = passingRows(from, to, bits);
    let low = Infinity;
    let high = -Infinity;
    for (const row of rows) {
      const at = timeAt(columns, row, epoch);
      if (at < low) low = at;
      if (at > high) high = at;
    }
    if (low > high) return nothing;
    const bins = binsFor(low, high, TIME_BINS, this.#least);
    const { first } = bins;
    // Of a power of two: as exact as a division.
    const perWidth = 1 / bins.width;
    const made = arrays(bins.count);
    const { counts, readBytes, writtenBytes, errors, depthSum } = made;
    const depthMost = new Uint16Array(bins.count);
    const { operation, length, result, depth } = columns;
    let touches = 0;
    for (const row of rows) {
      const bin = Math.floor(timeAt(columns, row, epoch) * perWidth) - first;
      const family = familyOf[operation[row] ?? 0] ?? 0;
      const queued = depth[row] ?? 0;
      counts[bin * FAMILIES + family] = (counts[bin * FAMILIES + family] ?? 0) + 1;
      if (family === READ) readBytes[bin] = (readBytes[bin] ?? 0) + wideAt(length, row);
      else if (family === WRITE) writtenBytes[bin] = (writtenBytes[bin] ?? 0) + wideAt(length, row);
      if ((result[row] ?? 0) !== 0) errors[bin] = (errors[bin] ?? 0) + 1;
      depthSum[bin] = (depthSum[bin] ?? 0) + queued;
      if (queued > (depthMost[bin] ?? 0)) depthMost[bin] = queued;
      const key = (bin << KEY_SHIFT) | latencyBin(latencyAt(columns, row));
      const count = scratch[key] ?? 0;
      if (count === 0) touched[touches++] = key;
      scratch[key] = count + 1;
    }
    const latencyKeys = touched.slice(0, touches);
    const latencyCounts = takeCounts(scratch, latencyKeys);
    const requests = rows.length;
    return { bins, from: low, to: high, requests, ...made, depthMost, latencyKeys, latencyCounts };
  };

  merge: Derivation<TimePartial, TimeResult>['merge'] = (partials, isOver = never) => {
    let requests = 0;
    let from = Infinity;
    let to = -Infinity;
    for (const part of partials) {
      requests += part.requests;
      from = Math.min(from, part.from);
      to = Math.max(to, part.to);
    }
    const bins = joinBins(
      partials.flatMap((partial) => partial.bins ?? []),
      Math.max(LEAST_BINS, Math.min(TIME_BINS, Math.floor(requests / REQUESTS_A_BIN))),
    );
    const width = bins?.width ?? 1;
    const total = this.#total.sum(partials, String(width), () => emptyTotal(width), isOver);
    if (total === null) return null;
    const lines = linesOf(total, bins, partials);
    return {
      result: { kind: 'time', bins, from, to, ...lines },
      transfer: Object.values(lines).map(({ buffer }) => buffer),
    };
  };
}

/**
 * Sums over bins of one width, each in the place of its number modulo TIME_BINS: so
 * that the sums stay where they are while old bins leave and new ones come.
 */
interface Total {
  readonly width: number;
  readonly sum: ReturnType<typeof arrays>;
  /** How many requests of each have a latency, by key. */
  readonly latencies: Uint32Array;
}

const emptyTotal = (width: number): Total => ({
  width,
  sum: arrays(TIME_BINS),
  latencies: new Uint32Array(TIME_BINS << KEY_SHIFT),
});

/** TIME_BINS is a power of two. */
const placeOf = (bin: number): number => bin & (TIME_BINS - 1);

function addPart({ width, sum, latencies }: Total, part: TimePartial, sign: 1 | -1): void {
  const { bins } = part;
  if (!bins) return;
  const places = Uint32Array.from({ length: bins.count }, (_, bin) =>
    placeOf(Math.floor(((bins.first + bin) * bins.width) / width)),
  );
  places.forEach((to, bin) => {
    for (let family = 0; family < FAMILIES; family++) {
      const at = to * FAMILIES + family;
      sum.counts[at] = (sum.counts[at] ?? 0) + sign * (part.counts[bin * FAMILIES + family] ?? 0);
    }
    sum.readBytes[to] = (sum.readBytes[to] ?? 0) + sign * (part.readBytes[bin] ?? 0);
    sum.writtenBytes[to] = (sum.writtenBytes[to] ?? 0) + sign * (part.writtenBytes[bin] ?? 0);
    sum.errors[to] = (sum.errors[to] ?? 0) + sign * (part.errors[bin] ?? 0);
    sum.depthSum[to] = (sum.depthSum[to] ?? 0) + sign * (part.depthSum[bin] ?? 0);
  });
  const { latencyKeys, latencyCounts } = part;
  for (let index = 0; index < latencyKeys.length; index++) {
    const key = latencyKeys[index] ?? 0;
    const to = places[key >>> KEY_SHIFT] ?? 0;
    const at = (to << KEY_SHIFT) | (key & ((1 << KEY_SHIFT) - 1));
    latencies[at] = (latencies[at] ?? 0) + sign * (latencyCounts[index] ?? 0);
  }
}

/** The deepest queue of each bin: the greatest cannot be taken away from a sum. */
function deepest(bins: Bins, partials: readonly TimePartial[]): Float64Array<ArrayBuffer> {
  const most = new Float64Array(bins.count);
  for (const part of partials) {
    if (!part.bins) continue;
    for (let bin = 0; bin < part.bins.count; bin++) {
      const depth = part.depthMost[bin] ?? 0;
      if (depth === 0) continue;
      const to = binIn(bins, part.bins, bin);
      if (depth > (most[to] ?? 0)) most[to] = depth;
    }
  }
  return most;
}

/** What is drawn, bin by bin. */
function linesOf({ sum, latencies }: Total, bins: Bins | null, partials: readonly TimePartial[]) {
  const count = bins?.count ?? 0;
  const { counts, readBytes, writtenBytes, errors } = arrays(count);
  const nothing = () => new Float64Array(count).fill(NaN);
  const [meanDepth, p50, p95, p99, p999] = [nothing(), nothing(), nothing(), nothing(), nothing()];
  const mostDepth = bins ? deepest(bins, partials) : new Float64Array(0);
  const found = new Float64Array(SHARES.length);
  for (let bin = 0; bin < count; bin++) {
    const place = placeOf((bins?.first ?? 0) + bin);
    let own = 0;
    for (let family = 0; family < FAMILIES; family++) {
      const requests = sum.counts[place * FAMILIES + family] ?? 0;
      counts[bin * FAMILIES + family] = requests;
      own += requests;
    }
    readBytes[bin] = sum.readBytes[place] ?? 0;
    writtenBytes[bin] = sum.writtenBytes[place] ?? 0;
    errors[bin] = sum.errors[place] ?? 0;
    if (own === 0) {
      mostDepth[bin] = NaN;
      continue;
    }
    meanDepth[bin] = (sum.depthSum[place] ?? 0) / own;
    percentiles(latencies, SHARES, own, place << KEY_SHIFT, found);
    [p50[bin] = NaN, p95[bin] = NaN, p99[bin] = NaN, p999[bin] = NaN] = found;
  }
  const rates = { counts, readBytes, writtenBytes, errors };
  return { ...rates, meanDepth, mostDepth, p50, p95, p99, p999 };
}
