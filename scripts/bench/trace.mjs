// `npm run bench:trace`: the trace in the real window, as a table.
//
//   npm run bench:trace                    everything, about five minutes
//   npm run bench:trace -- --records 2000000 --seconds 3
//   npm run bench:trace -- --stages ingest,pictures
//   npm run bench:trace -- --json FILE     the table as JSON, too
//
// A disk is attached in the real application, and a load generator writes made-up
// requests into its trace through the engine's own ring writer: the feed, the
// worker and the page do what they always do. Runs under Xvfb where there is no
// display. The daemon's share of the CPU is measured with real I/O (fio), with the
// window open and closed. A busy machine shows in the figures: look at the load.
// A stage that fails or takes too long says so in the table, and the next one runs.
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureSetup } from '../setup.mjs';
import { UsageError, root, runMain } from '../steps.mjs';
import { makeCapture, openCapture } from './trace/capture.mjs';
import { daemonCpu } from './trace/daemon-cpu.mjs';
import { Report } from './trace/report.mjs';
import * as stages from './trace/stages.mjs';
import { BenchWindow } from './trace/window.mjs';

/** In the order in which they run. */
const names = [
  ...['ingest', 'filter', 'sort', 'scroll', 'follow', 'pictures'],
  ...['daemon', 'capture'],
];
/** The image that made-up requests are of, and that of fio: its trace is all real. */
const MADE_UP = 'made-up.img';
const REAL = 'fio.img';
const IMAGE_BYTES = 256 << 20;
/** So long until what looks at every new device (udev, blkid) is done: the rings have one writer. */
const SETTLE_MS = 2000;

function wishes(words) {
  const { values } = parseArgs({
    args: words,
    options: {
      records: { type: 'string', default: '20000000' },
      seconds: { type: 'string', default: '10' },
      stages: { type: 'string', default: names.join() },
      json: { type: 'string' },
    },
  });
  const records = Number(values.records);
  const seconds = Number(values.seconds);
  if (!(records >= 1e5 && seconds >= 1))
    throw new UsageError('--records takes a number from 100000 on, --seconds one from 1 on');
  const wanted = new Set(values.stages.split(','));
  const unknown = [...wanted].find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new UsageError(`there is no stage ${unknown}: ${names.join(', ')}`);
  return { records, seconds, wanted, json: values.json };
}

/** Runs the stages on one window after another; the daemon and its disks outlive them. */
async function measure(report, { records, seconds, wanted }, directory, environment) {
  const bioscope = (...words) =>
    execFileSync(process.execPath, [join(root, 'dist/bioscope.cjs'), ...words], {
      env: environment,
      encoding: 'utf8',
      timeout: 60_000,
    });
  const image = (name) => {
    const path = join(directory, name);
    const file = openSync(path, 'wx', 0o600);
    ftruncateSync(file, IMAGE_BYTES);
    closeSync(file);
    return path;
  };
  const stage = (name, limit, work) =>
    wanted.has(name) ? report.stage(name, limit, work) : Promise.resolve(true);
  const madeUp = image(MADE_UP);
  let window = await BenchWindow.launch(directory, environment, [madeUp]);
  const close = async () => {
    const closing = window;
    window = null;
    await closing?.close();
  };
  try {
    await window.select(MADE_UP);
    const disk = await window.disk(MADE_UP);
    await window.page.waitForTimeout(SETTLE_MS);
    const filling = 120 + (4 * records) / 1e6;
    await stage('ingest', filling, (signal) =>
      stages.ingest(report, window, disk, records, signal),
    );
    await stage('filter', 180, () => stages.filterAll(report, window));
    await stage('sort', 120 + 11 * seconds, (signal) =>
      stages.sortAll(report, window, disk, seconds, signal),
    );
    await stage('scroll', 60 + 3 * seconds, () => stages.scroll(report, window, seconds));
    await stage('follow', 60 + 3 * seconds, (signal) =>
      stages.follow(report, window, disk, seconds, signal),
    );
    await stage('pictures', 240 + 15 * seconds, (signal) =>
      stages.pictures(report, window, disk, seconds, signal),
    );
    await report.stage('closing the window', 60, close);
    await stage('daemon', 240 + 20 * seconds, async () => {
      if (!disk.device) throw new Error('there is no block device without root');
      const real = image(REAL);
      bioscope('attach', real);
      let target = null;
      const open = async () => {
        window = await BenchWindow.launch(directory, environment);
        await window.select(REAL);
        target ??= await window.disk(REAL);
        await window.follow();
        return close;
      };
      await (
        await open()
      )();
      await daemonCpu(report, target, Math.min(seconds, 6), 3, open);
      bioscope('detach', real);
    });
    await close().catch(() => {});
    const path = join(directory, 'large.bioscope');
    await stage('capture', 300, async () => {
      const made = await makeCapture(
        ...[report, disk, madeUp, path, Math.min(records, 10_000_000), environment],
      );
      bioscope('detach', '--all');
      window = await BenchWindow.launch(directory, environment);
      await openCapture(report, window, path, made);
    });
  } finally {
    await close().catch((error) => console.error(error));
    try {
      bioscope('detach', '--all');
    } finally {
      bioscope('daemon', 'stop');
    }
  }
}

async function main(words) {
  const wish = wishes(words);
  await ensureSetup({ for: 'test' });
  if (!process.env.DISPLAY) {
    const again = spawn(
      'xvfb-run',
      ['-a', '--server-args=-screen 0 1600x1000x24', process.execPath, ...process.argv.slice(1)],
      { stdio: 'inherit' },
    );
    return new Promise((resolve) => again.on('close', (status) => resolve(status ?? 1)));
  }
  await stages.buildFlood();
  const directory = mkdtempSync(join(tmpdir(), 'bioscope-bench-'));
  const environment = {
    ...process.env,
    BIOSCOPE_RUNTIME_DIRECTORY: join(directory, 'run'),
    XDG_CONFIG_HOME: join(directory, 'config'),
    BIOSCOPE_NODE: process.execPath,
    BIOSCOPE_THREADS: String(stages.RINGS),
    BIOSCOPE_TRACE_RECORDS: String(stages.RING_RECORDS),
    // Between two windows the daemon has no client for a moment.
    BIOSCOPE_IDLE_SECONDS: '60',
  };
  const report = new Report();
  try {
    await report.stage('the whole', 3600, () => measure(report, wish, directory, environment));
  } finally {
    rmSync(directory, { recursive: true, force: true });
    console.log(`\n${report}`);
    if (wish.json) writeFileSync(wish.json, `${JSON.stringify(report.rows, null, 2)}\n`);
  }
  // A loop that waited for what never came would keep this process.
  setTimeout(() => process.exit(), 1000).unref();
  return report.failed > 0 ? 1 : 0;
}

process.chdir(root);
await runMain(main);
