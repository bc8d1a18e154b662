/** What could come next while a filter is typed, and what it means. */
import { factWords, fieldNamed, fields, type Field } from './fields';
import { families, flags, operations, type Word } from './words';

export interface Completion {
  readonly text: string;
  readonly meaning: string;
}

export interface Completions {
  /** The characters of the text that a completion stands for: [from, to). */
  readonly from: number;
  readonly to: number;
  readonly items: readonly Completion[];
}

const MOST = 12;

const operatorsOf: Readonly<Record<Field['kind']['type'], readonly Completion[]>> = {
  number: [
    { text: '==', meaning: 'is' },
    { text: '!=', meaning: 'is not' },
    { text: '>', meaning: 'more than' },
    { text: '>=', meaning: 'at least' },
    { text: '<', meaning: 'less than' },
    { text: '<=', meaning: 'at most' },
    { text: 'in', meaning: 'in a range, 8..15, or one of several, {8, 16..31}' },
  ],
  word: [
    { text: '==', meaning: 'is' },
    { text: '!=', meaning: 'is not' },
    { text: 'in', meaning: 'one of several, {read, write}' },
  ],
  flags: [
    { text: 'has', meaning: 'has all of these' },
    { text: 'any', meaning: 'has any of these' },
    { text: '==', meaning: 'has exactly these' },
  ],
  payload: [{ text: 'contains', meaning: 'has these bytes: 53 ef, or "text"' }],
};

const joints: readonly Completion[] = [
  { text: 'and', meaning: 'both; a space does as well' },
  { text: 'or', meaning: 'either' },
];

const fieldItems: readonly Completion[] = fields.map(({ names, meaning, example }) => ({
  text: names[0] ?? '',
  meaning: `${meaning}: ${example}`,
}));

const item = ({ name, meaning }: Word): Completion => ({ text: name, meaning });
const wordItems: readonly Completion[] = [
  ...[...families, ...operations].map(item),
  { text: 'failed', meaning: 'the request was not done' },
  ...flags.map(item),
  ...factWords.map(item),
];
const beginnings: readonly Completion[] = [
  ...fieldItems,
  ...wordItems,
  { text: 'not', meaning: 'the opposite of what follows' },
];

/** What fits at `cursor` of `text`, best first; no items when nothing is worth saying. */
export function completions(text: string, cursor: number): Completions {
  const before = text.slice(0, cursor);
  const prefix = /[\wµ-]*$/.exec(before)?.[0] ?? '';
  const from = cursor - prefix.length;
  const to = cursor + (/^[\w-]*/.exec(text.slice(cursor))?.[0].length ?? 0);
  const choices = choicesAfter(before.slice(0, from));
  const wanted = prefix.toLowerCase();
  const begins = choices.filter((one) => one.text.toLowerCase().startsWith(wanted));
  const has = choices.filter(
    (one) => !begins.includes(one) && wanted.length > 1 && one.text.toLowerCase().includes(wanted),
  );
  const items = [...begins, ...has].slice(0, MOST);
  const isDone = items.length === 1 && items[0]?.text.toLowerCase() === wanted;
  return { from, to, items: isDone ? [] : items };
}

const valuePlace =
  /(\w+)\s*(?:==?|!=|<>|\b(?:not\s+)?in\b|\bhas\b|\bany\b|\bis\b|\beq\b|\bne\b)\s*(?:[{(][^(){}]*|(?:[\w-]+\s*\|\s*)*)$/i;

function choicesAfter(before: string): readonly Completion[] {
  const value = valuePlace.exec(before)?.[1];
  const field = value === undefined ? undefined : fieldNamed(value);
  if (field) return valuesOf(field);
  if (/(?:[<>]=?|==?|!=|\.\.|\bcontains)\s*$/i.test(before)) return [];
  const lone = /(?:^|[\s(!])([a-z]+)\s+$/i.exec(before)?.[1];
  const named = lone === undefined ? undefined : fieldNamed(lone);
  if (named) return operatorsOf[named.kind.type];
  const isOpen = /(?:^|[(!]|&&?|\|\||\b(?:and|or|not))\s*$/i.test(before);
  return isOpen ? beginnings : [...joints, ...beginnings];
}

function valuesOf(field: Field): readonly Completion[] {
  switch (field.kind.type) {
    case 'word':
      return field.kind.words.map(item);
    case 'flags':
      return [...flags.map(item), { text: 'none', meaning: 'no flag at all' }];
    case 'number':
    case 'payload':
      return [];
  }
}
