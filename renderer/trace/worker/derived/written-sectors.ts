/**
 * Which sectors have been written: a bit each, or each group of a power of two
 * sectors where the disk is so large that single ones would take too much.
 */
const MOST_BITS = 2 ** 24;

export class WrittenSectors {
  /** Sectors a bit stands for: 1 for the first 8 GiB. */
  readonly granule: number;
  readonly #words: Uint32Array;
  /** Bits that are set. */
  #set = 0;
  /** Writes that touched a bit that was set. */
  #overwrites = 0;

  /** For sectors below `end`. */
  constructor(end: number) {
    const { granule, words } = WrittenSectors.shape(end);
    this.granule = granule;
    this.#words = new Uint32Array(words);
  }

  /** How a set for sectors below `end` is made; sets of one shape hold the same. */
  static shape(end: number): { granule: number; words: number } {
    let granule = 1;
    while (end / granule > MOST_BITS) granule *= 2;
    return { granule, words: 2 ** Math.ceil(Math.log2(Math.max(32, end / granule))) / 32 };
  }

  get overwrites(): number {
    return this.#overwrites;
  }

  /** Sectors written at least once. */
  get sectors(): number {
    return this.#set * this.granule;
  }

  copy(): WrittenSectors {
    const copy = new WrittenSectors(this.#words.length * 32 * this.granule);
    copy.#words.set(this.#words);
    copy.#set = this.#set;
    copy.#overwrites = this.#overwrites;
    return copy;
  }

  /** A write of the sectors [start, end). */
  add(start: number, end: number): void {
    const first = Math.floor(start / this.granule);
    const last = Math.ceil(end / this.granule) - 1;
    let found = 0;
    for (let word = first >>> 5; word <= last >>> 5; word++) {
      const lowest = word === first >>> 5 ? first & 31 : 0;
      const highest = word === last >>> 5 ? last & 31 : 31;
      const mask = ((0xffff_ffff >>> (31 - highest)) & (0xffff_ffff << lowest)) >>> 0;
      const before = this.#words[word] ?? 0;
      found |= before & mask;
      this.#set += bitCount(mask & ~before);
      this.#words[word] = before | mask;
    }
    if (found !== 0) this.#overwrites++;
  }
}

function bitCount(word: number): number {
  let pairs = word - ((word >>> 1) & 0x5555_5555);
  pairs = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333);
  return Math.imul((pairs + (pairs >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}
