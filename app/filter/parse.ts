/** From the text of a filter to the filter. */
import { fieldNamed } from './fields';
import type { Filter, FilterProblem } from './filter';
import { parse, SyntaxError as GrammarError } from './grammar.gen';
import { resolve } from './resolve';
import { Wrong } from './wrong';

export type ParsedFilter =
  /** Null: an empty text, which everything passes. */
  | { readonly ok: true; readonly filter: Filter | null }
  | { readonly ok: false; readonly problem: FilterProblem };

/** Far more than anybody writes. */
const LONGEST = 4096;
/** Deeper nesting could be more than the stack holds. */
const DEEPEST = 100;

/** Understands `text`, or says what is wrong with it and where. */
export function parseFilter(text: string): ParsedFilter {
  if (text.length > LONGEST) {
    const message = `A filter has at most ${LONGEST} characters`;
    return { ok: false, problem: { message, at: LONGEST, length: text.length - LONGEST } };
  }
  const deep = tooDeepAt(text);
  if (deep !== null) {
    const message = `Brackets and negations can be nested ${DEEPEST} deep`;
    return { ok: false, problem: { message, at: deep, length: 1 } };
  }
  try {
    const node = parse(text, { isField: (name) => fieldNamed(name) !== undefined });
    return { ok: true, filter: node && resolve(node) };
  } catch (thrown) {
    if (thrown instanceof Wrong) return { ok: false, problem: thrown.problem };
    if (thrown instanceof GrammarError) return { ok: false, problem: syntaxProblem(thrown, text) };
    throw thrown;
  }
}

const tokens = /"[^"]*"|[()]|!(?!=)|\bnot\b|!=|[^\s"()!]+/gi;

/** Where the nesting becomes too deep; null if nowhere. */
function tooDeepAt(text: string): number | null {
  /** Of each bracket that is open, the depth outside the negations in front of it. */
  const open: number[] = [];
  let depth = 0;
  let outside = 0;
  for (const { 0: token, index } of text.matchAll(tokens)) {
    if (token === '(') {
      open.push(outside);
      outside = ++depth;
    } else if (token === '!' || token.toLowerCase() === 'not') {
      depth++;
    } else {
      // What was negated has come, or has ended.
      if (token === ')') outside = open.pop() ?? 0;
      depth = outside;
    }
    if (depth > DEEPEST) return index;
  }
  return null;
}

function syntaxProblem(error: GrammarError, text: string): FilterProblem {
  const at = error.location.start.offset;
  const wanted = expectation(error);
  const found = /^[\w.-]+|^\S/.exec(text.slice(at))?.[0];
  if (found === undefined)
    return {
      message: `The filter ends too early: ${wanted} is missing`,
      at: text.length,
      length: 1,
    };
  return { message: `"${found}" was not expected here, but ${wanted}`, at, length: found.length };
}

/** What the grammar would have taken, in few words. */
function expectation({ expected }: GrammarError): string {
  const words = new Set(
    expected.map(({ description, text }) => description ?? (text ? `"${text}"` : '')),
  );
  // Behind a comparison: another may follow, but what closes the bracket is missing.
  if (words.has('and')) return words.has('")"') ? '")"' : 'and, or, or the end';
  // Where a comparison may begin, its every beginning is expected.
  if (words.has('"!"') && words.has('a word')) return 'a comparison such as len >= 64K';
  if (words.has('a number') && words.has('a word')) return 'a value';
  const list = [...words].filter((word) => word !== '' && word !== 'a space').sort();
  if (list.length < 2) return list[0] ?? 'nothing more';
  return `${list.slice(0, -1).join(', ')} or ${list.at(-1) ?? ''}`;
}
