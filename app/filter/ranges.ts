/** Tests of numbers in a range: a loop for each way a number lies in the columns. */
import { SECTOR_BYTES } from '../contract/units';
import type { NumberField, Range } from './filter';
import type { Test } from './tests';
import type { WideColumn } from './trace-columns';

const HIGH = 0x1_0000_0000;
/** A constant of this module: the loops run ten million times. */
const SECTOR = SECTOR_BYTES;

export function rangeTest(field: NumberField, range: Range, epochMonotonicNs: bigint): Test {
  switch (field) {
    case 'sequence':
    case 'length':
      return wideTest(field, range);
    case 'latency':
      return latencyTest(range);
    case 'time':
      return timeTest(range, epochMonotonicNs);
    case 'wait':
      return narrowTest('backendDelay', range);
    case 'queue':
    case 'depth':
      return narrowTest(field, range);
    case 'sector':
      return touchTest(range);
    case 'start':
      return startTest(range);
    case 'end':
      return endTest(range);
  }
}

function wideTest(name: WideColumn, { low, high }: Range): Test {
  if (low >= 0 && high < HIGH) return shortTest(name, low, high);
  return (columns, from, to, bits) => {
    const column = columns[name];
    let at = from * 64;
    for (let word = from; word < to; word++) {
      let passed = 0;
      for (let bit = 0; bit < 32; bit++, at += 2) {
        const value = (column[at + 1] ?? 0) * HIGH + (column[at] ?? 0);
        passed |= (Number(value >= low) & Number(value <= high)) << bit;
      }
      bits[word] = passed;
    }
  };
}

/** As wideTest, where both ends fit 32 bits: then whole numbers do, which is twice as fast. */
function shortTest(name: WideColumn, low: number, high: number): Test {
  const span = (high - low) >>> 0;
  return (columns, from, to, bits) => {
    const column = columns[name];
    let at = from * 64;
    for (let word = from; word < to; word++) {
      let passed = 0;
      for (let bit = 0; bit < 32; bit++, at += 2) {
        const above = ((column[at] ?? 0) - low) >>> 0;
        passed |= (Number(column[at + 1] === 0) & Number(above <= span)) << bit;
      }
      bits[word] = passed;
    }
  };
}

function narrowTest(name: 'backendDelay' | 'queue' | 'depth', { low, high }: Range): Test {
  return (columns, from, to, bits) => {
    const column = columns[name];
    let row = from * 32;
    for (let word = from; word < to; word++) {
      let passed = 0;
      for (let bit = 0; bit < 32; bit++) {
        const value = column[row++] ?? 0;
        passed |= (Number(value >= low) & Number(value <= high)) << bit;
      }
      bits[word] = passed;
    }
  };
}

function latencyTest({ low, high }: Range): Test {
  return ({ arrival, completion }, from, to, bits) => {
    let at = from * 64;
    for (let word = from; word < to; word++) {
      let passed = 0;
      for (let bit = 0; bit < 32; bit++, at += 2) {
        const upper = (completion[at + 1] ?? 0) - (arrival[at + 1] ?? 0);
        const value = upper * HIGH + ((completion[at] ?? 0) - (arrival[at] ?? 0));
        passed |= (Number(value >= low) & Number(value <= high)) << bit;
      }
      bits[word] = passed;
    }
  };
}

function timeTest({ low, high }: Range, epoch: bigint): Test {
  const epochHigh = Number(epoch >> 32n);
  const epochLow = Number(epoch & 0xffff_ffffn);
  return ({ arrival }, from, to, bits) => {
    let at = from * 64;
    for (let word = from; word < to; word++) {
      let passed = 0;
      for (let bit = 0; bit < 32; bit++, at += 2) {
        const upper = (arrival[at + 1] ?? 0) - epochHigh;
        const value = upper * HIGH + ((arrival[at] ?? 0) - epochLow);
        passed |= (Number(value >= low) & Number(value <= high)) << bit;
      }
      bits[word] = passed;
    }
  };
}

// A request without sectors (a flush) passes none of the following. Ends are
// compared in bytes, relative to the bound, where no digit is lost and nothing
// need be rounded up.

/** Requests that touch a sector of the range. */
function touchTest({ low, high }: Range): Test {
  return ({ sector, length }, from, to, bits) => {
    let at = from * 64;
    for (let word = from; word < to; word++) {
      let passed = 0;
      for (let bit = 0; bit < 32; bit++, at += 2) {
        const bytes = (length[at + 1] ?? 0) * HIGH + (length[at] ?? 0);
        const start = (sector[at + 1] ?? 0) * HIGH + (sector[at] ?? 0);
        passed |=
          (Number(bytes !== 0) &
            Number(start <= high) &
            Number((start - low) * SECTOR + bytes > 0)) <<
          bit;
      }
      bits[word] = passed;
    }
  };
}

/** Requests whose first sector lies in the range. */
function startTest({ low, high }: Range): Test {
  return ({ sector, length }, from, to, bits) => {
    let at = from * 64;
    for (let word = from; word < to; word++) {
      let passed = 0;
      for (let bit = 0; bit < 32; bit++, at += 2) {
        const bytes = (length[at + 1] ?? 0) * HIGH + (length[at] ?? 0);
        const start = (sector[at + 1] ?? 0) * HIGH + (sector[at] ?? 0);
        passed |= (Number(bytes !== 0) & Number(start >= low) & Number(start <= high)) << bit;
      }
      bits[word] = passed;
    }
  };
}

/** Requests whose last sector lies in the range. */
function endTest({ low, high }: Range): Test {
  const behind = high + 1;
  return ({ sector, length }, from, to, bits) => {
    let at = from * 64;
    for (let word = from; word < to; word++) {
      let passed = 0;
      for (let bit = 0; bit < 32; bit++, at += 2) {
        const bytes = (length[at + 1] ?? 0) * HIGH + (length[at] ?? 0);
        const start = (sector[at + 1] ?? 0) * HIGH + (sector[at] ?? 0);
        passed |=
          (Number(bytes !== 0) &
            Number((start - low) * SECTOR + bytes > 0) &
            Number((start - behind) * SECTOR + bytes <= 0)) <<
          bit;
      }
      bits[word] = passed;
    }
  };
}
