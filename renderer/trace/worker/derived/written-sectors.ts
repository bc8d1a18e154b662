/**
 * Which sectors have been written, and what was written again, by the parts of a
 * trace: a new part follows the others, the oldest one leaves, and neither costs
 * more than the writes of one part. For each granule (a power of two sectors) the
 * part is known that wrote it last. Within a part a granule is looked at once,
 * however many writes cover it: each could be as large as the disk.
 */
const MOST_GRANULES = 2 ** 22;

/** Successful writes in order: first group of `unit` sectors, and the one behind the last, by turns. */
export interface Writes {
  readonly groups: Uint32Array;
  readonly unit: number;
}

/** Of one part that is settled: what would be gone without it. */
interface Settled {
  /** Granules it was the last to write. */
  granules: number;
  /** Writes, of its own and of later parts, that touched what it had written last. */
  overwrites: number;
}

export class WrittenSectors {
  /** Sectors that are told apart. */
  readonly granule: number;
  /** The serial number of the settled part that wrote a granule last. */
  readonly #last: Uint32Array;
  /** The round (a `settle` or `count`) in which a granule was written. */
  readonly #seen: Uint32Array;
  /** Of those of this round: none before this one has not been written in it. */
  readonly #next: Uint32Array;
  #round = 0;
  /** The serial number of the oldest part that is there; 0 is never one. */
  #first = 1;
  readonly #settled: Settled[] = [];
  #granules = 0;
  #overwrites = 0;

  /** For sectors below `end`, all writes at multiples of `alignment` sectors. */
  constructor(end: number, alignment: number) {
    const { granule, granules } = WrittenSectors.shape(end, alignment);
    this.granule = granule;
    this.#last = new Uint32Array(granules);
    this.#seen = new Uint32Array(granules);
    this.#next = new Uint32Array(granules);
  }

  /** How a set for sectors below `end` is made; sets of one shape hold the same. */
  static shape(end: number, alignment: number): { granule: number; granules: number } {
    let granule = alignment;
    while (end / granule > MOST_GRANULES) granule *= 2;
    return { granule, granules: 2 ** Math.ceil(Math.log2(Math.max(32, end / granule))) };
  }

  /** Another part, behind those that are settled. */
  settle({ groups, unit }: Writes): void {
    const first = this.#first;
    const settled = this.#settled;
    const serial = first + settled.length;
    const own: Settled = { granules: 0, overwrites: 0 };
    settled.push(own);
    const last = this.#last;
    this.#round++;
    let touched = 0;
    let again = 0;
    for (let at = 0; at < groups.length; at += 2) {
      const from = this.#firstGranule((groups[at] ?? 0) * unit);
      const to = this.#endGranule((groups[at + 1] ?? 0) * unit);
      let newest = 0;
      const touchedBefore = touched;
      for (let granule = this.#unseen(from); granule < to; granule = this.#unseen(granule + 1)) {
        const before = last[granule] ?? 0;
        this.#see(granule, to);
        last[granule] = serial;
        touched++;
        // Never written, or by a part that has left.
        if (before < first) continue;
        again++;
        const part = settled[before - first];
        if (part) part.granules--;
        if (before > newest) newest = before;
      }
      // The others are of this part.
      if (touched - touchedBefore < to - from) newest = serial;
      if (newest === 0) continue;
      const written = settled[newest - first];
      if (written) written.overwrites++;
      this.#overwrites++;
    }
    own.granules += touched;
    this.#granules += touched - again;
  }

  /** The oldest settled part leaves. */
  leave(): void {
    const gone = this.#settled.shift();
    if (!gone) return;
    this.#first++;
    this.#granules -= gone.granules;
    this.#overwrites -= gone.overwrites;
  }

  /** Sectors written at least once, and writes that touched such: of the settled parts, and `parts` behind them. */
  count(parts: readonly Writes[]): { sectors: number; overwrites: number } {
    this.#round++;
    const last = this.#last;
    let granules = this.#granules;
    let overwrites = this.#overwrites;
    for (const { groups, unit } of parts) {
      for (let at = 0; at < groups.length; at += 2) {
        const from = this.#firstGranule((groups[at] ?? 0) * unit);
        const to = this.#endGranule((groups[at + 1] ?? 0) * unit);
        let fresh = 0;
        for (let granule = this.#unseen(from); granule < to; granule = this.#unseen(granule + 1)) {
          this.#see(granule, to);
          if ((last[granule] ?? 0) < this.#first) fresh++;
        }
        granules += fresh;
        if (fresh < to - from) overwrites++;
      }
    }
    return { sectors: granules * this.granule, overwrites };
  }

  /** `granule`, or the first behind it that was not written in this round. */
  #unseen(granule: number): number {
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

  /** By a write that ends before the granule `end`, and leaves none out. */
  #see(granule: number, end: number): void {
    this.#seen[granule] = this.#round;
    this.#next[granule] = end;
  }

  #firstGranule(sector: number): number {
    return Math.floor(sector / this.granule);
  }

  #endGranule(end: number): number {
    return Math.ceil(end / this.granule);
  }
}
