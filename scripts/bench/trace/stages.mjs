// The stages of `npm run bench:trace` that need made-up requests alone: a load
// generator writes them into the trace of an idle disk through the engine's own
// ring writer, and the feed, the worker and the page do what they always do.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { UserError, root } from '../../steps.mjs';
import { run } from '../../checks/run.mjs';
import { until } from './report.mjs';
import { cpuSeconds } from './window.mjs';

export const RINGS = 4;
export const RING_RECORDS = 65_536;
/** What the window keeps unless the user chose otherwise. */
const ROWS_KEPT = 10_485_760;
/** A window answers: a click is seen to be taken within this time, ms. */
const RESPONSIVE_MS = 100;

/** Filters that are timed over all rows; the first warms the code up. */
const filters = [
  'read',
  'op == write && len >= 64K && flags has fua',
  'latency > 150us',
  'sector in 2048..400000',
  '!(op == read) && result == ok',
];

const flooder = join(root, 'build/bench/trace_flood');

export async function buildFlood() {
  const built = await run('make', ['-s', '-C', 'test/bench', flooder], { timeoutSeconds: 600 });
  if (!built.ok) throw new UserError(`the load generator does not build:\n${built.output}`);
}

/**
 * Writes `records` at a pace. Resolves with { written, seconds }. A stage's `signal` ends
 * it: the rings have one writer.
 */
export function flood({ tracePath, number }, records, perSecond, signal) {
  const words = [tracePath, number, records, perSecond].map(String);
  const child = spawn(flooder, words, {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: (30 + (10 * records) / perSecond) * 1000,
    signal,
  });
  let text = '';
  child.stdout.on('data', (chunk) => (text += chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, killer) =>
      status === 0
        ? resolve(JSON.parse(text))
        : reject(new Error(`the load generator ended with ${status ?? killer}`)),
    );
  });
}

/** 1 M records/s, until the window has kept all it keeps and older ones leave. */
export async function ingest(report, window, disk, records, signal) {
  const before = await window.count('status-requests');
  const lostBefore = await window.count('status-lost');
  const { page: tab, feed } = await window.processes();
  const pids = { 'page and its worker': tab.pid, ...(feed ? { feed: feed.pid } : {}) };
  const cpuBefore = Object.values(pids).map(cpuSeconds);
  const endFrames = await window.watchFrames();
  const { written, seconds } = await flood(disk, records, 1e6, signal);
  const ended = Date.now();
  let received = 0;
  let lost = 0;
  try {
    await until(60, 'all records arrive', async () => {
      received = (await window.count('status-requests')) - before;
      lost = (await window.count('status-lost')) - lostBefore;
      return received + lost >= written;
    });
  } finally {
    const behind = Date.now() - ended;
    const frames = await endFrames();
    const kept = await window.count('status-kept');
    const memory = (await window.processes()).page.bytes;
    report.row('written by the load generator', `${(written / seconds / 1e6).toFixed(2)} M/s`);
    report.row('ingest: lost', `${lost} of ${written}`, '0', lost === 0);
    report.row('ingest: behind at the end', `${behind} ms`);
    Object.entries(pids).forEach(([name, pid], index) => {
      const microseconds = ((cpuSeconds(pid) - cpuBefore[index]) / received) * 1e6;
      report.row(`ingest: CPU of the ${name}`, `${microseconds.toFixed(2)} µs a record`);
    });
    const isResponsive = frames.longest < RESPONSIVE_MS;
    report.row(
      'ingest: frames of the page',
      frames.text,
      `none over ${RESPONSIVE_MS} ms`,
      isResponsive,
    );
    const isKept = kept >= Math.min(records, 10_000_000);
    report.row('rows kept', String(kept), '10,000,000', isKept);
    if (written > ROWS_KEPT)
      report.row('rows that left for newer ones', String(Math.max(0, received + before - kept)));
    const bytes = (memory - tab.bytes) / kept;
    report.row('memory of the page', `${(memory / 2 ** 20).toFixed(0)} MiB`);
    // The columns, what the pictures have computed of each chunk, and what is on its way.
    report.row('memory a row, whole process', `${bytes.toFixed(0)} bytes`);
  }
}

export async function filterAll(report, window) {
  const { page } = window;
  for (const text of filters) {
    const before = (await window.timings('filter')).length;
    await page.getByTestId('filter-text').fill(text);
    await until(60, `the filter ${text}`, async () => {
      return (await window.timings('filter')).length > before;
    });
    if (text === filters[0]) continue;
    const took = (await window.timings('filter')).at(-1);
    report.row(`filter: ${text}`, `${took.toFixed(0)} ms`, '< 200 ms', took < 200);
  }
  await page.getByTestId('filter-text').fill('');
}

/** All rows by latency, first at rest, then while 1 M records/s flow in. */
export async function sortAll(report, window, disk, seconds, signal) {
  const header = (name) => window.page.getByRole('columnheader', { name }).click();
  const sort = async () => {
    await window.forgetTimings('sort');
    await header('Latency');
    await until(60, 'the sorted rows', async () => (await window.timings('sort')).length > 0);
    return (await window.timings('sort'))[0];
  };
  report.row('sort by latency', `${(await sort()).toFixed(0)} ms`);
  await header('Seq');
  const lostBefore = await window.count('status-lost');
  const flooding = flood(disk, 1e6 * seconds, 1e6, signal);
  const endFrames = await window.watchFrames();
  const took = await sort();
  const frames = await endFrames();
  await header('Seq');
  const { written } = await flooding;
  const lost = (await window.count('status-lost')) - lostBefore;
  const beside = `${took.toFixed(0)} ms; frames: ${frames.text}`;
  report.row('sort by latency while 1 M/s flow in', beside);
  report.row('sort, while 1 M/s flow in: lost', `${lost} of ${written}`, '0', lost === 0);
}

/** A drag of the scroller over all rows, up and down. */
export async function scroll(report, window, seconds) {
  const { page } = window;
  await page.getByTestId('trace-grid').focus();
  await page.keyboard.press('Home');
  const bar = await page.locator('.trace-scroller .scroller').boundingBox();
  const x = bar.x + bar.width / 2;
  await page.mouse.move(x, bar.y + 8);
  await page.mouse.down();
  const endFrames = await window.watchFrames();
  const began = Date.now();
  while (Date.now() - began < seconds * 1000) {
    const phase = ((Date.now() - began) % 4000) / 4000;
    const share = phase < 0.5 ? phase * 2 : 2 - phase * 2;
    await page.mouse.move(x, bar.y + 8 + share * (bar.height - 20));
  }
  const frames = await endFrames();
  await page.mouse.up();
  report.row('scroll: frames of the page', frames.text, 'none over 33 ms', frames.late === 0);
}

export async function follow(report, window, disk, seconds, signal) {
  await window.follow();
  const endFrames = await window.watchFrames();
  await flood(disk, 200_000 * seconds, 200_000, signal);
  const frames = await endFrames();
  report.row('follow: frames of the page', frames.text, 'none over 33 ms', frames.late === 0);
}

/** Each picture in turn, over all rows, while 200 k records/s flow in and as many leave. */
export async function pictures(report, window, disk, seconds, signal) {
  await window.follow();
  const lostBefore = await window.count('status-lost');
  const drawn = await window.countPictures();
  for (const tab of ['map', 'time', 'latency', 'addresses', 'statistics']) {
    const other = tab === 'map' ? 'time' : 'map';
    const atFirst = await drawn();
    if (await window.openPicture(other))
      await until(60, `the picture ${other}`, async () => (await drawn()) > atFirst);
    const before = await drawn();
    const opened = Date.now();
    await window.openPicture(tab);
    await until(60, `the picture ${tab}`, async () => (await drawn()) > before, 20);
    const first = Date.now() - opened;
    const endFrames = await window.watchFrames();
    const flooding = flood(disk, 200_000 * seconds, 200_000, signal);
    await window.page.waitForTimeout(500);
    const [from, began] = [await drawn(), Date.now()];
    await flooding;
    const rate = ((await drawn()) - from) / ((Date.now() - began) / 1000);
    const frames = await endFrames();
    const value = `${rate.toFixed(1)} a second; the first after ${first} ms; frames: ${frames.text}`;
    report.row(`picture, live: ${tab}`, value, '≥ 10 a second', rate >= 10);
  }
  const lost = (await window.count('status-lost')) - lostBefore;
  report.row('pictures, live: lost', String(lost), '0', lost === 0);
  await window.openPicture('map');
}
