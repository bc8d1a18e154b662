/** Numbers with units, as each field understands them. */
import { SECTOR_BYTES } from '../contract/units';
import type { NumberNode } from './grammar.gen';
import { Wrong } from './wrong';

export type Unit = 'sectors' | 'bytes' | 'time' | 'count';

const K = 1024;
const binary = { k: K, m: K ** 2, g: K ** 3, t: K ** 4 };
const withBytes = {
  b: 1,
  kib: K,
  mib: K ** 2,
  gib: K ** 3,
  tib: K ** 4,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
};
const sectorsAsBytes = Object.fromEntries(
  Object.entries(withBytes).map(([name, bytes]) => [name, bytes / SECTOR_BYTES]),
);

const factors: Readonly<Record<Unit, Readonly<Record<string, number>>>> = {
  // A plain K or M counts sectors; with a B it is a place on the disk in bytes.
  sectors: { '': 1, ...binary, s512: 1, s: 1, ...sectorsAsBytes },
  bytes: { '': 1, ...binary, ...withBytes, s512: SECTOR_BYTES, s: SECTOR_BYTES },
  time: { ns: 1, us: 1e3, µs: 1e3, μs: 1e3, ms: 1e6, s: 1e9, sec: 1e9, min: 60e9 },
  count: { '': 1, k: 1e3, m: 1e6, g: 1e9 },
};

const advice: Readonly<Record<Unit, string>> = {
  sectors: 'Sectors are counted: 2048, 1M, or by bytes: 1MiB',
  bytes: 'Write bytes: 4096, 64K, 1M, or sectors: 8s512',
  time: 'Write a time: 800ns, 20us, 5ms, 1s',
  count: 'Write a number: 1000',
};

/**
 * The number in the field's own unit. Whole, where `isWhole` asks for that: half
 * a byte is a mistake, but "latency > 1.5us" is not.
 */
export function readNumber(node: NumberNode, unit: Unit, isWhole = true): { value: number } {
  const digits = node.digits.replaceAll(/[,_]/g, '');
  const plain = Number(digits);
  if (unit === 'time' && node.unit === '' && plain !== 0)
    throw new Wrong(`${node.digits} of what? Write ${digits}us, ${digits}ms or ${digits}s`, node);
  const factor = node.unit === '' ? 1 : factors[unit][node.unit.toLowerCase()];
  if (factor === undefined) {
    const place = { at: node.at + node.length - node.unit.length, length: node.unit.length };
    throw new Wrong(`"${node.unit}" is no unit here. ${advice[unit]}`, place);
  }
  const exact = plain * factor;
  // 12.3 * 1e6 is not whole, but within a hair of it.
  const rounded = Math.round(exact);
  const value = Math.abs(exact - rounded) < 1e-6 * factor ? rounded : exact;
  if (!Number.isFinite(value) || value >= Number.MAX_SAFE_INTEGER)
    throw new Wrong('That number is too large', node);
  if (isWhole && !Number.isInteger(value)) throw new Wrong(advice[unit], node);
  return { value };
}
