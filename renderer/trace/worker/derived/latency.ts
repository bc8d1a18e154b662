/** Latencies of each family, in bins. */
import { latencyBin, LATENCY_BINS } from './latency-bins';
import { FAMILIES, familyOf, latencyAt, passingRows } from './rows';
import { type Derivation, never, RunningSum } from './derivation';

export interface LatencyPartial {
  /** LATENCY_BINS a family. */
  readonly counts: Uint32Array;
  /** ns a family: the exact ones. */
  readonly least: Float64Array;
  readonly most: Float64Array;
  readonly sum: Float64Array;
}

export interface LatencyResult extends LatencyPartial {
  readonly kind: 'latency';
}

function empty(): LatencyPartial {
  return {
    counts: new Uint32Array(FAMILIES * LATENCY_BINS),
    least: new Float64Array(FAMILIES).fill(Infinity),
    most: new Float64Array(FAMILIES).fill(-Infinity),
    sum: new Float64Array(FAMILIES),
  };
}

/** The extremes and the times, which are no more than a few a partial. */
function addExtremes(total: LatencyPartial, { least, most, sum }: LatencyPartial): void {
  for (let family = 0; family < FAMILIES; family++) {
    total.least[family] = Math.min(total.least[family] ?? 0, least[family] ?? 0);
    total.most[family] = Math.max(total.most[family] ?? 0, most[family] ?? 0);
    total.sum[family] = (total.sum[family] ?? 0) + (sum[family] ?? 0);
  }
}

export class LatencyDerivation implements Derivation<LatencyPartial, LatencyResult> {
  readonly #counts = new RunningSum<LatencyPartial, Uint32Array>((total, { counts }, sign) => {
    for (let at = 0; at < counts.length; at++)
      total[at] = (total[at] ?? 0) + sign * (counts[at] ?? 0);
  });

  scan: Derivation<LatencyPartial, LatencyResult>['scan'] = (columns, from, to, bits) => {
    const partial = empty();
    const { counts, least, most, sum } = partial;
    const { operation } = columns;
    const rows = passingRows(from, to, bits);
    for (const row of rows) {
      const family = familyOf[operation[row] ?? 0] ?? 0;
      const latency = latencyAt(columns, row);
      const at = family * LATENCY_BINS + latencyBin(latency);
      counts[at] = (counts[at] ?? 0) + 1;
      if (latency < (least[family] ?? 0)) least[family] = latency;
      if (latency > (most[family] ?? 0)) most[family] = latency;
      sum[family] = (sum[family] ?? 0) + latency;
    }
    return partial;
  };

  merge: Derivation<LatencyPartial, LatencyResult>['merge'] = (partials, isOver = never) => {
    const counts = this.#counts.sum(
      partials,
      '',
      () => new Uint32Array(FAMILIES * LATENCY_BINS),
      isOver,
    );
    if (counts === null) return null;
    const total = { ...empty(), counts: counts.slice() };
    for (const partial of partials) addExtremes(total, partial);
    const buffers = [total.counts, total.least, total.most, total.sum].map(
      ({ buffer }) => buffer as ArrayBuffer,
    );
    return { result: { kind: 'latency', ...total }, transfer: buffers };
  };
}
