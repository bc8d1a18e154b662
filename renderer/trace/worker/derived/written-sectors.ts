/**
 * Which sectors have been written, and what was written again, by the parts of a
 * trace: a part follows the others and grows, the oldest one leaves, and the last
 * writes of the newest ones can be taken back, as late requests come between
 * them. None of it costs more than the writes it is about. For each granule (a
 * power of two sectors) the part is known that wrote it last.
 */
const MOST_GRANULES = 2 ** 22;
/** So many granules of a write are looked at one by one; those of larger ones once a part. */
const SMALL = 64;
/** So many of the newest parts can be taken back: late requests still come into them. */
export const REVERSIBLE = 3;

/** Successful writes in order: first group of `unit` sectors, and the one behind the last, by turns. */
export interface Writes {
  readonly groups: Uint32Array;
  readonly unit: number;
}

/** Numbers one behind the other, the last ones first out. */
class NumberStack {
  #numbers = new Uint32Array(256);
  length = 0;

  push(one: number, two: number, three: number): void {
    if (this.length + 3 > this.#numbers.length) {
      const more = new Uint32Array(2 * this.#numbers.length);
      more.set(this.#numbers);
      this.#numbers = more;
    }
    this.#numbers[this.length++] = one;
    this.#numbers[this.length++] = two;
    this.#numbers[this.length++] = three;
  }

  pop(): number {
    return this.#numbers[--this.length] ?? 0;
  }
}

/** What a part has changed: by turns as it came. */
interface Changes {
  /** Of a write: the part of the newest of what it overwrote (0 for none), how many runs, and 0. */
  readonly writes: NumberStack;
  /** Granules [one, two) that part `three` had written last. */
  readonly runs: NumberStack;
}

export class WrittenSectors {
  /** Sectors that are told apart. */
  readonly granule: number;
  /** The serial number of the part that wrote a granule last. */
  readonly #last: Uint32Array;
  /** The round in which a large write covered a granule: a part, until some of it is taken back. */
  #seen: Uint32Array | null = null;
  /** Of those of this round: none before this one has not been written in it. */
  #next = new Uint32Array(0);
  #round = 0;
  /** The serial number of the oldest part that is there; 0 is never one. */
  #first = 1;
  /** By part, the oldest first: granules it was the last to write. */
  readonly #granulesOf: number[] = [];
  /** By part: writes, of its own and of later parts, of which it had written the newest they touched. */
  readonly #overwritesOf: number[] = [];
  /** By part; null where nothing is taken back any more. */
  readonly #changes: (Changes | null)[] = [];
  #granules = 0;
  #overwrites = 0;

  /** For sectors below `end`, all writes at multiples of `alignment` sectors. */
  constructor(end: number, alignment: number) {
    const { granule, granules } = WrittenSectors.shape(end, alignment);
    this.granule = granule;
    this.#last = new Uint32Array(granules);
  }

  /** How a set for sectors below `end` is made; sets of one shape hold the same. */
  static shape(end: number, alignment: number): { granule: number; granules: number } {
    let granule = alignment;
    while (end / granule > MOST_GRANULES) granule *= 2;
    return { granule, granules: 2 ** Math.ceil(Math.log2(Math.max(32, end / granule))) };
  }

  /** Sectors written at least once. */
  get sectors(): number {
    return this.#granules * this.granule;
  }

  /** Writes that touched what one before them had written. */
  get overwrites(): number {
    return this.#overwrites;
  }

  /** How many of the newest parts can be taken back. */
  get reversible(): number {
    let count = 0;
    while (this.#changes.at(-1 - count)) count++;
    return count;
  }

  /** Another part, without a write so far. `isReversible`: whether its writes may be taken back. */
  begin(isReversible = true): void {
    this.#granulesOf.push(0);
    this.#overwritesOf.push(0);
    this.#changes.push(
      isReversible ? { writes: new NumberStack(), runs: new NumberStack() } : null,
    );
    if (this.#changes.length > REVERSIBLE)
      this.#changes[this.#changes.length - 1 - REVERSIBLE] = null;
    this.#round++;
  }

  /** Adds writes to the newest part: those of `all` from the write `from` on. */
  write({ groups, unit }: Writes, from = 0): void {
    const first = this.#first;
    const own = this.#granulesOf.length - 1;
    const serial = first + own;
    const last = this.#last;
    const granulesOf = this.#granulesOf;
    const changes = this.#changes[own] ?? null;
    for (let at = 2 * from; at < groups.length; at += 2) {
      const start = Math.floor(((groups[at] ?? 0) * unit) / this.granule);
      const end = Math.ceil(((groups[at + 1] ?? 0) * unit) / this.granule);
      const isLarge = end - start > SMALL;
      let newest = 0;
      let fresh = 0;
      let again = 0;
      let runs = 0;
      let runFrom = 0;
      let runTo = 0;
      let runOf = -1;
      for (let granule = isLarge ? this.#unseen(start) : start; granule < end;) {
        const before = last[granule] ?? 0;
        if (before !== serial) {
          last[granule] = serial;
          fresh++;
          // Else never written, or by a part that has left.
          if (before >= first) {
            again++;
            granulesOf[before - first] = (granulesOf[before - first] ?? 0) - 1;
            if (before > newest) newest = before;
          }
          if (changes !== null) {
            if (before !== runOf || granule !== runTo) {
              if (runOf >= 0) changes.runs.push(runFrom, runTo, runOf);
              runs++;
              runFrom = granule;
              runOf = before;
            }
            runTo = granule + 1;
          }
        }
        if (isLarge) {
          this.#see(granule, end);
          granule = this.#unseen(granule + 1);
        } else granule++;
      }
      // The others are of this part.
      if (fresh < end - start) newest = serial;
      granulesOf[own] = (granulesOf[own] ?? 0) + fresh;
      this.#granules += fresh - again;
      if (newest > 0) this.#countOverwrite(newest, 1);
      if (changes === null) continue;
      if (runOf >= 0) changes.runs.push(runFrom, runTo, runOf);
      changes.writes.push(newest, runs, 0);
    }
  }

  /** Takes the last `count` writes of the newest part back, which is reversible. */
  takeBack(count: number): void {
    const changes = this.#changes.at(-1);
    if (!changes || 3 * count > changes.writes.length)
      throw new RangeError(`${count} writes cannot be taken back`);
    const own = this.#granulesOf.length - 1;
    // What large writes have covered is not known any more.
    this.#round++;
    for (let write = 0; write < count; write++) {
      changes.writes.pop();
      let runs = changes.writes.pop();
      const newest = changes.writes.pop();
      if (newest >= this.#first) this.#countOverwrite(newest, -1);
      for (; runs > 0; runs--) {
        const before = changes.runs.pop();
        const to = changes.runs.pop();
        const from = changes.runs.pop();
        this.#last.fill(before, from, to);
        this.#granulesOf[own] = (this.#granulesOf[own] ?? 0) - (to - from);
        if (before < this.#first) this.#granules -= to - from;
        else {
          const at = before - this.#first;
          this.#granulesOf[at] = (this.#granulesOf[at] ?? 0) + (to - from);
        }
      }
    }
  }

  /** The newest part, which is reversible, is gone with its writes. */
  drop(): void {
    this.takeBack((this.#changes.at(-1)?.writes.length ?? 0) / 3);
    this.#granulesOf.pop();
    this.#overwritesOf.pop();
    this.#changes.pop();
  }

  /** The oldest part leaves. */
  leave(): void {
    if (this.#granulesOf.length === 0) return;
    this.#first++;
    this.#changes.shift();
    this.#granules -= this.#granulesOf.shift() ?? 0;
    this.#overwrites -= this.#overwritesOf.shift() ?? 0;
  }

  #countOverwrite(newest: number, by: 1 | -1): void {
    const at = newest - this.#first;
    this.#overwritesOf[at] = (this.#overwritesOf[at] ?? 0) + by;
    this.#overwrites += by;
  }

  /** `granule`, or the first behind it that no large write has covered in this round. */
  #unseen(granule: number): number {
    this.#seen ??= this.#makeSeen();
    const seen = this.#seen;
    const next = this.#next;
    const round = this.#round;
    let found = granule;
    while (seen[found] === round) found = next[found] ?? Infinity;
    // The way is shorter the next time.
    for (let at = granule; at < found;) {
      const step = next[at] ?? Infinity;
      next[at] = found;
      at = step;
    }
    return found;
  }

  #makeSeen(): Uint32Array {
    this.#next = new Uint32Array(this.#last.length);
    return new Uint32Array(this.#last.length);
  }

  /** By a write that ends before the granule `end`, and leaves none out. */
  #see(granule: number, end: number): void {
    if (this.#seen) this.#seen[granule] = this.#round;
    this.#next[granule] = end;
  }
}
