import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRecord } from '../../../app/contract/trace';
import { compileFilter } from '../../../app/filter/evaluate';
import { parseFilter } from '../../../app/filter/parse';
import { printFilter } from '../../../app/filter/print';
import {
  CHUNK_WORDS,
  makeColumns,
  putRecords,
  ROW_BYTES,
  takeRecord,
} from '../../../app/filter/trace-columns';
import { batchOf, type MadeRecord } from '../../renderer/records';
import { anyFilter, anyRecord, EPOCH, holdsPayload, passesPlainly } from './filters';

function parsed(text: string): string {
  const answer = parseFilter(text);
  if (!answer.ok) throw new Error(`${text}: ${answer.problem.message}`);
  return printFilter(answer.filter);
}

function problem(text: string): string {
  const answer = parseFilter(text);
  if (answer.ok) throw new Error(`${text} was understood: ${printFilter(answer.filter)}`);
  const { at, length, message } = answer.problem;
  return `[${text.slice(at, at + length)}] ${message}`;
}

const isMarked = (sequence: bigint): boolean => sequence % 5n === 1n;

/** The indices of `records` that pass, by the columns. */
function passing(
  filter: Parameters<typeof compileFilter>[0],
  records: readonly MadeRecord[],
): number[] {
  const words = new Uint32Array(batchOf(records));
  const columns = makeColumns(Math.ceil(records.length / 32) * 32);
  putRecords(columns, 0, words, 0, records.length);
  const bits = new Uint32Array(CHUNK_WORDS);
  const context = {
    epochMonotonicNs: EPOCH,
    isMarked: (sequence: number) => isMarked(BigInt(sequence)),
    hasPayload: holdsPayload,
  };
  compileFilter(filter, context).run(columns, 0, records.length, bits);
  const found: number[] = [];
  for (let row = 0; row < bits.length * 32; row++) {
    if (((bits[row >>> 5]! >>> (row & 31)) & 1) === 1) found.push(row);
  }
  return found;
}

describe('the filter language', () => {
  it('understands what the manual shows', () => {
    const examples: readonly (readonly [string, string])[] = [
      ['', ''],
      ['  ', ''],
      [
        'op == write && len >= 64K && flags has fua',
        'op in {write} && len in {65536..} && flags has 0x200',
      ],
      ['sector in 2048..4095', 'sector in {2048..4095}'],
      ['latency > 5ms', 'latency in {5000001ns..}'],
      ['latency >= 1.5 us'.replace(' us', 'us'), 'latency in {1500ns..}'],
      ['latency < 20µs', 'latency in {..19999ns}'],
      ['lba 1M..2M', 'sector in {1048576..2097152}'],
      ['sector in 1MiB..2MiB', 'sector in {2048..4096}'],
      ['len == 8s512', 'len in {4096}'],
      ['result != ok', '!(result in {ok})'],
      ['result == eio', 'result in {EIO}'],
      ['!(op == read)', '!(op in {read})'],
      ['not read', '!(op in {read})'],
      ['payload contains 53 ef', 'payload contains 53ef'],
      ['payload contains "EXT"', 'payload contains 455854'],
      ['payload contains 53 ef and read', 'payload contains 53ef && op in {read}'],
      ['write', 'op in {write}'],
      ['fua', 'flags has 0x200'],
      ['write fua', 'op in {write} && flags has 0x200'],
      ['write or flush and fua', 'op in {write} || op in {flush} && flags has 0x200'],
      ['(write or flush) and fua', '(op in {write} || op in {flush}) && flags has 0x200'],
      ['WRITE OR FLUSH', 'op in {write} || op in {flush}'],
      ['op = read|write', 'op in {read, write}'],
      ['op in {read, write}', 'op in {read, write}'],
      ['op in (read write)', 'op in {read, write}'],
      ['op == "write same"', 'op in {write-same}'],
      ['op not in {read}', '!(op in {read})'],
      ['seq in {1, 5..7, 100}', 'seq in {1, 5..7, 100}'],
      ['seq == 1,048,576', 'seq in {1048576}'],
      ['2048', 'sector in {2048}'],
      ['2048..4095', 'sector in {2048..4095}'],
      ['2048+8', 'sector in {2048..2055}'],
      ['..100', 'sector in {..100}'],
      ['100..', 'sector in {100..}'],
      ['0x800..0xfff', 'sector in {2048..4095}'],
      ['latency 1..5ms', 'latency in {1000000ns..5000000ns}'],
      ['flags any {fua, preflush}', 'flags any 0x600'],
      ['flags == none', 'flags == 0x0'],
      ['flags has none', 'flags == 0x0'],
      ['failed', '!(result in {ok})'],
      ['depth ge 32', 'depth in {32..}'],
      ['kept && !injected', 'kept && !(injected)'],
      ['route == dm-user', 'route in {dm-user}'],
    ];
    for (const [text, printed] of examples) expect(parsed(text), text).toBe(printed);
  });

  it('points at what is wrong, and says what would be right', () => {
    const mistakes: readonly (readonly [string, string])[] = [
      ['len >=', '[] The filter ends too early: a value is missing'],
      ['op == raed', '[raed] "raed" is no operation; did you mean read?'],
      ['latecy > 5ms', '[latecy] There is no field "latecy"; did you mean latency?'],
      ['latency > 5', '[5] 5 of what? Write 5us, 5ms or 5s'],
      ['len > 5ms', '[ms] "ms" is no unit here. Write bytes: 4096, 64K, 1M, or sectors: 8s512'],
      ['9..1', '[1] The range ends (1) before it begins (9)'],
      ['write && (read', '[] The filter ends too early: ")"'],
      ['flags has fau', '[fau] "fau" is no flag; did you mean fua?'],
      ['sector', '[sector] Say what sector shall be, for instance sector in 2048..4095'],
      ['wrlte', '[wrlte] "wrlte" is no word of the filter language; did you mean write?'],
      ['len contains 53', '[len] Only a payload contains bytes: payload contains 53 ef'],
      ['len < 0', '[0] Nothing is less than 0'],
      ['payload contains xyz', '[xyz] "xyz" was not expected here'],
    ];
    for (const [text, message] of mistakes)
      expect(problem(text).slice(0, message.length), text).toBe(message);
  });

  it('refuses every text it does not understand with a place inside it', () => {
    const piece = fc.constantFrom(
      ...['op', '==', 'write', '64K', '..', '(', ')', '!', '&&', 'or', 'in', '{', '}', ',', '5ms'],
      ...['"', 'payload', 'contains', '53', 'flags', 'has', 'ü', '0x', '+', '-', 'sector'],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 9 }), fc.constantFrom('', ' '), (pieces, glue) => {
        const text = pieces.join(glue);
        const answer = parseFilter(text);
        if (answer.ok) return;
        expect(answer.problem.message).not.toBe('');
        expect(answer.problem.at).toBeGreaterThanOrEqual(0);
        expect(answer.problem.at).toBeLessThanOrEqual(text.length);
        expect(answer.problem.length).toBeGreaterThan(0);
      }),
      { numRuns: 500, seed: 5 },
    );
  });

  it('is refused when it is longer than anybody writes, not a deep recursion', () => {
    expect(problem('('.repeat(5000))).toMatch(/at most 4096 characters/);
    expect(parseFilter('!'.repeat(4096)).ok).toBe(false);
    expect(parseFilter('('.repeat(4096)).ok).toBe(false);
    expect(problem(`${'('.repeat(101)}write${')'.repeat(101)}`)).toMatch(/nested 100 deep/);
    expect(parsed(`${'('.repeat(100)}write${')'.repeat(100)}`)).toBe('op in {write}');
    expect(problem(`${`${'!'.repeat(60)}(`.repeat(2)}read))`)).toMatch(/nested 100 deep/);
    // Side by side, or within a text, is not deep.
    expect(parseFilter(`read${' and op != write'.repeat(200)}`).ok).toBe(true);
    expect(parseFilter(`read${' and !write and not (!fua)'.repeat(150)}`).ok).toBe(true);
    expect(parseFilter(`payload contains "${'(!'.repeat(150)}"`).ok).toBe(true);
    expect(parseFilter('a '.repeat(2048)).ok).toBe(false);
    expect(parseFilter('read '.repeat(819)).ok).toBe(true);
  });

  it('prints what it parses to the same', () => {
    fc.assert(
      fc.property(anyFilter, (filter) => {
        const text = printFilter(filter);
        // Longer than a filter may be: nothing to parse.
        fc.pre(text.length <= 4096);
        expect(parseFilter(text)).toEqual({ ok: true, filter });
      }),
      { numRuns: 300, seed: 6 },
    );
  });
});

describe('a filter over columns', () => {
  it('passes the records that pass one at a time', () => {
    const records = fc.array(anyRecord, { minLength: 1, maxLength: 70 });
    fc.assert(
      fc.property(anyFilter, records, (filter, made) => {
        const view = new DataView(batchOf(made));
        const expected = made.flatMap((_, index) =>
          passesPlainly(filter, decodeRecord(view, index * 64), isMarked) ? [index] : [],
        );
        expect(passing(filter, made)).toEqual(expected);
      }),
      { numRuns: 400, seed: 7 },
    );
  });

  it('gives every record back as it was', () => {
    fc.assert(
      fc.property(fc.array(anyRecord, { minLength: 1, maxLength: 40 }), (made) => {
        const words = new Uint32Array(batchOf(made));
        const columns = makeColumns(64);
        putRecords(columns, 3, words, 0, made.length);
        const back = new Uint32Array(words.length);
        made.forEach((_, index) => takeRecord(columns, 3 + index, back, index * 16, 1));
        expect(back).toEqual(words);
      }),
      { numRuns: 100, seed: 8 },
    );
  });

  it('takes less than 64 bytes a row', () => {
    const columns = makeColumns(32);
    const bytes = Object.values(columns).reduce<number>(
      (sum, column: Uint8Array | Uint16Array | Uint32Array) => sum + column.byteLength,
      0,
    );
    expect(bytes / 32).toBe(ROW_BYTES);
    expect(ROW_BYTES).toBe(58);
  });
});
