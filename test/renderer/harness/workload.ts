/** Requests as an ext4 file system under load makes them; the same every time. */
import type { MadeRecord } from '../records';

const KIB = 1024;

export class Workload {
  #sequence = 1;
  /** ns */
  #clock = 1_000_000_000n;
  readonly counts = { reads: 0, writes: 0, flushes: 0, readBytes: 0, writtenBytes: 0, errors: 0 };

  get next(): bigint {
    return BigInt(this.#sequence);
  }

  /** What request `sequence` is: a pure function of its number. */
  request(sequence: number): { operation: number; sector: number; length: number; flags: number } {
    const dice = hash(sequence);
    const place = hash(sequence + 7919);
    if (dice < 0.42) {
      const isMeta = dice < 0.1;
      const length = isMeta ? 4 * KIB : [4, 16, 128][Math.floor(place * 3)]! * KIB;
      const flags = isMeta ? 0x10 | 0x20 : place < 0.4 ? 0x800 : 0;
      return { operation: 0, sector: 8 * Math.floor(place * 1_000_000), length, flags };
    }
    if (dice < 0.9) {
      const isJournal = dice < 0.6;
      if (isJournal) {
        const sector = 264_192 + 8 * (sequence % 4096);
        return { operation: 1, sector, length: 8 * KIB, flags: dice < 0.45 ? 0x208 : 0x8 };
      }
      const sector = 524_288 + 256 * (sequence % 20_000);
      return { operation: 1, sector, length: 128 * KIB, flags: 0x1000 };
    }
    if (dice < 0.94) return { operation: 2, sector: 0, length: 0, flags: 0x400 };
    if (dice < 0.97) {
      return {
        operation: 3,
        sector: 786_432 + 8 * Math.floor(place * 9999),
        length: KIB * KIB,
        flags: 0,
      };
    }
    return {
      operation: 6,
      sector: 917_504 + 512 * (sequence % 99),
      length: 256 * KIB,
      flags: 0x8000,
    };
  }

  /** Nothing happens for so long. From when to when, on the clock of the records. */
  pause(ns: bigint): { readonly from: bigint; readonly to: bigint } {
    const from = this.#clock;
    this.#clock += ns;
    return { from, to: this.#clock };
  }

  make(): MadeRecord {
    const sequence = this.#sequence++;
    const request = this.request(sequence);
    const dice = hash(sequence + 104_729);
    const latency = Math.round(9_000 + 260_000 * dice ** 3 + (dice > 0.995 ? 7_000_000 : 0));
    const arrival = this.#clock;
    this.#clock += BigInt(Math.round(40_000 + 900_000 * hash(sequence + 31) ** 2));
    const isFailed = dice > 0.9985;
    this.#count(request, isFailed);
    return {
      ...request,
      sequence,
      arrival,
      completion: arrival + BigInt(latency),
      backendDelay: Math.round(latency * 0.08),
      queue: sequence % 4,
      depth: 1 + Math.floor(dice * 8),
      error: isFailed ? 5 : 0,
      result: isFailed ? 1 : 0,
      marks: request.operation < 2 && !isFailed ? 1 : 0,
    };
  }

  #count({ operation, length }: { operation: number; length: number }, isFailed: boolean): void {
    if (operation === 0) {
      this.counts.reads++;
      this.counts.readBytes += length;
    } else if (operation === 1) {
      this.counts.writes++;
      this.counts.writtenBytes += length;
    } else if (operation === 2) this.counts.flushes++;
    if (isFailed) this.counts.errors++;
  }
}

/** 0 … 1, the same for the same number. */
function hash(value: number): number {
  let mixed = Math.imul(value ^ 0x9e3779b9, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return ((mixed ^ (mixed >>> 16)) >>> 0) / 4_294_967_296;
}
