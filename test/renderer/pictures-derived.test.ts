/** What the pictures compute, against the plainest way to compute the same. */
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { AddressDerivation } from '../../renderer/trace/worker/derived/addresses';
import { binIn, binsFor, joinBins } from '../../renderer/trace/worker/derived/bins';
import type { Derivation } from '../../renderer/trace/worker/derived/derivation';
import { LatencyDerivation } from '../../renderer/trace/worker/derived/latency';
import {
  latencyBin,
  LATENCY_BINS,
  latencyBinStart,
  percentile,
} from '../../renderer/trace/worker/derived/latency-bins';
import {
  CELL_BYTES,
  MapDerivation,
  type MapParameters,
  MOST_POINTS,
  point,
  POINT_FAILED,
} from '../../renderer/trace/worker/derived/map';
import { FAMILIES, familyOf } from '../../renderer/trace/worker/derived/rows';
import { countedFlags, StatisticsDerivation } from '../../renderer/trace/worker/derived/statistics';
import { TimeDerivation } from '../../renderer/trace/worker/derived/time';
import { bitsOf, columnsOf, context, cuts, type Request, requests } from './harness/made-requests';

vi.setConfig({ testTimeout: 60_000 });
// Enough to meet every case; a chart of time is made of a million bins of latency.
fc.configureGlobal({ numRuns: 60 });

/** The derivation's result over `all`, parted at `at`; once with an earlier merge before it, as a window has. */
function derive<Partial, Result>(
  derivation: Derivation<Partial, Result>,
  all: readonly Request[],
  at: readonly number[],
): Result {
  const columns = columnsOf(all);
  const bits = bitsOf(all);
  const ends = [...new Set([0, ...at.filter((cut) => cut < all.length), all.length])].sort(
    (left, right) => left - right,
  );
  const partials = ends
    .slice(1)
    .map((end, index) => derivation.scan(columns, ends[index]!, end, bits));
  derivation.merge(partials.slice(0, -1));
  return derivation.merge(partials)!.result;
}

/** Where two arrays differ, -1 for nowhere: quicker than a deep comparison. */
function firstDifference(left: ArrayLike<number>, right: ArrayLike<number>): number {
  if (left.length !== right.length) return Math.min(left.length, right.length);
  for (let index = 0; index < left.length; index++) if (left[index] !== right[index]) return index;
  return -1;
}

const passing = (all: readonly Request[]) =>
  all.flatMap((one, index) =>
    one.passes
      ? [
          {
            ...one,
            sequence: index + 1,
            family: familyOf[one.operation]!,
            sectors: one.operation === 2 ? 0 : one.sectors,
          },
        ]
      : [],
  );

describe('bins of latency', () => {
  it('are ascending, hold what falls into them, and are 1/32 wide at most', () => {
    fc.assert(
      fc.property(fc.oneof(fc.nat(200), fc.maxSafeNat()), (ns) => {
        const bin = latencyBin(ns);
        expect(bin).toBeLessThan(LATENCY_BINS);
        expect(latencyBinStart(bin)).toBeLessThanOrEqual(ns);
        expect(latencyBinStart(bin + 1)).toBeGreaterThan(ns);
        expect(latencyBinStart(bin + 1) - latencyBinStart(bin)).toBeLessThanOrEqual(
          Math.max(1, ns / 32),
        );
      }),
    );
  });

  it('give percentiles that are true to the width of a bin', () => {
    const latencies = fc.array(fc.oneof(fc.nat(1000), fc.nat(2 ** 31)), {
      minLength: 1,
      maxLength: 300,
    });
    fc.assert(
      fc.property(latencies, fc.constantFrom(0.5, 0.95, 0.99, 0.999), (values, share) => {
        const counts = new Uint32Array(LATENCY_BINS);
        for (const value of values) counts[latencyBin(value)]!++;
        const sorted = values.toSorted((left, right) => left - right);
        const exact = sorted[Math.max(1, Math.ceil(share * values.length)) - 1]!;
        expect(Math.abs(percentile(counts, share) - exact)).toBeLessThanOrEqual(exact / 32);
      }),
    );
    expect(percentile(new Uint32Array(LATENCY_BINS), 0.5)).toBeNaN();
  });
});

describe('bins of parts', () => {
  it('fall whole into the bins of all', () => {
    const ranges = fc.array(fc.tuple(fc.nat(2 ** 31), fc.nat(2 ** 20)), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(ranges, fc.integer({ min: 1, max: 64 }), (all, most) => {
        const parts = all.map(([low, more]) => binsFor(low, low + more, most));
        const bins = joinBins(parts, most)!;
        expect(bins.count).toBeLessThanOrEqual(most);
        for (const part of parts) {
          expect(binIn(bins, part, 0)).toBeGreaterThanOrEqual(0);
          expect(binIn(bins, part, part.count - 1)).toBeLessThan(bins.count);
          expect(bins.width % part.width).toBe(0);
        }
      }),
    );
    expect(joinBins([], 5)).toBeNull();
  });
});

describe('the latency histogram', () => {
  it('counts each passing request once, in its family, and knows the extremes', () => {
    fc.assert(
      fc.property(requests, cuts, (all, at) => {
        const result = derive(new LatencyDerivation(), all, at);
        for (let family = 0; family < FAMILIES; family++) {
          const own = passing(all)
            .filter((one) => one.family === family)
            .map(({ latency }) => latency);
          const counts = result.counts.subarray(family * LATENCY_BINS, (family + 1) * LATENCY_BINS);
          const expected = new Uint32Array(LATENCY_BINS);
          for (const latency of own) expected[latencyBin(latency)]!++;
          expect(firstDifference(counts, expected)).toBe(-1);
          expect(result.least[family]).toBe(Math.min(...own));
          expect(result.most[family]).toBe(Math.max(...own));
          expect(result.sum[family]).toBe(own.reduce((sum, one) => sum + one, 0));
        }
      }),
    );
  });
});

describe('the charts of time', () => {
  it('hold each bin’s requests, bytes, errors, depths and latencies', () => {
    fc.assert(
      fc.property(requests, cuts, (all, at) => {
        const result = derive(new TimeDerivation(context), all, at);
        const rows = passing(all);
        if (rows.length === 0) {
          expect(result.bins).toBeNull();
          return;
        }
        const bins = result.bins!;
        expect(result.from).toBe(Math.min(...rows.map(({ time }) => time)));
        expect(result.to).toBe(Math.max(...rows.map(({ time }) => time)));
        const seen = rows.map(({ time }) => Math.floor(time / bins.width) - bins.first);
        expect(Math.min(...seen)).toBe(0);
        expect(Math.max(...seen)).toBe(bins.count - 1);
        for (const bin of new Set([...seen, Math.floor(bins.count / 2)])) {
          const own = rows.filter((_, index) => seen[index] === bin);
          const bytes = (family: number) =>
            own.reduce((sum, one) => sum + (one.family === family ? one.sectors * 512 : 0), 0);
          for (let family = 0; family < FAMILIES; family++) {
            const count = own.filter((one) => one.family === family).length;
            expect(result.counts[bin * FAMILIES + family]).toBe(count);
          }
          expect(result.readBytes[bin]).toBe(bytes(0));
          expect(result.writtenBytes[bin]).toBe(bytes(1));
          expect(result.errors[bin]).toBe(own.filter(({ failed }) => failed).length);
          if (own.length === 0) {
            expect([result.p50[bin], result.meanDepth[bin]]).toEqual([NaN, NaN]);
            continue;
          }
          const depths = own.map(({ depth }) => depth);
          expect(result.mostDepth[bin]).toBe(Math.max(...depths));
          expect(result.meanDepth[bin]).toBeCloseTo(depths.reduce((a, b) => a + b) / own.length);
          const counts = new Uint32Array(LATENCY_BINS);
          for (const { latency } of own) counts[latencyBin(latency)]!++;
          expect(result.p50[bin]).toBe(percentile(counts, 0.5));
          expect(result.p999[bin]).toBe(percentile(counts, 0.999));
        }
      }),
    );
  });
});

describe('the address histogram', () => {
  it('parts the bytes of requests exactly among the bins they lie in', () => {
    fc.assert(
      fc.property(requests, cuts, (all, at) => {
        const result = derive(new AddressDerivation(), all, at);
        const rows = passing(all).filter(({ sectors }) => sectors > 0);
        if (rows.length === 0) {
          expect(result.bins).toBeNull();
          return;
        }
        const bins = result.bins!;
        const bytes = new Float64Array(bins.count * FAMILIES);
        const counts = new Uint32Array(bins.count * FAMILIES);
        for (const { sector, sectors, family } of rows) {
          const bin = (one: number) =>
            (Math.floor(one / bins.width) - bins.first) * FAMILIES + family;
          counts[bin(sector)]!++;
          for (let one = sector; one < sector + sectors; one++) bytes[bin(one)]! += 512;
        }
        expect(firstDifference(result.bytes, bytes)).toBe(-1);
        // A request begins in one bin, also when the bins were narrower in its chunk.
        expect(firstDifference(result.counts, counts)).toBe(-1);
      }),
    );
  });
});

describe('the statistics', () => {
  it('count requests, bytes, flags, order and overwrites', () => {
    fc.assert(
      fc.property(requests, cuts, (all, at) => {
        const result = derive(new StatisticsDerivation(context), all, at);
        const rows = passing(all);
        const sizes = new Map<number, number>();
        const written = new Set<number>();
        let overwrites = 0;
        let writtenSectors = 0;
        for (let family = 0; family < FAMILIES; family++) {
          const own = rows.filter((one) => one.family === family);
          const sized = own.filter(({ sectors }) => sectors > 0);
          const bytes = sized.map(({ sectors }) => sectors * 512);
          const sequential = sized.filter((one, index) => {
            const before = sized[index - 1];
            return before && before.sector + before.sectors === one.sector;
          });
          expect(result.counts[family]).toBe(own.length);
          expect(result.bytes[family]).toBe(bytes.reduce((sum, one) => sum + one, 0));
          expect(result.leastBytes[family]).toBe(Math.min(...bytes));
          expect(result.mostBytes[family]).toBe(Math.max(...bytes));
          expect(result.errors[family]).toBe(own.filter(({ failed }) => failed).length);
          expect(result.latency[family]).toBe(own.reduce((sum, { latency }) => sum + latency, 0));
          expect(result.sequential[family]).toBe(sequential.length);
          for (const size of bytes) sizes.set(size, (sizes.get(size) ?? 0) + 1);
        }
        for (const { family, failed, sector, sectors } of rows) {
          if (family !== 1 || failed || sectors === 0) continue;
          const touched = Array.from({ length: sectors }, (_, index) => sector + index);
          if (touched.some((one) => written.has(one))) overwrites++;
          for (const one of touched) written.add(one);
          writtenSectors += sectors;
        }
        expect(result.overwrites).toBe(overwrites);
        expect(result.writtenBytes).toBe(writtenSectors * 512);
        expect(result.distinctBytes).toBe(written.size * 512);
        expect(result.granule).toBe(1);
        countedFlags.forEach(({ bit }, flag) => {
          expect(result.flags[flag]).toBe(rows.filter(({ flags }) => (flags & bit) !== 0).length);
        });
        for (const { bytes, count } of result.sizes) expect(sizes.get(bytes)).toBe(count);
        expect(result.sizes.length).toBe(Math.min(12, sizes.size));
      }),
    );
  });
});

describe('the map', () => {
  const whole: MapParameters = {
    timeFrom: 0,
    timeTo: 1_000_000,
    sectorFrom: 0,
    sectorTo: 4096,
    columns: 16,
    rows: 8,
  };
  const many = (count: number): Request[] =>
    Array.from({ length: count }, (_, index) => ({
      time: (index * 7919) % 1_000_000,
      latency: 100,
      operation: index % 10 === 0 ? 2 : index % 3 === 0 ? 1 : 0,
      sector: (index * 104_729) % 4000,
      sectors: 1 + (index % 900 === 0 ? 2000 : 8),
      flags: 0,
      depth: 1,
      failed: index === 77,
      passes: index % 5 !== 4,
    }));

  it('gives few requests one by one: those in the wanted part, flushes with them', () => {
    fc.assert(
      fc.property(requests, cuts, fc.nat(5_000), fc.nat(3_000), (all, at, timeFrom, sectorFrom) => {
        const parameters = {
          ...whole,
          timeFrom,
          timeTo: timeFrom + 4_000_000,
          sectorFrom,
          sectorTo: 500_000,
        };
        const result = derive(new MapDerivation(parameters, context), all, at);
        const inside = passing(all).filter(
          ({ time, sector, sectors }) =>
            time >= timeFrom &&
            time < parameters.timeTo &&
            (sectors === 0 || (sector < 500_000 && sector + sectors > sectorFrom)),
        );
        expect(result.count).toBe(inside.length);
        inside.forEach((one, index) => {
          const own = result.points!.subarray(index * point.size);
          expect([own[point.time], own[point.sector], own[point.sectors]]).toEqual([
            one.time,
            one.sector,
            one.sectors,
          ]);
          expect([own[point.sequence], own[point.latency]]).toEqual([one.sequence, one.latency]);
          expect(result.kinds[index]).toBe(one.failed ? one.family | POINT_FAILED : one.family);
        });
        const ends = passing(all)
          .filter(({ sectors }) => sectors > 0)
          .map(({ sector, sectors }) => sector + sectors);
        expect(result.sectorEnd).toBe(Math.max(0, ...ends));
      }),
    );
  });

  it('gives many as cells: the family most are of, how many, and whether one failed', () => {
    const all = many(MOST_POINTS * 2);
    const result = derive(new MapDerivation(whole, context), all, [1000, 9000]);
    expect(result.points).toBeNull();
    const counts = new Map<string, number[]>();
    const failed = new Set<string>();
    for (const { time, sector, sectors, family, failed: isFailed } of passing(all)) {
      const column = Math.floor((time * 16) / 1_000_000);
      const first = sectors === 0 ? 8 : Math.floor(sector / 512);
      const last = sectors === 0 ? 8 : Math.min(7, Math.floor((sector + sectors - 1) / 512));
      for (let row = first; row <= last; row++) {
        const key = `${row} ${column}`;
        const own = counts.get(key) ?? Array.from({ length: FAMILIES }, () => 0);
        own[family]!++;
        counts.set(key, own);
        if (isFailed) failed.add(key);
      }
    }
    const totals = [...counts.values()].map((own) => own.reduce((sum, one) => sum + one, 0));
    expect(result.most).toBe(Math.max(...totals));
    for (let row = 0; row <= 8; row++) {
      for (let column = 0; column < 16; column++) {
        const key = `${row} ${column}`;
        const own = counts.get(key);
        const cells = row === 8 ? result.lane! : result.cells!;
        const at = ((row === 8 ? 0 : row * 16) + column) * CELL_BYTES;
        const leader = own ? own.indexOf(Math.max(...own)) + 1 : 0;
        expect(cells[at], key).toBe(leader);
        expect(cells[at + 2]! > 0, key).toBe(failed.has(key));
        if (!own) continue;
        const total = own.reduce((sum, one) => sum + one, 0);
        const share = Math.log2(1 + total) / Math.log2(1 + result.most);
        expect(cells[at + 1], key).toBe(1 + Math.round(254 * share));
      }
    }
  });

  it('is the same however often it was merged before, and after old chunks left', () => {
    const all = many(MOST_POINTS * 3);
    const columns = columnsOf(all);
    const bits = bitsOf(all);
    const step = MOST_POINTS / 2;
    const scanned = (derivation: MapDerivation) =>
      Array.from({ length: 6 }, (_, index) =>
        derivation.scan(columns, index * step, (index + 1) * step, bits),
      );
    const used = new MapDerivation(whole, context);
    const partials = scanned(used);
    used.merge(partials.slice(0, 4));
    used.merge(partials);
    const fresh = new MapDerivation(whole, context);
    const afterwards = used.merge(partials.slice(1))!.result;
    expect(afterwards).toEqual(fresh.merge(scanned(fresh).slice(1))!.result);
    expect(afterwards.cells).not.toBeNull();
  });

  it('refuses a part that is none, and more cells than it makes', () => {
    expect(() => new MapDerivation({ ...whole, timeTo: 0 }, context)).toThrow('a map of nothing');
    expect(() => new MapDerivation({ ...whole, columns: 1024, rows: 1024 }, context)).toThrow(
      'a map of 1024 × 1024 cells',
    );
  });
});
