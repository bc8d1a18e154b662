/**
 * The little language that formats are written in. A layout is a list of
 * fields; each has a place, a size, a name and a meaning. `readFields` turns a
 * layout and bytes into nodes. Fields that the bytes do not reach are left out.
 */
import type { ByteView, Endianness } from './byte-view';
import type { StructureNode } from './structure';

/** What a field's bytes say. */
export interface FieldValue {
  readonly value: string;
  readonly meaning?: string;
  readonly isWrong?: boolean;
  readonly children?: () => readonly StructureNode[];
}

export interface Field {
  /** Byte offset in the structure. */
  readonly at: number;
  readonly size: number;
  readonly name: string;
  /** `view` is the whole structure, so that a meaning can depend on other fields. */
  readonly read: (view: ByteView, at: number) => FieldValue;
}

export type Layout = readonly Field[];

/** A meaning in words, or how to make one of the value and the structure around it. */
export type Meaning<Value> = string | ((value: Value, view: ByteView) => string);

function meaningOf<Value>(meaning: Meaning<Value> | undefined, value: Value, view: ByteView) {
  return typeof meaning === 'function' ? meaning(value, view) : (meaning ?? '');
}

export function readFields(view: ByteView, layout: Layout): readonly StructureNode[] {
  const nodes: StructureNode[] = [];
  for (const { at, size, name, read } of layout) {
    if (!view.has(at, size)) continue;
    const { value, meaning = '', isWrong, children } = read(view, at);
    nodes.push({
      name,
      offset: view.start + at,
      length: size,
      value,
      meaning,
      ...(isWrong === true ? { isWrong } : {}),
      ...(children ? { children } : {}),
    });
  }
  return nodes;
}

export const hexNumber = (value: number | bigint, digits = 1): string =>
  `0x${value.toString(16).padStart(digits, '0')}`;

/** Names of the bits set in `value`; a bit without a name is told by its number. */
export function bitNames(
  value: number | bigint,
  names: Readonly<Record<number, string>>,
): readonly string[] {
  const set: string[] = [];
  const bits = BigInt(value);
  for (let bit = 0; bit < 64; bit++) {
    if ((bits >> BigInt(bit)) & 1n) set.push(names[bit] ?? `bit ${bit}`);
  }
  return set;
}

const quoted = (text: string): string => JSON.stringify(text);

/** Seconds since 1970 as "2026-11-22 10:41:14 UTC"; 0 is "never". */
export function unixTime(seconds: number): string {
  if (seconds === 0) return 'never';
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return 'no date';
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** A time as a field: the date is what one reads, the number what is there. */
export const dated = (time: string, number: string, about = ''): FieldValue => ({
  value: time,
  meaning: about === '' ? number : `${about}; ${number}`,
});

function unsigned(order: Endianness, size: 1 | 2 | 4) {
  return (view: ByteView, at: number): number => {
    if (size === 1) return view.u8(at);
    return size === 2 ? view.u16(at, order) : view.u32(at, order);
  };
}

/** Makers of fields, in one byte order. */
export function fieldsIn(order: Endianness) {
  /** A field of `size` bytes, and what its number says. */
  const sized = (
    size: 1 | 2 | 4,
    at: number,
    name: string,
    show: (value: number, view: ByteView) => FieldValue,
  ): Field => {
    const get = unsigned(order, size);
    return { at, size, name, read: (view, place) => show(get(view, place), view) };
  };
  const number =
    (size: 1 | 2 | 4, isHex: boolean) =>
    (at: number, name: string, meaning?: Meaning<number>): Field =>
      sized(size, at, name, (value, view) => ({
        value: isHex ? hexNumber(value, size * 2) : String(value),
        meaning: meaningOf(meaning, value, view),
      }));
  const wide =
    (isHex: boolean) =>
    (at: number, name: string, meaning?: Meaning<bigint>): Field => ({
      at,
      size: 8,
      name,
      read: (view, place) => {
        const value = view.u64(place, order);
        return {
          value: isHex ? hexNumber(value, 16) : String(value),
          meaning: meaningOf(meaning, value, view),
        };
      },
    });
  const choice =
    (size: 1 | 2 | 4) =>
    (at: number, name: string, words: Readonly<Record<number, string>>): Field =>
      sized(size, at, name, (value) => ({
        value: String(value),
        meaning: words[value] ?? 'no value that is known',
      }));
  const flags =
    (size: 1 | 2 | 4) =>
    (at: number, name: string, bits: Readonly<Record<number, string>>): Field =>
      sized(size, at, name, (value) => ({
        value: hexNumber(value, size * 2),
        meaning: bitNames(value, bits).join(' '),
      }));
  return {
    u8: number(1, false),
    u16: number(2, false),
    u32: number(4, false),
    u64: wide(false),
    x8: number(1, true),
    x16: number(2, true),
    x32: number(4, true),
    x64: wide(true),
    enum8: choice(1),
    enum16: choice(2),
    enum32: choice(4),
    flags8: flags(1),
    flags16: flags(2),
    flags32: flags(4),
    time32: (at: number, name: string, about = ''): Field => ({
      at,
      size: 4,
      name,
      read: (view, place) => {
        const seconds = view.u32(place, order);
        return dated(unixTime(seconds), `${seconds} s`, about);
      },
    }),
    utf16: (at: number, size: number, name: string, about = ''): Field => ({
      at,
      size,
      name,
      read: (view, place) => ({ value: quoted(view.utf16(place, size, order)), meaning: about }),
    }),
  };
}

/** Text, in quotes. */
export const text = (at: number, size: number, name: string, about = ''): Field => ({
  at,
  size,
  name,
  read: (view, place) => ({ value: quoted(view.text(place, size).trimEnd()), meaning: about }),
});

export const uuid = (at: number, name: string, about = ''): Field => ({
  at,
  size: 16,
  name,
  read: (view, place) => ({ value: view.uuid(place), meaning: about }),
});

export const guid = (
  at: number,
  name: string,
  words: Readonly<Record<string, string>> = {},
): Field => ({
  at,
  size: 16,
  name,
  read: (view, place) => {
    const value = view.guid(place);
    return { value, meaning: words[value] ?? '' };
  },
});

const SHOWN_BYTES = 16;

/** Bytes as they are. */
export const raw = (at: number, size: number, name: string, about = ''): Field => ({
  at,
  size,
  name,
  read: (view, place) => {
    if (size > SHOWN_BYTES && view.isZero(place, size)) return { value: 'zeroes', meaning: about };
    const more = size > SHOWN_BYTES ? '…' : '';
    return { value: view.hex(place, Math.min(size, SHOWN_BYTES)) + more, meaning: about };
  },
});

/** A field whose reading is its own. */
export const custom = (
  at: number,
  size: number,
  name: string,
  read: (view: ByteView, at: number) => FieldValue,
): Field => ({ at, size, name, read });

/** A checksum and what it should be; `expected` null where that cannot be told. */
export const checksum = (
  at: number,
  size: 2 | 4,
  name: string,
  order: Endianness,
  expected: (view: ByteView) => number | null,
): Field => ({
  at,
  size,
  name,
  read: (view, place) => {
    const value = unsigned(order, size)(view, place);
    const wanted = expected(view);
    const isWrong = wanted !== null && wanted !== value;
    const shown = hexNumber(value, size * 2);
    if (wanted === null) return { value: shown, meaning: 'checksum, not checked' };
    return isWrong
      ? { value: shown, meaning: `should be ${hexNumber(wanted, size * 2)}`, isWrong }
      : { value: shown, meaning: 'right' };
  },
});
