/** Which records of a batch pass a filter: the window's own evaluator, over columns. */
import type { DaemonClient } from '../../client/daemon-client';
import { sequence as asSequence, type DiskId } from '../../contract/units';
import { compileFilter, type CompiledFilter } from '../../filter/evaluate';
import type { Filter } from '../../filter/filter';
import { PayloadAnswers, type ReadPayload } from '../../filter/payload-answers';
import { CHUNK_ROWS, CHUNK_WORDS, makeColumns, putRecords } from '../../filter/trace-columns';

/** Bytes of a payload asked for at once. */
const READ_BYTES = 1 << 20;

export interface Passing {
  /** Whether the record at `index` of the batch passes. */
  has(index: number): boolean;
  /** Payloads that the filter asked for and the daemon no longer keeps. */
  readonly gone: number;
}

export class BatchFilter {
  readonly #read: ReadPayload;
  readonly #columns = makeColumns(CHUNK_ROWS);
  readonly #bits = new Uint32Array(CHUNK_WORDS);
  readonly #filter: CompiledFilter;
  #answers = new PayloadAnswers();

  constructor(filter: Filter, read: ReadPayload, epochMonotonicNs: bigint) {
    this.#read = read;
    this.#filter = compileFilter(filter, {
      epochMonotonicNs,
      isMarked: () => false,
      hasPayload: (sequence, bytes) => this.#answers.has(sequence, bytes),
    });
  }

  /** Tests `count` records, CHUNK_ROWS at most. The answer holds until the next call. */
  async passing(records: ArrayBuffer, count: number): Promise<Passing> {
    putRecords(this.#columns, 0, new Uint32Array(records), 0, count);
    this.#answers = new PayloadAnswers();
    this.#filter.run(this.#columns, 0, count, this.#bits);
    // What it learns may lead it to ask for more.
    while (!this.#answers.isComplete) {
      await this.#answers.lookUp(this.#read);
      this.#filter.run(this.#columns, 0, count, this.#bits);
    }
    const bits = this.#bits;
    return {
      has: (index) => (((bits[index >>> 5] ?? 0) >>> (index & 31)) & 1) === 1,
      gone: this.#answers.gone,
    };
  }
}

/** Payloads of a disk as the daemon keeps them. */
export function keptPayloads(client: DaemonClient, disk: DiskId): ReadPayload {
  return async (sequence) => {
    const parts: Buffer[] = [];
    let offset = 0;
    for (let total = Infinity; offset < total;) {
      const answer = await client.invoke('payload.read', {
        disk,
        sequence: asSequence(sequence),
        offset,
        length: Math.min(READ_BYTES, total - offset),
      });
      if (!answer.kept) return null;
      total = Number(answer.total);
      const part = Buffer.from(answer.base64, 'base64');
      if (part.length === 0) break;
      parts.push(part);
      offset += part.length;
    }
    return Buffer.concat(parts);
  };
}
