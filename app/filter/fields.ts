/** The fields of the language: what they are called, what their values are, and what to say of them. */
import type { Fact, NumberField, WordField } from './filter';
import { families, operations, results, routes, type Word } from './words';

export type FieldKind =
  | {
      readonly type: 'number';
      readonly field: NumberField;
      readonly unit: 'sectors' | 'bytes' | 'time' | 'count';
    }
  | { readonly type: 'word'; readonly field: WordField; readonly words: readonly Word[] }
  | { readonly type: 'flags' }
  | { readonly type: 'payload' };

export interface Field {
  /** The first is the one shown. */
  readonly names: readonly string[];
  readonly kind: FieldKind;
  readonly meaning: string;
  readonly example: string;
}

type NumberKind = Extract<FieldKind, { type: 'number' }>;

const number = (
  names: readonly string[],
  field: NumberField,
  unit: NumberKind['unit'],
  meaning: string,
  example: string,
): Field => ({ names, kind: { type: 'number', field, unit }, meaning, example });

export const fields: readonly Field[] = [
  {
    names: ['op', 'operation', 'type'],
    kind: { type: 'word', field: 'operation', words: [...families, ...operations] },
    meaning: 'the operation; "write" means every kind of write',
    example: 'op == write',
  },
  number(
    ['sector', 'lba', 'sectors'],
    'sector',
    'sectors',
    'any sector (512 bytes) that the request touches; MiB and GiB count bytes of the disk',
    'sector in 2048..4095',
  ),
  number(['start', 'first'], 'start', 'sectors', 'the first sector of the request', 'start < 1M'),
  number(['end', 'last'], 'end', 'sectors', 'the last sector of the request', 'end >= 4095'),
  number(
    ['len', 'length', 'size', 'bytes'],
    'length',
    'bytes',
    'bytes read, written or concerned: 4096, 64K, 1M, 8s512 (sectors)',
    'len >= 64K',
  ),
  {
    names: ['flags', 'flag'],
    kind: { type: 'flags' },
    meaning: 'what the kernel said about the request',
    example: 'flags has fua',
  },
  number(
    ['latency', 'lat', 'duration'],
    'latency',
    'time',
    'from arrival to completion: 800ns, 20us, 5ms, 1s',
    'latency > 5ms',
  ),
  number(
    ['wait', 'delay'],
    'wait',
    'time',
    'from arrival until the backend was called',
    'wait > 100us',
  ),
  number(
    ['time', 't', 'arrival'],
    'time',
    'time',
    'arrival, since the trace of the disk began',
    'time in 1.5s..2s',
  ),
  number(
    ['seq', 'sequence'],
    'sequence',
    'count',
    'the number of the request on its disk',
    'seq > 1000',
  ),
  number(['queue', 'thread'], 'queue', 'count', 'the engine thread that served it', 'queue == 0'),
  number(
    ['depth', 'qd'],
    'depth',
    'count',
    'requests in flight on arrival, itself included',
    'depth >= 32',
  ),
  {
    names: ['result', 'status', 'res', 'error', 'errno'],
    kind: { type: 'word', field: 'result', words: results },
    meaning: 'how the request ended: ok, error, or an errno',
    example: 'result != ok',
  },
  {
    names: ['route'],
    kind: { type: 'word', field: 'route', words: routes },
    meaning: 'how the request reached the engine',
    example: 'route == dm-user',
  },
  {
    names: ['payload', 'data'],
    kind: { type: 'payload' },
    meaning: 'the bytes that were read or written, as far as they are kept: hexadecimal, or "text"',
    example: 'payload contains 53 ef',
  },
];

const byName = new Map(fields.flatMap((field) => field.names.map((name) => [name, field])));

/** The field that `name` means, in any case of its letters. */
export const fieldNamed = (name: string): Field | undefined => byName.get(name.toLowerCase());

/** Words that say something on their own, beside operations, flags and results. */
export const factWords: readonly (Word & { readonly fact: Fact })[] = [
  { name: 'kept', fact: 'kept', meaning: 'its payload was kept when it completed' },
  { name: 'injected', fact: 'injected', meaning: 'its result was injected, not the disk’s own' },
  { name: 'marked', fact: 'marked', meaning: 'it has a mark or a note of yours' },
];
