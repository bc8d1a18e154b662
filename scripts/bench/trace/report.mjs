// What was measured, line by line, and limits on every wait: a benchmark that
// stands still says where, and shows what it has measured until then.
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { say } from '../../steps.mjs';

/** Something did not happen in time. */
export class TooLate extends Error {}

/** What `promise` gives; TooLate after `seconds`. What the promise does goes on. */
export async function within(seconds, what, promise) {
  const stop = new AbortController();
  const late = sleep(seconds * 1000, null, { signal: stop.signal }).then(() => {
    throw new TooLate(`${what}: not within ${seconds} s`);
  });
  // It is the loser of the race, and is then told to end.
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    stop.abort();
  }
}

/**
 * The first truthy value of `look`, asked every `pause` ms; TooLate after `seconds`.
 * Asking the page costs it a millisecond: no more often than the answer has to be exact.
 */
export async function until(seconds, what, look, pause = 100) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const value = await within(seconds, what, look());
    if (value) return value;
    if (Date.now() > end) throw new TooLate(`${what}: not within ${seconds} s`);
    await sleep(pause);
  }
}

export class Report {
  #rows = [];
  /** Stages that did not come to their end. */
  failed = 0;

  /** `isReached`: null where there is no goal, or where it does not count. */
  row(what, value, goal = '', isReached = null) {
    this.#rows.push([
      what,
      value,
      goal,
      isReached === null ? '' : isReached ? 'reached' : 'MISSED',
    ]);
  }

  /**
   * Runs one stage, `seconds` at most; `work` gets a signal for what must not outlive it.
   * Returns whether it came to its end.
   */
  async stage(name, seconds, work) {
    say(name);
    const end = new AbortController();
    try {
      await within(seconds, name, work(end.signal));
      return true;
    } catch (error) {
      this.failed++;
      this.row(name, `FAILED: ${error instanceof Error ? error.message.split('\n')[0] : error}`);
      if (!(error instanceof TooLate)) console.error(error);
      return false;
    } finally {
      end.abort();
    }
  }

  get rows() {
    return this.#rows;
  }

  toString() {
    const widths = [0, 1, 2].map((index) =>
      Math.max(0, ...this.#rows.map((cells) => cells[index].length)),
    );
    const line = (cells) =>
      cells
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd();
    const load = loadavg()[0].toFixed(1);
    return [`The trace in the window (load of the machine ${load})`, ...this.#rows.map(line)].join(
      '\n',
    );
  }
}
