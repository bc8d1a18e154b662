/**
 * Sequences as bits: ten million requests in a row take 1.3 MB. Sequences of a
 * file made by anybody may lie anywhere; a set of far more parts than a trace
 * has loses the lowest.
 */

const PART_BITS = 32_768;
const PART_WORDS = PART_BITS / 32;
/** 16 MiB: 134 million sequences in a row. */
const MOST_PARTS = 4096;

interface Part {
  readonly words: Uint32Array;
  count: number;
}

export class SequenceSet {
  readonly #parts = new Map<number, Part>();
  /** Numbers of the parts, ascending. */
  readonly #order: number[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(sequence: number): boolean {
    const part = this.#parts.get(Math.floor(sequence / PART_BITS));
    if (!part) return false;
    const bit = sequence % PART_BITS;
    return (((part.words[bit >>> 5] ?? 0) >>> (bit & 31)) & 1) === 1;
  }

  /** Returns the lowest sequence that can be in the set from now on: 0, or behind what had to go. */
  add(sequence: number): number {
    const number = Math.floor(sequence / PART_BITS);
    const part = this.#parts.get(number) ?? this.#newPart(number);
    const bit = sequence % PART_BITS;
    const word = part.words[bit >>> 5] ?? 0;
    const mask = 1 << (bit & 31);
    if ((word & mask) === 0) {
      part.words[bit >>> 5] = word | mask;
      part.count++;
      this.#size++;
    }
    return this.#order.length > MOST_PARTS ? this.#dropLowest() : 0;
  }

  delete(sequence: number): void {
    if (!this.has(sequence)) return;
    const number = Math.floor(sequence / PART_BITS);
    const part = this.#parts.get(number);
    if (!part) return;
    const bit = sequence % PART_BITS;
    part.words[bit >>> 5] = (part.words[bit >>> 5] ?? 0) & ~(1 << (bit & 31));
    part.count--;
    this.#size--;
    if (part.count === 0) this.#remove(number);
  }

  /** Forgets those below `sequence`. */
  deleteBelow(sequence: number): void {
    const last = Math.floor(sequence / PART_BITS);
    for (let number = this.#order[0]; number !== undefined && number < last;) {
      this.#remove(number);
      number = this.#order[0];
    }
    for (let one = last * PART_BITS; one < sequence; one++) this.delete(one);
  }

  /** Up to `most`, highest first. */
  highest(most: number): number[] {
    const found: number[] = [];
    for (let index = this.#order.length - 1; index >= 0 && found.length < most; index--) {
      const number = this.#order[index] ?? 0;
      const words = this.#parts.get(number)?.words;
      for (let at = PART_WORDS - 1; at >= 0 && found.length < most; at--) {
        let word = (words?.[at] ?? 0) >>> 0;
        while (word !== 0 && found.length < most) {
          const bit = 31 - Math.clz32(word);
          found.push(number * PART_BITS + at * 32 + bit);
          word = (word & ~(1 << bit)) >>> 0;
        }
      }
    }
    return found;
  }

  #newPart(number: number): Part {
    const part = { words: new Uint32Array(PART_WORDS), count: 0 };
    this.#parts.set(number, part);
    // Filters run from the oldest row to the newest: mostly it is the last.
    let place = this.#order.length;
    while (place > 0 && (this.#order[place - 1] ?? 0) > number) place--;
    this.#order.splice(place, 0, number);
    return part;
  }

  #remove(number: number): void {
    this.#size -= this.#parts.get(number)?.count ?? 0;
    this.#parts.delete(number);
    this.#order.splice(this.#order.indexOf(number), 1);
  }

  #dropLowest(): number {
    const [number = 0] = this.#order;
    this.#remove(number);
    return (number + 1) * PART_BITS;
  }
}
