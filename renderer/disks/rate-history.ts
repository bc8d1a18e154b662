/** The last minute of a disk's counters, and the rates they make. */
import type { DiskStatistics } from '../../app/contract/disk';

/** Four samples a second for a minute. */
const SAMPLES = 240;
/** Rates are means over this time, ns: long enough to read. */
const RATE_OVER = 1e9;

interface Sample {
  /** ns, on the daemon's clock. */
  readonly time: number;
  readonly reads: number;
  readonly writes: number;
  /** Flushes, discards and zeroes. */
  readonly others: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
}

export interface Rates {
  /** Each a second. */
  readonly reads: number;
  readonly writes: number;
  readonly others: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
}

export class RateHistory {
  readonly #samples: Sample[] = [];
  #start: bigint | null = null;

  add(statistics: DiskStatistics): void {
    this.#start ??= statistics.time;
    const time = Number(statistics.time - this.#start);
    const last = this.#samples.at(-1);
    if (last && time <= last.time) return;
    this.#samples.push({
      time,
      reads: Number(statistics.reads),
      writes: Number(statistics.writes),
      others: Number(statistics.flushes + statistics.discards + statistics.zeroes),
      readBytes: Number(statistics.readBytes),
      writtenBytes: Number(statistics.writtenBytes),
    });
    if (this.#samples.length > SAMPLES + 1) this.#samples.shift();
  }

  /** Means over about the last second. */
  get now(): Rates {
    const last = this.#samples.at(-1);
    const from = this.#samples.findLast((sample) => last && sample.time <= last.time - RATE_OVER);
    const first = from ?? this.#samples[0];
    if (!first || !last || first === last) return noRates;
    return difference(first, last);
  }

  /** Rates from sample to sample, oldest first: at most 240. */
  get series(): readonly Rates[] {
    return this.#samples.slice(1).map((sample, index) => {
      const before = this.#samples[index];
      return before ? difference(before, sample) : noRates;
    });
  }
}

export const noRates: Rates = { reads: 0, writes: 0, others: 0, readBytes: 0, writtenBytes: 0 };

function difference(first: Sample, last: Sample): Rates {
  const seconds = (last.time - first.time) / 1e9;
  return {
    reads: (last.reads - first.reads) / seconds,
    writes: (last.writes - first.writes) / seconds,
    others: (last.others - first.others) / seconds,
    readBytes: (last.readBytes - first.readBytes) / seconds,
    writtenBytes: (last.writtenBytes - first.writtenBytes) / seconds,
  };
}

/**
 * An SVG path of `values` in a box, scaled to `highest`; the newest value lies at
 * the right edge, and a history that is not full yet begins further right.
 */
export function sparklinePath(
  values: readonly number[],
  highest: number,
  width: number,
  height: number,
): string {
  if (values.length < 2 || highest <= 0) return '';
  const step = width / (SAMPLES - 1);
  const left = width - (values.length - 1) * step;
  return values
    .map((value, index) => {
      const x = (left + index * step).toFixed(1);
      const y = (height - 1 - (Math.min(value, highest) / highest) * (height - 2)).toFixed(1);
      return `${index === 0 ? 'M' : 'L'}${x} ${y}`;
    })
    .join('');
}
