/**
 * Which payloads have which bytes. A filter asks while it runs and cannot wait:
 * what is not known yet counts as no, is looked up afterwards, and the filter
 * runs again over those rows.
 */

import { SequenceSet } from './sequence-set';

/** The payload of a request, or null when it is no longer kept. */
export type ReadPayload = (sequence: number) => Promise<Uint8Array | null>;

/** Payloads read at the same time. */
const READ_AT_ONCE = 16;

/** What is asked of payloads, and known: a bit a request. */
interface Pattern {
  readonly asked: SequenceSet;
  readonly known: SequenceSet;
  /** Of what is known: those that have the bytes. */
  readonly having: SequenceSet;
}

export class PayloadAnswers {
  readonly #patterns = new Map<string, Pattern>();
  /** Payloads leave oldest first: requests below this one have none any more. */
  #goneBelow = 0;
  #gone = 0;

  /** Payloads that were asked for and were no longer kept. */
  get gone(): number {
    return this.#gone;
  }

  /** Payloads of requests before this sequence are not looked into: they are no longer kept. 0: all are. */
  get goneBefore(): number {
    return this.#goneBelow;
  }

  /** Payloads that were asked for and not looked up yet. */
  get open(): number {
    let open = 0;
    for (const { asked } of this.#patterns.values()) open = Math.max(open, asked.size);
    return open;
  }

  get isComplete(): boolean {
    return this.open === 0;
  }

  /** For FilterContext.hasPayload. */
  has(sequence: number, pattern: string): boolean {
    const { asked, known, having } = this.#of(pattern);
    // A yes outlasts its payload.
    if (having.has(sequence)) return true;
    if (sequence < this.#goneBelow || known.has(sequence)) return false;
    const lowest = asked.add(sequence);
    if (lowest > 0) this.#leave(lowest);
    return false;
  }

  /**
   * Looks up to `most` of what was asked for up, newest first, since the oldest
   * have most likely gone. Returns the sequences that are now known.
   */
  async lookUp(read: ReadPayload, most = Infinity): Promise<readonly number[]> {
    const found: number[] = [];
    while (found.length < most) {
      const part = this.#newest(Math.min(READ_AT_ONCE, most - found.length));
      if (part.length === 0) break;
      const payloads = await Promise.all(part.map((sequence) => read(sequence)));
      part.forEach((sequence, index) => this.#learn(sequence, payloads[index] ?? null));
      found.push(...part);
    }
    return found;
  }

  #of(pattern: string): Pattern {
    const known = this.#patterns.get(pattern);
    if (known) return known;
    const made = {
      asked: new SequenceSet(),
      known: new SequenceSet(),
      having: new SequenceSet(),
    };
    this.#patterns.set(pattern, made);
    return made;
  }

  /** Up to `most` of what was asked for, newest first. */
  #newest(most: number): readonly number[] {
    const all = new Set<number>();
    for (const { asked } of this.#patterns.values()) {
      for (const sequence of asked.highest(most)) all.add(sequence);
    }
    return [...all].sort((left, right) => right - left).slice(0, most);
  }

  /** What is below `sequence` need not be asked for any more, nor remembered but for what has the bytes. */
  #leave(sequence: number): void {
    if (sequence <= this.#goneBelow) return;
    this.#goneBelow = sequence;
    let gone = 0;
    for (const { asked, known } of this.#patterns.values()) {
      const before = asked.size;
      asked.deleteBelow(sequence);
      known.deleteBelow(sequence);
      gone = Math.max(gone, before - asked.size);
    }
    this.#gone += gone;
  }

  #learn(sequence: number, payload: Uint8Array | null): void {
    if (payload === null) {
      this.#leave(sequence + 1);
      return;
    }
    let lowest = 0;
    for (const [pattern, { asked, known, having }] of this.#patterns) {
      if (!asked.has(sequence)) continue;
      asked.delete(sequence);
      lowest = Math.max(lowest, known.add(sequence));
      if (hasBytes(payload, pattern)) having.add(sequence);
    }
    if (lowest > 0) this.#leave(lowest);
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
