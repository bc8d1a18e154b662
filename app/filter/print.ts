/** A filter as text that means the same: `parseFilter(printFilter(filter))` is `filter`. */
import type { Filter, NumberField, Range } from './filter';

const fieldNames: Readonly<Record<NumberField, string>> = {
  sector: 'sector',
  start: 'start',
  end: 'end',
  length: 'len',
  latency: 'latency',
  wait: 'wait',
  time: 'time',
  sequence: 'seq',
  queue: 'queue',
  depth: 'depth',
};

const wordNames = { operation: 'op', result: 'result', route: 'route' } as const;
const matches = { all: 'has', any: 'any', exactly: '==' } as const;

/** Also a key: equal texts are equal filters. */
export function printFilter(filter: Filter | null): string {
  return filter === null ? '' : print(filter);
}

function print(filter: Filter): string {
  switch (filter.kind) {
    case 'and':
      return `${inAnd(filter.left, true)} && ${inAnd(filter.right, false)}`;
    case 'or':
      return `${print(filter.left)} || ${inOr(filter.right)}`;
    case 'not':
      return `!(${print(filter.filter)})`;
    case 'number':
      return `${fieldNames[filter.field]} in {${filter.ranges.map((range) => printRange(range, isTime(filter.field))).join(', ')}}`;
    case 'word':
      return `${wordNames[filter.field]} in {${filter.words.join(', ')}}`;
    case 'flags':
      return `flags ${matches[filter.match]} 0x${(filter.flags >>> 0).toString(16)}`;
    case 'fact':
      return filter.fact;
    case 'payload':
      return `payload contains ${filter.bytes}`;
  }
}

const isTime = (field: NumberField): boolean =>
  field === 'latency' || field === 'wait' || field === 'time';

function printRange({ low, high }: Range, hasTime: boolean): string {
  const side = (value: number): string =>
    Number.isFinite(value) ? `${value}${hasTime ? 'ns' : ''}` : '';
  return low === high ? side(low) : `${side(low)}..${side(high)}`;
}

/** `and` binds closer than `or`, and both lean to the left. */
function inAnd(filter: Filter, isLeft: boolean): string {
  const isLoose = filter.kind === 'or' || (filter.kind === 'and' && !isLeft);
  return isLoose ? `(${print(filter)})` : print(filter);
}

function inOr(filter: Filter): string {
  return filter.kind === 'or' ? `(${print(filter)})` : print(filter);
}
