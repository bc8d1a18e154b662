/** Counting and finding the bits of a bitmap. */

export function bitsIn(word: number): number {
  let count = word - ((word >>> 1) & 0x5555_5555);
  count = (count & 0x3333_3333) + ((count >>> 2) & 0x3333_3333);
  return Math.imul((count + (count >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

/** How many bits are set in [0, end). */
export function bitsBefore(bits: Uint32Array, end: number): number {
  const last = end >>> 5;
  let count = 0;
  for (let word = 0; word < last; word++) count += bitsIn(bits[word] ?? 0);
  const rest = end & 31;
  return rest === 0 ? count : count + bitsIn((bits[last] ?? 0) & ((1 << rest) - 1));
}

/** Where the bit is that has `before` bits set before it; the end of the bitmap if there is none. */
export function nthBit(bits: Uint32Array, before: number): number {
  let left = before;
  for (let word = 0; word < bits.length; word++) {
    let value = bits[word] ?? 0;
    const count = bitsIn(value);
    if (count <= left) {
      left -= count;
      continue;
    }
    for (; left > 0; left--) value &= value - 1;
    return word * 32 + (31 - Math.clz32(value & -value));
  }
  return bits.length * 32;
}
