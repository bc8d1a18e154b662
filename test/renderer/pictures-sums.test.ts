/** How pictures go on from their last sums while rows come and leave. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { AddressDerivation } from '../../renderer/trace/worker/derived/addresses';
import { type Derivation, RunningSum } from '../../renderer/trace/worker/derived/derivation';
import { LatencyDerivation } from '../../renderer/trace/worker/derived/latency';
import { StatisticsDerivation } from '../../renderer/trace/worker/derived/statistics';
import { TimeDerivation } from '../../renderer/trace/worker/derived/time';
import { REVERSIBLE, WrittenSectors } from '../../renderer/trace/worker/derived/written-sectors';
import { bitsOf, columnsOf, context, cuts, requests } from './harness/made-requests';

vi.setConfig({ testTimeout: 60_000 });
fc.configureGlobal({ numRuns: 60 });

describe('a sum that follows its parts', () => {
  it('is that of the parts there are, whatever came and left before', () => {
    const rounds = fc.array(fc.uniqueArray(fc.nat(9), { maxLength: 10 }), { maxLength: 12 });
    fc.assert(
      fc.property(rounds, fc.nat(3), (all, patience) => {
        const parts = Array.from({ length: 10 }, (_, index) => ({ value: 2 ** index }));
        const running = new RunningSum<{ value: number }, { total: number }>((sum, part, sign) => {
          sum.total += sign * part.value;
        });
        for (const wanted of all) {
          let looks = 0;
          const isOver = (): boolean => ++looks % (patience + 1) === patience;
          const goOn = () =>
            running.sum(
              wanted.map((index) => parts[index]!),
              '',
              () => ({ total: 0 }),
              isOver,
            );
          let sum = goOn();
          for (let slices = 0; sum === null && slices < 20; slices++) sum = goOn();
          expect(sum?.total).toBe(wanted.reduce((total, index) => total + 2 ** index, 0));
        }
      }),
    );
  });
});

describe('a picture while requests come and leave', () => {
  const derivations: readonly [string, () => Derivation<unknown, unknown>][] = [
    ['time', () => untyped(new TimeDerivation(context))],
    ['latency', () => untyped(new LatencyDerivation())],
    ['addresses', () => untyped(new AddressDerivation())],
    ['statistics', () => untyped(new StatisticsDerivation(context))],
  ];
  /** Parts are the derivation's own business. */
  function untyped<Partial, Result>(
    own: Derivation<Partial, Result>,
  ): Derivation<unknown, unknown> {
    return {
      scan: (...run) => own.scan(...run),
      merge: (partials, isOver) => own.merge(partials as readonly Partial[], isOver),
    };
  }

  it.each(derivations)(
    '(%s) is that of the requests there are, in slices or at once',
    (_, make) => {
      fc.assert(
        fc.property(requests, cuts, fc.nat(4), (all, at, patience) => {
          const columns = columnsOf(all);
          const bits = bitsOf(all);
          const ends = [...new Set([0, ...at.filter((cut) => cut < all.length), all.length])].sort(
            (left, right) => left - right,
          );
          const used = make();
          const parts = ends
            .slice(1)
            .map((end, index) => used.scan(columns, ends[index]!, end, bits));
          let looks = 0;
          const isOver = () => ++looks % (patience + 1) === patience;
          for (let first = 0; first < parts.length; first++) {
            for (let end = first + 1; end <= parts.length; end++) {
              const shown = parts.slice(first, end);
              let merged = used.merge(shown, isOver);
              for (let slices = 0; merged === null && slices < 50; slices++)
                merged = used.merge(shown, isOver);
              const anew = make().merge(shown)!.result;
              // Thousands of bins: what tells the difference is slow, and is asked only if there is one.
              if (!isDeepStrictEqual(merged?.result, anew)) expect(merged?.result).toEqual(anew);
            }
          }
        }),
        // A chart of time has half a million bins of latency.
        { numRuns: 25 },
      );
    },
  );
});

describe('the sectors written', () => {
  const writes = fc.array(fc.tuple(fc.nat(3000), fc.integer({ min: 1, max: 200 })), {
    maxLength: 12,
  });
  const groupsOf = (all: readonly (readonly [number, number])[]) => ({
    groups: Uint32Array.from(all.flatMap(([start, count]) => [start, start + count])),
    unit: 1,
  });
  /** By the plainest way. */
  const countOf = (parts: readonly (readonly (readonly [number, number])[])[]) => {
    const seen = new Set<number>();
    let overwrites = 0;
    for (const [start, count] of parts.flat()) {
      const touched = Array.from({ length: count }, (_, index) => start + index);
      if (touched.some((sector) => seen.has(sector))) overwrites++;
      for (const sector of touched) seen.add(sector);
    }
    return { sectors: seen.size, overwrites };
  };

  it('are counted once, and what is written again is told, while parts come, grow, change and leave', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('part' as const), writes }),
      fc.record({ kind: fc.constant('more' as const), writes }),
      fc.record({ kind: fc.constant('back' as const), count: fc.nat(12) }),
      fc.record({ kind: fc.constantFrom('leave' as const, 'drop' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const written = new WrittenSectors(4096, 1);
        const kept: (readonly [number, number])[][] = [];
        for (const one of steps) {
          const newest = kept.at(-1);
          if (one.kind === 'part') {
            written.begin();
            written.write(groupsOf(one.writes));
            kept.push([...one.writes]);
          } else if (one.kind === 'more' && newest) {
            const from = newest.length;
            newest.push(...one.writes);
            written.write(groupsOf(newest), from);
          } else if (one.kind === 'back' && newest && written.reversible > 0) {
            const count = Math.min(one.count, newest.length);
            written.takeBack(count);
            newest.splice(newest.length - count);
          } else if (one.kind === 'leave') {
            written.leave();
            kept.shift();
          } else if (one.kind === 'drop' && written.reversible > 0) {
            written.drop();
            kept.pop();
          }
          const { sectors, overwrites } = written;
          expect({ sectors, overwrites }).toEqual(countOf(kept));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('are taken back in the newest parts only', () => {
    const written = new WrittenSectors(4096, 1);
    for (let part = 0; part < 5; part++) {
      written.begin();
      written.write(groupsOf([[part, 2]]));
    }
    expect(written.reversible).toBe(REVERSIBLE);
    expect(() => written.takeBack(2)).toThrow('2 writes cannot be taken back');
    for (let part = 0; part < REVERSIBLE; part++) written.drop();
    expect([written.sectors, written.overwrites, written.reversible]).toEqual([3, 1, 0]);
    expect(() => written.takeBack(1)).toThrow('1 writes cannot be taken back');
  });

  it('are grouped on a large disk, and the group is known', () => {
    const written = new WrittenSectors(2 ** 33, 8);
    expect(written.granule).toBe(2048);
    written.begin();
    written.write(groupsOf([[0, 8]]));
    const more = [
      [2 ** 32 - 16, 8],
      [4096, 8],
      [6000, 160],
    ] as const;
    written.begin();
    written.write(groupsOf(more));
    expect([written.sectors, written.overwrites]).toEqual([4 * 2048, 1]);
  });

  it('are not looked at again for each of many writes as large as the disk', () => {
    const most = 2 ** 22;
    const written = new WrittenSectors(most, 1);
    // One by one these are 137 thousand million granules.
    const large = groupsOf(Array.from({ length: 32_768 }, () => [0, most] as const));
    for (let part = 1; part <= 3; part++) {
      written.begin();
      written.write(large);
      expect([written.sectors, written.overwrites]).toEqual([most, part * 32_768 - 1]);
    }
    written.takeBack(768);
    expect([written.sectors, written.overwrites]).toEqual([most, 3 * 32_768 - 769]);
    written.leave();
    written.drop();
    expect([written.sectors, written.overwrites]).toEqual([most, 32_767]);
  });
});
