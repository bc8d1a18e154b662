/**
 * When a daemon was last alive, for the one after it: how long nobody served. A daemon that
 * is killed says nothing; its lock file's time tells, which it sets while it lives.
 */
import { statSync, utimesSync } from 'node:fs';
import { nanoseconds, type Nanoseconds } from '../contract/units';

/** CLOCK_MONOTONIC, as the trace has it. */
export const monotonicNow = (): Nanoseconds => nanoseconds(process.hrtime.bigint());

/** "I live", several times a second. Never throws: the worst is a gap that looks longer. */
export function showLife(lockPath: string): void {
  const now = new Date();
  try {
    utimesSync(lockPath, now, now);
  } catch {
    // The runtime directory was taken away.
  }
}

/** When the daemon whose lock this was showed life last; now, where nothing tells. */
export function lastSignOfLife(lockPath: string): Nanoseconds {
  const now = monotonicNow();
  const time = statSync(lockPath, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
  const age = BigInt(Math.round(Math.max(0, Math.min(Date.now() - time, Number(now) / 1e6)) * 1e6));
  return nanoseconds(age > now ? 0n : now - age);
}
