/** The words a filter knows for operations, results, routes and flags, and which numbers they mean. */
import {
  errnoName,
  flagWords,
  operationWord,
  resultNames,
  routeByNumber,
  type OperationFamily,
} from '../contract/trace';

export interface Word {
  /** As printed: lower case, hyphens for spaces; errnos as they are written everywhere. */
  readonly name: string;
  readonly meaning: string;
}

const OPERATIONS_KNOWN = 13;
const ERRNOS_NAMED = 134;

export const families: readonly (Word & { readonly name: OperationFamily })[] = [
  { name: 'read', meaning: 'sectors read' },
  { name: 'write', meaning: 'sectors written: write, write-same, zone-append' },
  { name: 'flush', meaning: 'make everything completed so far durable' },
  { name: 'discard', meaning: 'sectors given up: discard and erase' },
  { name: 'zeroes', meaning: 'sectors zeroed without data' },
  { name: 'zone', meaning: 'zones opened, closed, finished or reset' },
];

const hyphened = (name: string): string => name.replaceAll(' ', '-');

const isFamily = (name: string): boolean => families.some((family) => family.name === name);

/** Operations that have a name of their own beside their family's. */
export const operations: readonly Word[] = Array.from({ length: OPERATIONS_KNOWN }, (_, number) =>
  operationWord(number),
)
  .map(({ name, meaning }) => ({ name: hyphened(name), meaning }))
  .filter(({ name }) => !isFamily(name));

const errnos: readonly Word[] = Array.from({ length: ERRNOS_NAMED }, (_, errno) => errnoName(errno))
  .filter((name) => !name.includes(' '))
  .map((name) => ({ name, meaning: `the request ended with ${name}` }));

export const results: readonly Word[] = [
  { name: 'ok', meaning: 'the request was done' },
  { name: 'error', meaning: 'the request failed with an errno' },
  { name: 'unsupported', meaning: 'the backend cannot do such a request' },
  ...errnos,
];

export const routes: readonly Word[] = Object.values(routeByNumber).map((name) => ({
  name,
  meaning: `requests that came by ${name}`,
}));

export const flags: readonly (Word & { readonly bit: number })[] = flagWords.map(
  ({ name, meaning, bit }) => ({ name: name.toLowerCase(), meaning, bit }),
);

/** 1 for each operation number that `words` mean. */
export function operationTable(words: readonly string[]): Uint8Array {
  const table = new Uint8Array(256);
  for (let number = 0; number < table.length; number++) {
    const { name, family } = operationWord(number);
    const names = isFamily(name) ? [name] : [hyphened(name), family];
    if (names.some((one) => words.includes(one))) table[number] = 1;
  }
  return table;
}

/** 1 for each route number that `words` mean. */
export function routeTable(words: readonly string[]): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, number) =>
    words.includes(routeByNumber[number] ?? `route-${number}`) ? 1 : 0,
  );
}

/** 1 for each result number that `words` mean. */
export function resultTable(words: readonly string[]): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, number) =>
    words.includes(resultNames[number] ?? `result-${number}`) ? 1 : 0,
  );
}

/** 1 for each errno that `words` mean. */
export function errnoTable(words: readonly string[]): Uint8Array {
  const table = new Uint8Array(65_536);
  words.forEach((word) => {
    const number = /^errno-(\d+)$/.exec(word);
    if (number) table[Number(number[1])] = 1;
  });
  for (let errno = 1; errno < ERRNOS_NAMED; errno++) {
    if (words.includes(errnoName(errno))) table[errno] = 1;
  }
  return table;
}
