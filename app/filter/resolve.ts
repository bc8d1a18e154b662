/** From what was written to what it means: fields, words and units, and what is wrong with them. */
import { fieldNamed, factWords, fields, type Field } from './fields';
import type { Filter, Range } from './filter';
import type {
  BytesNode,
  NumberNode,
  Operator,
  SyntaxNode,
  TextNode,
  ValueNode,
  WordNode,
} from './grammar.gen';
import { nearest } from './nearest';
import { readNumber, type Unit } from './numbers';
import { Wrong } from './wrong';
import { families, flags, operations, results, routes } from './words';

type CompareNode = Extract<SyntaxNode, { kind: 'compare' }>;
type ContainsNode = Extract<SyntaxNode, { kind: 'contains' }>;

export function resolve(node: SyntaxNode): Filter {
  switch (node.kind) {
    case 'and':
    case 'or':
      return { kind: node.kind, left: resolve(node.left), right: resolve(node.right) };
    case 'not':
      return { kind: 'not', filter: resolve(node.filter) };
    case 'sectors':
      return { kind: 'number', field: 'sector', ranges: rangesOf('sectors', node.value) };
    case 'bare':
      return bareWord(node.word);
    case 'contains':
      return contains(node);
    case 'compare':
      return compare(node);
  }
}

const negated = (isNot: boolean, filter: Filter): Filter =>
  isNot ? { kind: 'not', filter } : filter;

const spelled = (word: WordNode): string => word.text.trim().toLowerCase().replaceAll(' ', '-');

function named(words: readonly { readonly name: string }[], word: string): string | null {
  return words.find(({ name }) => name.toLowerCase() === word)?.name ?? null;
}

/** A word alone: an operation, a flag, a result, or a fact. */
function bareWord(node: WordNode): Filter {
  const word = spelled(node);
  const operation = named([...families, ...operations], word);
  if (operation !== null) return { kind: 'word', field: 'operation', words: [operation] };
  const flag = flags.find(({ name }) => name === word);
  if (flag) return { kind: 'flags', match: 'all', flags: flag.bit };
  const fact = factWords.find(({ name }) => name === word);
  if (fact) return { kind: 'fact', fact: fact.fact };
  if (word === 'payload') return { kind: 'fact', fact: 'kept' };
  if (word === 'failed' || word === 'error')
    return { kind: 'not', filter: { kind: 'word', field: 'result', words: ['ok'] } };
  const result = named(results, word);
  if (result !== null) return { kind: 'word', field: 'result', words: [result] };
  const route = named(routes, word);
  if (route !== null) return { kind: 'word', field: 'route', words: [route] };
  const field = fieldNamed(word);
  if (field) throw new Wrong(`Say what ${node.text} shall be, for instance ${field.example}`, node);
  const known = [families, operations, flags, factWords, results, routes].flatMap((list) =>
    list.map(({ name }) => name),
  );
  const guess = nearest(word, [...known, ...fields.flatMap(({ names }) => names)]);
  throw new Wrong(`"${node.text}" is no word of the filter language${suggestion(guess)}`, node);
}

const suggestion = (guess: string | null): string =>
  guess === null ? '' : `; did you mean ${guess}?`;

function fieldOf(node: WordNode): Field {
  const field = fieldNamed(node.text);
  if (field) return field;
  const guess = nearest(
    node.text.toLowerCase(),
    fields.flatMap(({ names }) => names),
  );
  const hint = suggestion(guess) || `: there are ${fields.map(({ names }) => names[0]).join(', ')}`;
  throw new Wrong(`There is no field "${node.text}"${hint}`, node);
}

function contains(node: ContainsNode): Filter {
  const { kind } = fieldOf(node.field);
  if (kind.type !== 'payload')
    throw new Wrong('Only a payload contains bytes: payload contains 53 ef', node.field);
  const bytes = bytesOf(node.value);
  if (bytes === '') throw new Wrong('Say which bytes, for instance 53 ef or "text"', node.value);
  return { kind: 'payload', bytes };
}

function bytesOf(node: TextNode | BytesNode | WordNode): string {
  if (node.kind === 'bytes') return node.digits.toLowerCase();
  return Array.from(new TextEncoder().encode(node.text), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}

function compare(node: CompareNode): Filter {
  const { kind, names, example } = fieldOf(node.field);
  const { operator, value } = node;
  switch (kind.type) {
    case 'number':
      if (operator === 'has' || operator === 'any')
        throw new Wrong(`Compare ${node.field.text} with a number: ${example}`, node);
      return negated(operator === '!=' || operator === 'not in', {
        kind: 'number',
        field: kind.field,
        ranges: numberRanges(kind.unit, operator, value),
      });
    case 'word': {
      if (!['==', '!=', 'in', 'not in'].includes(operator))
        throw new Wrong(`${node.field.text} can be == or != a word: ${example}`, node);
      const words = membersOf(value).map((member) => wordOf(kind.field, kind.words, member));
      const filter: Filter = { kind: 'word', field: kind.field, words: [...new Set(words)] };
      return negated(operator === '!=' || operator === 'not in', filter);
    }
    case 'flags':
      return flagsFilter(operator, value);
    case 'payload':
      throw new Wrong(`Write: ${names[0] ?? ''} contains 53 ef`, node);
  }
}

type Member = NumberNode | WordNode;

/** The words or numbers of a value that is one, or a set. */
function membersOf(value: ValueNode): readonly Member[] {
  const members = value.kind === 'set' ? value.members : [value];
  return members.map((member): Member => {
    if (member.kind === 'word' || member.kind === 'number') return member;
    throw new Wrong('A word belongs here', member);
  });
}

type WordKind = Extract<Field['kind'], { type: 'word' }>;

function wordOf(field: WordKind['field'], words: WordKind['words'], member: Member): string {
  if (member.kind === 'number') {
    const { value } = readNumber(member, 'count');
    const prefix = { operation: 'op', result: 'errno', route: 'route' }[field];
    return canonical(field, `${prefix}-${value}`);
  }
  const word = spelled(member);
  if (/^(op|errno|route)-\d+$/.test(word)) return canonical(field, word);
  const name = named(words, word);
  if (name !== null) return name;
  const guess = nearest(
    word,
    words.map((known) => known.name),
  );
  const known = words.slice(0, 6).map((one) => one.name);
  throw new Wrong(
    `"${member.text}" is no ${field}${suggestion(guess) || `: write ${known.join(', ')} …`}`,
    member,
  );
}

/** Numbers are kept as they were written, though they may have a name. */
function canonical(field: WordKind['field'], word: string): string {
  return field === 'result' && word === 'errno-0' ? 'ok' : word;
}

function flagsFilter(operator: Operator, value: ValueNode): Filter {
  const members = membersOf(value);
  let bits = 0;
  for (const member of members) {
    if (member.kind === 'number') bits |= flagBits(member);
    else if (spelled(member) !== 'none') bits |= flagBit(member);
  }
  bits >>>= 0;
  // All of no flags would be in any: "has none" means none.
  const isNone = bits === 0 && members.every(({ kind }) => kind === 'word');
  switch (operator) {
    case 'has':
      return { kind: 'flags', match: isNone ? 'exactly' : 'all', flags: bits };
    case 'in':
    case 'any':
      return { kind: 'flags', match: 'any', flags: bits };
    case 'not in':
      return { kind: 'not', filter: { kind: 'flags', match: 'any', flags: bits } };
    case '==':
      return { kind: 'flags', match: 'exactly', flags: bits };
    case '!=':
      return { kind: 'not', filter: { kind: 'flags', match: 'exactly', flags: bits } };
    default:
      throw new Wrong('Flags have no order: flags has fua, flags any {fua, sync}', value);
  }
}

function flagBits(node: NumberNode): number {
  const { value } = readNumber(node, 'count');
  if (value > 0xffff_ffff) throw new Wrong('Flags have 32 bits', node);
  return value;
}

function flagBit(node: WordNode): number {
  const word = spelled(node).replaceAll('-', '_').replace(/^req_/, '');
  const flag = flags.find(({ name }) => name === word);
  if (flag) return flag.bit;
  const guess = nearest(
    word,
    flags.map(({ name }) => name),
  );
  throw new Wrong(`"${node.text}" is no flag${suggestion(guess)}`, node);
}

function numberRanges(unit: Unit, operator: Operator, value: ValueNode): readonly Range[] {
  if (operator === '==' || operator === '!=' || operator === 'in' || operator === 'not in')
    return rangesOf(unit, value);
  if (value.kind !== 'number') throw new Wrong('A number belongs here', value);
  const { value: bound } = readNumber(value, unit, false);
  switch (operator) {
    case '<':
      if (bound === 0) throw new Wrong('Nothing is less than 0', value);
      return [{ low: -Infinity, high: Math.ceil(bound) - 1 }];
    case '<=':
      return [{ low: -Infinity, high: Math.floor(bound) }];
    case '>':
      return [{ low: Math.floor(bound) + 1, high: Infinity }];
    default:
      return [{ low: Math.ceil(bound), high: Infinity }];
  }
}

function rangesOf(unit: Unit, value: ValueNode): readonly Range[] {
  switch (value.kind) {
    case 'number': {
      const only = readNumber(value, unit).value;
      return [{ low: only, high: only }];
    }
    case 'run': {
      const low = readNumber(value.low, unit).value;
      const count = readNumber(value.count, unit).value;
      if (count === 0) throw new Wrong('A range of nothing', value.count);
      return [{ low, high: low + count - 1 }];
    }
    case 'range': {
      // "1..2M" means 1M..2M to nobody: each end has its own unit. "1..5ms" does.
      const low = value.low && readNumber(inUnitOf(value.low, value.high, unit), unit).value;
      const high = value.high && readNumber(value.high, unit).value;
      if (low === null && high === null) throw new Wrong('A range needs an end: 2048..', value);
      if (low !== null && high !== null && high < low)
        throw new Wrong(`The range ends (${high}) before it begins (${low})`, value.high ?? value);
      return [{ low: low ?? -Infinity, high: high ?? Infinity }];
    }
    case 'set':
      return value.members.flatMap((member) => rangesOf(unit, member));
    default:
      throw new Wrong(`A number belongs here, not "${value.text}"`, value);
  }
}

function inUnitOf(node: NumberNode, other: NumberNode | null, unit: Unit): NumberNode {
  return unit === 'time' && node.unit === '' && other ? { ...node, unit: other.unit } : node;
}
