/**
 * The bytes of one request, in chunks, from where they are to be had: what was
 * kept of the request itself, or what the image holds at its place now.
 */
import type { Answer, ErrorValue } from '../../app/contract/errors';
import type { Bytes, DiskId, Sector, Sequence } from '../../app/contract/units';
import type { WindowBridge } from '../../app/contract/window-api';

/** Bytes asked for at a time: whole sectors. */
export const CHUNK_BYTES = 64 * 1024;

export interface Chunk {
  readonly bytes: Uint8Array;
  /** Bytes there are in all. */
  readonly total: number;
}

/** One chunk; null when it is kept no longer. */
export type ReadChunk = (offset: number) => Promise<Answer<Chunk | null>>;

function fromBase64(text: string): Uint8Array {
  const binary = atob(text);
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** What was kept of the request when it completed. */
export function keptPayload(bridge: WindowBridge, disk: DiskId, sequence: Sequence): ReadChunk {
  return async (offset) => {
    const params = { disk, sequence, offset, length: CHUNK_BYTES };
    const answer = await bridge.invoke('payload.read', params);
    if (!answer.ok) return answer;
    const { value } = answer;
    if (!value.kept) return { ok: true, value: null };
    return { ok: true, value: { bytes: fromBase64(value.base64), total: Number(value.total) } };
  };
}

/** What the image holds now at `sector`. */
export function imageNow(
  bridge: WindowBridge,
  disk: DiskId,
  sector: Sector,
  total: Bytes,
): ReadChunk {
  return async (offset) => {
    const length = Math.min(CHUNK_BYTES, Number(total) - offset);
    const from = sector + BigInt(offset / 512);
    const answer = await bridge.invoke('image.read', { disk, sector: from, length });
    if (!answer.ok) return answer;
    return { ok: true, value: { bytes: fromBase64(answer.value.base64), total: Number(total) } };
  };
}

/** Bytes [from, to) of what was kept of a request, fewer if less was kept; null if nothing is. */
export async function readKept(
  read: ReadChunk,
  from: number,
  to: number,
): Promise<Uint8Array | null> {
  const result = new Uint8Array(to - from);
  let filled = 0;
  while (filled < result.length) {
    const answer = await read(from + filled);
    if (!answer.ok || answer.value === null) return null;
    const part = answer.value.bytes.subarray(0, result.length - filled);
    if (part.length === 0) break;
    result.set(part, filled);
    filled += part.length;
  }
  return result.subarray(0, filled);
}

export type PayloadPhase = 'loading' | 'there' | 'gone' | 'error';

/** Loads chunks as they are looked at, and keeps them. */
export class PayloadSource {
  readonly #read: ReadChunk;
  readonly #chunks = new Map<number, Uint8Array | Promise<void>>();
  readonly #changed: () => void;
  phase: PayloadPhase = 'loading';
  total = 0;
  error: ErrorValue | null = null;

  /** `changed` is called when bytes, `phase` or `total` are new. The first chunk is asked for at once. */
  constructor(read: ReadChunk, changed: () => void) {
    this.#read = read;
    this.#changed = changed;
    void this.#load(0);
  }

  /** The byte at `offset`, or undefined while it is on its way. */
  byte(offset: number): number | undefined {
    const index = Math.floor(offset / CHUNK_BYTES);
    const chunk = this.#chunks.get(index);
    if (chunk === undefined) {
      void this.#load(index);
      return undefined;
    }
    return chunk instanceof Uint8Array ? chunk[offset % CHUNK_BYTES] : undefined;
  }

  /** All bytes of [start, end), loaded if need be; null when that fails (`phase` says why). */
  async bytes(start: number, end: number): Promise<Uint8Array | null> {
    const result = new Uint8Array(end - start);
    for (let offset = start; offset < end;) {
      const index = Math.floor(offset / CHUNK_BYTES);
      if (!(this.#chunks.get(index) instanceof Uint8Array)) await this.#load(index);
      const chunk = this.#chunks.get(index);
      if (!(chunk instanceof Uint8Array)) return null;
      const from = offset % CHUNK_BYTES;
      const part = chunk.subarray(from, Math.min(chunk.length, from + end - offset));
      if (part.length === 0) return null;
      result.set(part, offset - start);
      offset += part.length;
    }
    return result;
  }

  /** Asks for a chunk, once. */
  #load(index: number): Promise<void> {
    const asked = this.#chunks.get(index);
    if (asked instanceof Promise) return asked;
    const loading = this.#ask(index);
    this.#chunks.set(index, loading);
    return loading;
  }

  async #ask(index: number): Promise<void> {
    if (this.phase === 'gone' || this.phase === 'error') return;
    const answer = await this.#read(index * CHUNK_BYTES);
    if (!answer.ok) {
      this.phase = 'error';
      this.error = answer.error;
    } else if (answer.value === null) this.phase = 'gone';
    else {
      this.phase = 'there';
      this.total = answer.value.total;
      this.#chunks.set(index, answer.value.bytes);
    }
    this.#changed();
  }
}
