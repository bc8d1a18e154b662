/**
 * What a filter is once its text has been understood: a tree that crosses
 * processes as it is. Every comparison of a number is a set of ranges in the
 * field's own unit, so that evaluating, printing and comparing know one form.
 */

/** Whole numbers from `low` to `high`, both included; -Infinity and Infinity leave a side open. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/**
 * In their units: sectors of 512 bytes, bytes, nanoseconds, or counts. `sector`
 * stands for each sector that a request touches: it lies in a range if any does.
 */
export const numberFields = [
  'sector',
  'start',
  'end',
  'length',
  'latency',
  'wait',
  'time',
  'sequence',
  'queue',
  'depth',
] as const;
export type NumberField = (typeof numberFields)[number];

export const wordFields = ['operation', 'result', 'route'] as const;
export type WordField = (typeof wordFields)[number];

/** What is true or not of a request. */
export const facts = ['kept', 'injected', 'marked'] as const;
export type Fact = (typeof facts)[number];

export type Filter =
  | { readonly kind: 'and' | 'or'; readonly left: Filter; readonly right: Filter }
  | { readonly kind: 'not'; readonly filter: Filter }
  | { readonly kind: 'number'; readonly field: NumberField; readonly ranges: readonly Range[] }
  /** Any of the words, as words.ts spells them. */
  | { readonly kind: 'word'; readonly field: WordField; readonly words: readonly string[] }
  /** `flags`: bits of the request's flags; zero (with `exactly`) is a request without any. */
  | { readonly kind: 'flags'; readonly match: 'all' | 'any' | 'exactly'; readonly flags: number }
  | { readonly kind: 'fact'; readonly fact: Fact }
  /** The payload has these bytes somewhere, as lower-case hexadecimal digits. */
  | { readonly kind: 'payload'; readonly bytes: string };

/** Whether any part of `filter` is of `kind`. */
export function hasPart(filter: Filter, kind: Filter['kind']): boolean {
  if (filter.kind === kind) return true;
  if (filter.kind === 'not') return hasPart(filter.filter, kind);
  if (filter.kind === 'and' || filter.kind === 'or')
    return hasPart(filter.left, kind) || hasPart(filter.right, kind);
  return false;
}

/** All that pass `filters`; null for none, which everything passes. */
export function allOf(filters: readonly (Filter | null)[]): Filter | null {
  return filters.reduce(
    (left, right) => (left && right ? { kind: 'and', left, right } : (left ?? right)),
    null,
  );
}

/** Why a text is no filter. `at` and `length` say which of its characters are meant. */
export interface FilterProblem {
  readonly message: string;
  readonly at: number;
  readonly length: number;
}
