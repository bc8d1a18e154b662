/** Pictures of a trace that lives: what goes on from earlier sums is what a plain recount gives. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { diskId } from '../../app/contract/units';
import { CHUNK_ROWS, CHUNK_WORDS, makeColumns, putRecords } from '../../app/filter/trace-columns';
import {
  type DerivedMessage,
  type DerivedSource,
  DerivedViews,
} from '../../renderer/trace/worker/derived/derived-views';
import type { DerivedResult, DeriveRequest } from '../../renderer/trace/worker/derived/index';
import { MOST_POINTS } from '../../renderer/trace/worker/derived/map';
import type { PassingChunk } from '../../renderer/trace/worker/disk-trace';
import { batchOf, type MadeRecord } from './records';

vi.setConfig({ testTimeout: 60_000 });

/** Enough for the cells of a map in two chunks, and for single requests where a filter leaves few. */
const ROWS_A_CHUNK = MOST_POINTS / 2 + 500;

/** A number that looks random, the same for the same one. */
function mixed(value: number): number {
  let bits = Math.imul(value ^ (value >>> 16), 0x45d9f3b);
  bits = Math.imul(bits ^ (bits >>> 16), 0x45d9f3b);
  return (bits ^ (bits >>> 16)) >>> 0;
}

function recordOf(sequence: number): MadeRecord {
  const dice = mixed(sequence);
  const arrival = BigInt(sequence * 1000 + (dice % 5000));
  const operation = dice % 10 === 9 ? 2 : dice % 3 === 0 ? 0 : 1;
  return {
    sequence,
    arrival,
    completion: arrival + BigInt(100 + (dice >>> 8)),
    operation,
    sector: operation === 2 ? 0 : (mixed(dice) % 4000) * 8,
    length: operation === 2 ? 0 : 4096 << (dice % 7),
    depth: 1 + (dice % 30),
    ...(dice % 50 === 0 ? { result: 1, error: 5 } : {}),
  };
}

/** The newest chunk of a trace grows, the oldest leaves, and requests that were late come between. */
class Trace {
  readonly chunks: (PassingChunk & { readonly sequences: number[] })[] = [];
  #next = 1;
  #late: number[] = [];
  #filter = 0;

  /** Every seventh comes later. */
  grow(count: number): void {
    const newest = this.chunks.at(-1);
    const room = newest ? ROWS_A_CHUNK - newest.sequences.length : 0;
    const sequences = room > 0 && newest ? [...newest.sequences] : [];
    for (let row = 0; row < count && sequences.length < ROWS_A_CHUNK; row++) {
      const sequence = this.#next++;
      (mixed(sequence) % 7 === 0 ? this.#late : sequences).push(sequence);
    }
    if (room > 0) this.#put(this.chunks.length - 1, sequences);
    else this.#put(this.chunks.length, sequences);
  }

  /** Those that are late come into the newest chunk. */
  comeLate(): void {
    const newest = this.chunks.at(-1);
    if (!newest) return;
    const room = CHUNK_ROWS - newest.sequences.length;
    const late = this.#late.splice(0, room).filter((one) => one >= (newest.sequences[0] ?? 0));
    const all = [...newest.sequences, ...late].sort((one, other) => one - other);
    this.#put(this.chunks.length - 1, all);
  }

  leave(): void {
    if (this.chunks.length > 1) this.chunks.shift();
  }

  /** Another filter: 0 for none, else about one of so many passes. */
  filter(kind: number): void {
    this.#filter = kind;
    this.chunks.forEach(({ sequences }, index) => this.#put(index, sequences));
  }

  #put(index: number, sequences: number[]): void {
    const known = this.chunks[index];
    const columns = known?.columns ?? makeColumns(CHUNK_ROWS);
    putRecords(columns, 0, new Uint32Array(batchOf(sequences.map(recordOf))), 0, sequences.length);
    let bits: Uint32Array | null = null;
    if (this.#filter > 0) {
      const set = new Uint32Array(CHUNK_WORDS);
      sequences.forEach((sequence, row) => {
        if (mixed(sequence * 31) % this.#filter === 0) set[row >>> 5]! |= 1 << (row & 31);
      });
      bits = set;
    }
    const version = (known?.version ?? 0) + 1;
    const to = sequences.length;
    this.chunks[index] = { key: columns, version, columns, from: 0, to, bits, sequences };
  }
}

/** Views that are asked until they answer. */
class Asked {
  readonly #sent: Extract<DerivedMessage, { type: 'derived' }>[] = [];
  readonly #waiting: (() => void)[] = [];
  #time = 0;
  #source: DerivedSource | null = null;
  readonly views: DerivedViews;

  /** `tick`: ms that go by between two looks at the clock. */
  constructor(tick: number) {
    this.views = new DerivedViews({
      source: () => this.#source,
      send: (message) => {
        if (message.type === 'derived') this.#sent.push(message);
      },
      now: () => (this.#time += tick),
      schedule: (milliseconds, work) => {
        this.#time += milliseconds;
        this.#waiting.push(work);
      },
    });
  }

  of(chunks: readonly PassingChunk[]): DerivedResult | null {
    this.#source = { disk: diskId('one'), epochMonotonicNs: 0n, chunks };
    this.#sent.length = 0;
    this.views.changed();
    for (let turn = 0; turn < 500 && this.#sent.length === 0; turn++) this.#waiting.shift()?.();
    expect(this.#sent).toHaveLength(1);
    this.views.drawn(1);
    return this.#sent[0]?.result ?? null;
  }
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('grow' as const), by: fc.nat(6000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('late' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('filter' as const),
      by: fc.constantFrom(0, 0, 0, 2, 500),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('look' as const),
      // A cell's nanoseconds, 2 ** n, and where the part begins, in cells.
      cell: fc.integer({ min: 17, max: 19 }),
      first: fc.constantFrom(0, 0, 1, 7, 20),
      columns: fc.constantFrom(8, 100, 128, 200),
      sectors: fc.constantFrom(32_768, 32_768, 32_768, 4096),
      isAll: fc.boolean(),
    }),
  },
  // Another picture is looked at, and this one again.
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('away' as const) }) },
);

const mapOf = (
  cell: number,
  first: number,
  columns: number,
  sectorTo: number,
  isAll = false,
): DeriveRequest => ({
  kind: 'map',
  parameters: {
    isAll,
    timeFrom: first * 2 ** cell,
    timeTo: (first + columns) * 2 ** cell,
    sectorFrom: 0,
    sectorTo,
    columns,
    rows: 16,
  },
});

/** What asks for the same: a map of all time says which part that is, and holds all of it. */
function plainly(request: DeriveRequest, shown: DerivedResult | null): DeriveRequest {
  if (request.kind !== 'map' || shown?.kind !== 'map' || !shown.parameters.isAll) return request;
  const { parameters, from, to } = shown;
  if (to >= from) {
    expect(from).toBeGreaterThanOrEqual(parameters.timeFrom);
    expect(to).toBeLessThan(parameters.timeTo);
  }
  return { kind: 'map', parameters: { ...parameters, isAll: false } };
}

/** Without which part of it is all time. */
const comparable = (result: DerivedResult | null): unknown =>
  result?.kind === 'map'
    ? { ...result, parameters: { ...result.parameters, isAll: false } }
    : result;

describe('a picture of a trace that lives', () => {
  it.each(['map', 'time', 'latency', 'addresses', 'statistics'] as const)(
    '(%s) is that of a plain recount, whatever came, left, was late or looked at since',
    (kind) => {
      fc.assert(
        fc.property(fc.array(step, { minLength: 4, maxLength: 14 }), fc.nat(20), (steps, tick) => {
          const trace = new Trace();
          // Of so many the map has cells.
          for (let chunk = 0; chunk < 3; chunk++) trace.grow(2 * ROWS_A_CHUNK);
          const asked = new Asked(tick);
          let request: DeriveRequest = kind === 'map' ? mapOf(18, 0, 64, 32_768) : { kind };
          asked.views.set(1, request);
          asked.views.drawn(1);
          for (const one of steps) {
            if (one.kind === 'grow') trace.grow(one.by);
            else if (one.kind === 'late') trace.comeLate();
            else if (one.kind === 'leave') trace.leave();
            else if (one.kind === 'filter') trace.filter(one.by);
            else if (one.kind === 'away') {
              asked.views.set(1, null);
              asked.views.set(1, request);
              asked.views.drawn(1);
            } else if (kind === 'map') {
              request = mapOf(one.cell, one.first, one.columns, one.sectors, one.isAll);
              asked.views.set(1, request);
            }
            const shown = asked.of([...trace.chunks]);
            const anew = new Asked(0);
            anew.views.set(1, plainly(request, shown));
            anew.views.drawn(1);
            const plain = anew.of([...trace.chunks]);
            const isSame = isDeepStrictEqual(comparable(shown), comparable(plain));
            if (!isSame) expect(comparable(shown)).toEqual(comparable(plain));
          }
        }),
        { numRuns: kind === 'map' ? 20 : 6 },
      );
    },
  );
});
