/** The text of the sector filter, and what is wrong with it. */
import type { SectorRange } from './worker/trace-filter';

/** `at` and `length` say which characters of the text are meant. */
export interface FilterProblem {
  readonly message: string;
  readonly at: number;
  readonly length: number;
}

export type ParsedSectors =
  | { readonly ok: true; readonly sectors: SectorRange | null }
  | { readonly ok: false; readonly problem: FilterProblem };

const problem = (message: string, at: number, length: number): ParsedSectors => ({
  ok: false,
  problem: { message, at, length: Math.max(1, length) },
});

const forms = 'Write 2048, 2048..4095, 2048+8, ..4095 or 2048..';

/**
 * "2048" one sector, "2048..4095" both included, "2048+8" eight sectors,
 * "..100" and "100.." open ended. Thousands may be separated by "," or "_",
 * and 0x begins a hexadecimal number. Empty text is no range.
 */
export function parseSectors(text: string): ParsedSectors {
  if (text.trim() === '') return { ok: true, sectors: null };
  const operator = /\.\.|\+|-|–/.exec(text);
  if (!operator) {
    const only = parseNumber(text, 0);
    if ('message' in only) return { ok: false, problem: only };
    return { ok: true, sectors: { first: only.value, last: only.value } };
  }
  const [sign] = operator;
  if (sign !== '..' && sign !== '+') {
    return problem(`"${sign}" is no range; write first..last`, operator.index, sign.length);
  }
  const rightAt = operator.index + sign.length;
  const left = text.slice(0, operator.index);
  const right = text.slice(rightAt);
  const isOpenLeft = left.trim() === '';
  const isOpenRight = right.trim() === '';
  if (isOpenLeft && isOpenRight) return problem(forms, 0, text.length);
  if (sign === '+' && (isOpenLeft || isOpenRight)) {
    return problem('Write first+count, for instance 2048+8', operator.index, 1);
  }
  const from = isOpenLeft ? { value: 0 } : parseNumber(left, 0);
  if ('message' in from) return { ok: false, problem: from };
  const to = isOpenRight ? { value: Infinity } : parseNumber(right, rightAt);
  if ('message' in to) return { ok: false, problem: to };
  if (sign === '+') {
    if (to.value === 0) return problem('A range of no sectors', rightAt, right.length);
    return { ok: true, sectors: { first: from.value, last: from.value + to.value - 1 } };
  }
  if (to.value < from.value) {
    const message = `The range ends (${to.value}) before it begins (${from.value})`;
    return problem(message, rightAt, right.length);
  }
  return { ok: true, sectors: { first: from.value, last: to.value } };
}

/** `at`: where `text` begins in the whole, for the problem. */
function parseNumber(text: string, at: number): { value: number } | FilterProblem {
  const start = at + text.length - text.trimStart().length;
  const digits = text.trim();
  const plain = digits.replaceAll(/[,_](?=[0-9a-f])/gi, '');
  const radix = /^0x[0-9a-f]/i.test(plain) ? 16 : 10;
  const wrong = (radix === 16 ? /[^0-9a-f]/i : /[^0-9]/).exec(
    radix === 16 ? plain.slice(2) : plain,
  );
  if (wrong) {
    const [character] = wrong;
    const index = digits.indexOf(character, radix === 16 ? 2 : 0);
    return {
      message: `"${character}" does not belong in a sector number. ${forms}`,
      at: start + Math.max(0, index),
      length: character.length,
    };
  }
  const value = Number(plain);
  if (!Number.isSafeInteger(value)) {
    return { message: 'No device has that many sectors', at: start, length: digits.length };
  }
  return { value };
}
