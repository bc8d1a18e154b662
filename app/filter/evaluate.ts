/**
 * Runs a filter over columns. A filter becomes a tree of tests, each of which
 * writes a bitmap of the rows that pass; and, or and not join 32 rows at a time.
 * Nothing is compiled from text: the page's security policy forbids that.
 */
import { BIOSCOPE_MARK_INJECTED, BIOSCOPE_MARK_PAYLOAD } from '../contract/wire.gen';
import { hasPart, type Fact, type Filter } from './filter';
import { rangeTest } from './ranges';
import { tableTest, maskTest, rowTest, type Test } from './tests';
import { CHUNK_WORDS, wideAt, type TraceColumns } from './trace-columns';
import { errnoTable, operationTable, resultTable, routeTable } from './words';

/** What of the outside a filter may ask about. */
export interface FilterContext {
  /** The clock's reading when the trace of the disk began. */
  readonly epochMonotonicNs: bigint;
  /** Whether the user has marked the request. */
  readonly isMarked: (sequence: number) => boolean;
  /** Whether the payload of a request has the bytes: false as long as that is not known. */
  readonly hasPayload: (sequence: number, bytes: string) => boolean;
}

/**
 * Tests the rows [from, to) and writes their bits (bit n & 31 of word n >> 5).
 * Whole words are written: the bits before `from` in its word are tested anew,
 * those from `to` on in the last word are zero.
 */
export interface CompiledFilter {
  run(columns: TraceColumns, from: number, to: number, bits: Uint32Array): void;
}

/** Makes a filter ready for columns of at most CHUNK_ROWS rows. */
export function compileFilter(filter: Filter, context: FilterContext): CompiledFilter {
  const test = compile(filter, context);
  return {
    run: (columns, from, to, bits) => {
      const rest = to & 31;
      const end = (to + 31) >>> 5;
      test(columns, from >>> 5, end, bits);
      if (rest !== 0) bits[end - 1] = (bits[end - 1] ?? 0) & ((1 << rest) - 1);
    },
  };
}

function compile(filter: Filter, context: FilterContext): Test {
  switch (filter.kind) {
    case 'and':
    case 'or': {
      const { left, right } = filter;
      // What is slow is asked last, of the rows that are left.
      const [first, second] = isSlow(left) ? [right, left] : [left, right];
      return join(filter.kind, compile(first, context), compile(second, context));
    }
    case 'not':
      return not(compile(filter.filter, context));
    case 'number':
      return filter.ranges
        .map((range) => rangeTest(filter.field, range, context.epochMonotonicNs))
        .reduce((left, right) => join('or', left, right));
    case 'word': {
      const { words } = filter;
      if (filter.field === 'operation') return tableTest('operation', operationTable(words));
      if (filter.field === 'route') return tableTest('route', routeTable(words));
      return join(
        'or',
        tableTest('result', resultTable(words)),
        tableTest('error', errnoTable(words)),
      );
    }
    case 'flags': {
      const { match, flags } = filter;
      if (match === 'exactly') return maskTest('flags', 0xffff_ffff, flags);
      return match === 'all' ? maskTest('flags', flags, flags) : not(maskTest('flags', flags, 0));
    }
    case 'fact':
      return factTest(filter.fact, context);
    case 'payload': {
      const { bytes } = filter;
      return rowTest(
        ({ sequence, marks }, row) =>
          ((marks[row] ?? 0) & BIOSCOPE_MARK_PAYLOAD) !== 0 &&
          context.hasPayload(wideAt(sequence, row), bytes),
      );
    }
  }
}

function factTest(fact: Fact, { isMarked }: FilterContext): Test {
  switch (fact) {
    case 'kept':
      return maskTest('marks', BIOSCOPE_MARK_PAYLOAD, BIOSCOPE_MARK_PAYLOAD);
    case 'injected':
      return maskTest('marks', BIOSCOPE_MARK_INJECTED, BIOSCOPE_MARK_INJECTED);
    case 'marked':
      return rowTest(({ sequence }, row) => isMarked(wideAt(sequence, row)));
  }
}

function join(kind: 'and' | 'or', left: Test, right: Test): Test {
  const other = new Uint32Array(CHUNK_WORDS);
  if (kind === 'or') {
    return (columns, from, to, bits, within) => {
      left(columns, from, to, bits, within);
      right(columns, from, to, other, within);
      for (let word = from; word < to; word++) bits[word] = (bits[word] ?? 0) | (other[word] ?? 0);
    };
  }
  return (columns, from, to, bits, within) => {
    left(columns, from, to, bits, within);
    let passed = 0;
    for (let word = from; word < to; word++) passed |= bits[word] ?? 0;
    if (passed === 0) return;
    right(columns, from, to, other, bits);
    for (let word = from; word < to; word++) bits[word] = (bits[word] ?? 0) & (other[word] ?? 0);
  };
}

function not(test: Test): Test {
  return (columns, from, to, bits, within) => {
    test(columns, from, to, bits, within);
    for (let word = from; word < to; word++) bits[word] = ~(bits[word] ?? 0);
  };
}

/** Whether each row costs a question to the outside. */
const isSlow = (filter: Filter): boolean => hasPart(filter, 'payload') || hasPart(filter, 'fact');
