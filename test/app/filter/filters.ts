/** Arbitrary filters and records, and the plainest way to tell whether one passes the other. */
import fc from 'fast-check';
import {
  errnoName,
  operationWord,
  resultNames,
  routeByNumber,
  type TraceRecord,
} from '../../../app/contract/trace';
import {
  facts,
  numberFields,
  type Filter,
  type NumberField,
  type Range,
} from '../../../app/filter/filter';
import { families, flags, operations, results, routes } from '../../../app/filter/words';

const end = fc.oneof(
  fc.nat(20),
  fc.nat(5_000),
  fc.nat(2 ** 31 - 1),
  fc.constant(2 ** 32),
  fc.maxSafeNat().map((value) => Math.min(value, Number.MAX_SAFE_INTEGER - 2)),
);
const range: fc.Arbitrary<Range> = fc.oneof(
  fc.tuple(end, end).map(([one, two]) => ({ low: Math.min(one, two), high: Math.max(one, two) })),
  end.map((low) => ({ low, high: Infinity })),
  end.map((high) => ({ low: -Infinity, high })),
  end.map((only) => ({ low: only, high: only })),
);

const namesOf = (words: readonly { readonly name: string }[]) =>
  fc.uniqueArray(fc.constantFrom(...words.map(({ name }) => name)), { minLength: 1, maxLength: 3 });

const someFlags = fc
  .array(fc.constantFrom(...flags.map(({ bit }) => bit)), { maxLength: 3 })
  .map((bits) => bits.reduce((sum, bit) => sum | bit, 0));

const leaf: fc.Arbitrary<Filter> = fc.oneof(
  fc.record({
    kind: fc.constant('number' as const),
    field: fc.constantFrom(...numberFields),
    ranges: fc.array(range, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant('word' as const),
    field: fc.constant('operation' as const),
    words: namesOf([...families, ...operations, { name: 'op-42' }]),
  }),
  fc.record({
    kind: fc.constant('word' as const),
    field: fc.constant('result' as const),
    words: namesOf([...results, { name: 'errno-99' }]),
  }),
  fc.record({
    kind: fc.constant('word' as const),
    field: fc.constant('route' as const),
    words: namesOf(routes),
  }),
  fc.record({
    kind: fc.constant('flags' as const),
    match: fc.constantFrom('all' as const, 'any' as const, 'exactly' as const),
    flags: someFlags,
  }),
  fc.record({ kind: fc.constant('fact' as const), fact: fc.constantFrom(...facts) }),
  fc.record({
    kind: fc.constant('payload' as const),
    bytes: fc.constantFrom('53ef', '00', 'deadbeef'),
  }),
);

/** Any filter there can be. */
export const anyFilter: fc.Arbitrary<Filter> = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaf,
    fc.record({ kind: fc.constant('not' as const), filter: tie('filter') }),
    fc.record({
      kind: fc.constantFrom('and' as const, 'or' as const),
      left: tie('filter'),
      right: tie('filter'),
    }),
  ),
})).filter;

const wide = fc.oneof(
  fc.nat(64),
  fc.nat(5_000),
  fc.nat(2 ** 31 - 1),
  fc.constant(2 ** 32 + 7),
  fc.maxSafeNat(),
);

export interface PlainRecord {
  sequence: number;
  arrival: bigint;
  completion: bigint;
  sector: number;
  length: number;
  flags: number;
  backendDelay: number;
  queue: number;
  depth: number;
  error: number;
  operation: number;
  result: number;
  marks: number;
}

/** The trace's clock began here: above 2^53, so that only differences are exact. */
export const EPOCH = 2n ** 60n + 12_345n;

export const anyRecord: fc.Arbitrary<PlainRecord> = fc
  .record({
    sequence: wide,
    arrival: wide.map((value) => EPOCH + BigInt(value)),
    completion: fc.constant(0n),
    sector: wide,
    length: fc.oneof(fc.constant(0), fc.nat(4096), fc.nat(1 << 21), fc.constant(2 ** 32)),
    flags: someFlags,
    backendDelay: fc.oneof(fc.nat(5000), fc.constant(0xffff_ffff)),
    queue: fc.nat(20),
    depth: fc.oneof(fc.nat(64), fc.constant(65_535)),
    error: fc.constantFrom(0, 0, 0, 5, 28, 99),
    operation: fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 10, 12, 42),
    result: fc.constantFrom(0, 0, 1, 2),
    marks: fc.nat(3),
  })
  .chain((record) =>
    wide.map((latency) => ({ ...record, completion: record.arrival + BigInt(latency) })),
  );

const plainNumber = (field: NumberField, record: TraceRecord): bigint | null => {
  const last = record.sector + (record.length + 511n) / 512n - 1n;
  switch (field) {
    case 'sector':
    case 'start':
      return record.length === 0n ? null : record.sector;
    case 'end':
      return record.length === 0n ? null : last;
    case 'length':
      return record.length;
    case 'latency':
      return record.completion - record.arrival;
    case 'wait':
      return BigInt(record.backendDelay);
    case 'time':
      return record.arrival - EPOCH;
    case 'sequence':
      return record.sequence;
    case 'queue':
      return BigInt(record.queue);
    case 'depth':
      return BigInt(record.depth);
  }
};

/** Whether `record` passes, worked out in 64-bit integers, one record at a time. */
export function passesPlainly(
  filter: Filter,
  record: TraceRecord,
  isMarked: (sequence: bigint) => boolean,
): boolean {
  switch (filter.kind) {
    case 'and':
      return (
        passesPlainly(filter.left, record, isMarked) &&
        passesPlainly(filter.right, record, isMarked)
      );
    case 'or':
      return (
        passesPlainly(filter.left, record, isMarked) ||
        passesPlainly(filter.right, record, isMarked)
      );
    case 'not':
      return !passesPlainly(filter.filter, record, isMarked);
    case 'number': {
      const low = plainNumber(filter.field, record);
      if (low === null) return false;
      const high = filter.field === 'sector' ? plainNumber('end', record)! : low;
      return filter.ranges.some((one) => high >= one.low && low <= one.high);
    }
    case 'word':
      return filter.words.some((word) => hasWord(word, record));
    case 'flags':
      if (filter.match === 'exactly') return record.flags === filter.flags;
      if (filter.match === 'any') return (record.flags & filter.flags) !== 0;
      return (record.flags & filter.flags) === filter.flags;
    case 'fact':
      if (filter.fact === 'marked') return isMarked(record.sequence);
      return (record.marks & (filter.fact === 'kept' ? 1 : 2)) !== 0;
    case 'payload':
      return (record.marks & 1) !== 0 && holdsPayload(Number(record.sequence), filter.bytes);
  }
}

function hasWord(word: string, record: TraceRecord): boolean {
  const { name, family } = operationWord(record.operation);
  const spelled = name.replaceAll(' ', '-');
  const isNamed = families.some((one) => one.name === word);
  return (
    (isNamed ? family === word : spelled === word) ||
    resultNames[record.result] === word ||
    (record.error !== 0 && errnoName(record.error).replace(' ', '-') === word) ||
    routeByNumber[record.route] === word
  );
}

/** Made up: which requests have which bytes. */
export const holdsPayload = (sequence: number, bytes: string): boolean =>
  (sequence + bytes.length) % 3 === 0;
