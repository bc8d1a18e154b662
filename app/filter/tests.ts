/** The tests a filter is made of, as loops over one column each. */
import type { TraceColumns } from './trace-columns';

/**
 * Writes the words [from, to) of a bitmap of the rows that pass: 32 rows a word.
 * Only the rows in `within` are asked for, if it is given: the bits of others may
 * be anything.
 *
 * The loops are free of branches on the data: whether a row passes is next to
 * random, and a branch that is guessed wrong costs more than both comparisons.
 */
export type Test = (
  columns: TraceColumns,
  from: number,
  to: number,
  bits: Uint32Array,
  within?: Uint32Array,
) => void;

type NarrowColumn = 'operation' | 'result' | 'route' | 'error';

/** Rows whose value is not 0 in `table`. */
export function tableTest(name: NarrowColumn, table: Uint8Array): Test {
  return (columns, from, to, bits) => {
    const column = columns[name];
    let row = from * 32;
    for (let word = from; word < to; word++) {
      let passed = 0;
      for (let bit = 0; bit < 32; bit++) passed |= (table[column[row++] ?? 0] ?? 0) << bit;
      bits[word] = passed;
    }
  };
}

/** Rows whose value, under `mask`, is `wanted`. */
export function maskTest(name: 'flags' | 'marks', mask: number, wanted: number): Test {
  const same = wanted | 0;
  return (columns, from, to, bits) => {
    const column = columns[name];
    let row = from * 32;
    for (let word = from; word < to; word++) {
      let passed = 0;
      for (let bit = 0; bit < 32; bit++) {
        passed |= Number(((column[row++] ?? 0) & mask) === same) << bit;
      }
      bits[word] = passed;
    }
  };
}

/** Rows that a function says yes to: for what is no matter of columns. Slow, so asked of few. */
export function rowTest(passes: (columns: TraceColumns, row: number) => boolean): Test {
  return (columns, from, to, bits, within) => {
    for (let word = from; word < to; word++) {
      const asked = within ? (within[word] ?? 0) : -1;
      let passed = 0;
      for (let bit = 0; asked >>> bit !== 0 && bit < 32; bit++) {
        if (((asked >>> bit) & 1) === 1 && passes(columns, word * 32 + bit)) passed |= 1 << bit;
      }
      bits[word] = passed;
    }
  };
}
