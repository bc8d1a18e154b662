/**
 * Which payloads have which bytes. A filter asks while it runs and cannot wait:
 * what is not known yet counts as no, is looked up afterwards, and the filter
 * runs again over those rows.
 */

/** The payload of a request, or null when it is no longer kept. */
export type ReadPayload = (sequence: number) => Promise<Uint8Array | null>;

/** Payloads read at the same time. */
const READ_AT_ONCE = 16;
/** Far more than are ever kept: of a long trace the oldest need not be asked for. */
const MOST_ASKED = 100_000;
const LEAST_PRUNED = 10_000;

export class PayloadAnswers {
  /** Of each request the patterns asked about, and whether it has them. */
  readonly #known = new Map<number, Map<string, boolean>>();
  readonly #asked = new Map<number, Set<string>>();
  /** One for all times: a new one walks over what was deleted at the front, each time. */
  #oldest = this.#asked.keys();
  /** What was asked for, newest last, as far as `#hasNew` does not say otherwise. */
  #queue: number[] = [];
  #hasNew = false;
  /** Payloads leave oldest first: requests below this one have none any more. */
  #goneBelow = 0;
  #gone = 0;
  #prunedBelow = 0;
  /** Answers known at which it is worth looking for those not needed. */
  #pruneAt = LEAST_PRUNED;

  /** Payloads that were looked up and were no longer kept. */
  get gone(): number {
    return this.#gone;
  }

  /** Payloads of requests before this sequence are not looked into: they are no longer kept. 0: all are. */
  get goneBefore(): number {
    return this.#goneBelow;
  }

  /** Payloads that were asked for and not looked up yet. */
  get open(): number {
    return this.#asked.size;
  }

  get isComplete(): boolean {
    return this.#asked.size === 0;
  }

  /** For FilterContext.hasPayload. */
  has(sequence: number, pattern: string): boolean {
    const known = this.#known.get(sequence)?.get(pattern);
    if (known !== undefined) return known;
    const asked = this.#asked.get(sequence);
    if (asked) asked.add(pattern);
    else if (sequence >= this.#goneBelow) {
      this.#asked.set(sequence, new Set([pattern]));
      this.#hasNew = true;
    }
    if (this.#asked.size > MOST_ASKED) this.#dropOldest();
    return false;
  }

  /** Filters run from the oldest row to the newest. */
  #dropOldest(): void {
    let oldest = this.#oldest.next();
    if (oldest.done) {
      this.#oldest = this.#asked.keys();
      oldest = this.#oldest.next();
    }
    if (oldest.done) return;
    this.#asked.delete(oldest.value);
    this.#goneBelow = Math.max(this.#goneBelow, oldest.value + 1);
  }

  /**
   * Looks up to `most` of what was asked for up, newest first, since the oldest
   * have most likely gone. Returns the sequences that are now known.
   */
  async lookUp(read: ReadPayload, most = Infinity): Promise<readonly number[]> {
    const asked = this.#newest(most);
    const found: number[] = [];
    for (let start = 0; start < asked.length; start += READ_AT_ONCE) {
      const part = asked.slice(start, start + READ_AT_ONCE);
      const payloads = await Promise.all(
        part.map(async ([sequence]) => (sequence < this.#goneBelow ? null : read(sequence))),
      );
      part.forEach(([sequence, patterns], index) => {
        this.#learn(sequence, patterns, payloads[index] ?? null);
        found.push(sequence);
      });
    }
    this.#prune();
    return found;
  }

  /** Up to `most` of what was asked for, newest first. */
  #newest(most: number): [number, ReadonlySet<string>][] {
    if (this.#hasNew) {
      this.#queue = [...this.#asked.keys()].sort((left, right) => left - right);
      this.#hasNew = false;
    }
    const newest: [number, ReadonlySet<string>][] = [];
    while (newest.length < most) {
      const sequence = this.#queue.pop();
      if (sequence === undefined) break;
      const patterns = this.#asked.get(sequence);
      if (patterns) newest.push([sequence, patterns]);
    }
    return newest;
  }

  /** Below what is gone the answer is no without being kept; a yes that was found stays one. */
  #prune(): void {
    if (this.#prunedBelow === this.#goneBelow || this.#known.size < this.#pruneAt) return;
    this.#prunedBelow = this.#goneBelow;
    for (const [sequence, answers] of this.#known) {
      if (sequence < this.#goneBelow && ![...answers.values()].includes(true)) {
        this.#known.delete(sequence);
      }
    }
    this.#pruneAt = Math.max(LEAST_PRUNED, 2 * this.#known.size);
  }

  #learn(sequence: number, patterns: ReadonlySet<string>, payload: Uint8Array | null): void {
    if (payload === null) {
      this.#goneBelow = Math.max(this.#goneBelow, sequence + 1);
      if (!this.#known.has(sequence)) this.#gone++;
    }
    const answers = this.#known.get(sequence) ?? new Map<string, boolean>();
    for (const pattern of patterns) {
      answers.set(pattern, payload !== null && hasBytes(payload, pattern));
    }
    this.#known.set(sequence, answers);
    this.#asked.delete(sequence);
  }
}

/** Whether `bytes` has the bytes of `pattern` (hexadecimal digits) somewhere. */
export function hasBytes(bytes: Uint8Array, pattern: string): boolean {
  const wanted = Uint8Array.from(pattern.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  const [first = 0] = wanted;
  const last = bytes.length - wanted.length;
  for (let at = bytes.indexOf(first); at >= 0 && at <= last; at = bytes.indexOf(first, at + 1)) {
    let length = 1;
    while (length < wanted.length && bytes[at + length] === wanted[length]) length++;
    if (length === wanted.length) return true;
  }
  return false;
}
