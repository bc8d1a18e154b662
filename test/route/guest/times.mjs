// When what happened: all on one clock (CLOCK_MONOTONIC, in milliseconds), and read
// afterwards, so that looking takes no time from what is looked at.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { check, disks } from './tools.mjs';

export const now = () => Number(process.hrtime.bigint()) / 1e6;

/** From the wall clock to this one. */
const offset = now() - Date.now();

/** When a process that lives was made; the kernel counts in hundredths of a second. */
export function processBegan(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[19]) * 10;
}

/** The times of the lines of a daemon's log that have `words`. */
export function logged(log, words) {
  const lines = log.split('\n').filter((line) => line.includes(words));
  return lines.map((line) => Date.parse(line.split(' ')[0]) + offset);
}

// Of a record (native/wire/trace.h), in 64-bit words.
const WORDS = 8;
const ARRIVAL = 1;
const COMPLETION = 2;

/** The requests that the disk's trace holds, in the order of their arrival. */
export async function answered({ id }) {
  const { tracePath } = (await disks()).find((disk) => disk.id === id);
  const addon = createRequire(import.meta.url)(join(process.env.PRODUCT, 'bioscope.node'));
  const reader = addon.openTrace(tracePath, 'oldest');
  const words = new BigUint64Array(8192 * WORDS);
  const found = [];
  for (;;) {
    const { count } = reader.read(words.buffer);
    if (count === 0) break;
    for (let at = 0; at < count * WORDS; at += WORDS) {
      const [arrival, completion] = [words[at + ARRIVAL], words[at + COMPLETION]];
      found.push({ arrival: Number(arrival) / 1e6, completion: Number(completion) / 1e6 });
    }
  }
  reader.close();
  return found.sort((one, other) => one.arrival - other.arrival);
}

/**
 * The longest time in which no request was in the daemon's hands, of those that
 * `[from, to]` meets: from the last answer to the next arrival.
 */
export function pauseAt(rows, from, to) {
  const pauses = [];
  let answeredLast = rows[0].completion;
  for (const { arrival, completion } of rows) {
    if (arrival > from && answeredLast < to) pauses.push({ from: answeredLast, to: arrival });
    answeredLast = Math.max(answeredLast, completion);
  }
  check(pauses.length > 0, `no request came after ${to} ms`);
  return pauses.reduce((one, other) => (lengthOf(other) > lengthOf(one) ? other : one));
}

export const lengthOf = ({ from, to }) => to - from;

/**
 * fio's own account (--write_lat_log, --log_unix_epoch=1) of how long each of its reads
 * took: when it began and ended.
 */
export function readFioLog(path) {
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return lines.map((line) => {
    const [end, took] = line.split(',').map(Number);
    return { from: end + offset - took / 1e6, to: end + offset };
  });
}

/** How long the longest of some reads took. */
export function longest(reads) {
  check(reads.length > 0, 'fio read nothing meanwhile');
  return reads.reduce((most, read) => Math.max(most, lengthOf(read)), 0);
}

/** "median 12, longest 34 ms" */
export function summary(times) {
  const sorted = times.toSorted((one, other) => one - other);
  return `median ${sorted[sorted.length >> 1].toFixed(0)}, longest ${sorted.at(-1).toFixed(0)} ms`;
}
