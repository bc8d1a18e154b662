// `npm run bench:trace`: the trace in the real window, as a table.
//
//   npm run bench:trace                    everything, about three minutes
//   npm run bench:trace -- --records 2000000 --seconds 3
//
// A disk is attached in the real application, and a load generator writes made-up
// requests into its trace through the engine's own ring writer: the feed, the
// worker and the page do what they always do. Runs under Xvfb where there is no
// display. The daemon's share of the CPU is measured with real I/O (fio), with the
// window open and closed. A busy machine shows in the figures: look at the load.
/* global window, requestAnimationFrame -- in what the page evaluates */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureSetup } from '../setup.mjs';
import { UserError, root, runMain, say } from '../steps.mjs';
import { run } from '../checks/run.mjs';

const RINGS = 4;
const RING_RECORDS = 65_536;
/** Filters that are timed over all rows; the first warms the code up. */
const filters = [
  'read',
  'op == write && len >= 64K && flags has fua',
  'latency > 150us',
  'sector in 2048..400000',
  '!(op == read) && result == ok',
];

const rows = [];
const row = (what, value, goal, isReached) =>
  rows.push([what, value, goal, isReached === null ? '' : isReached ? 'reached' : 'MISSED']);

async function buildFlood() {
  const built = await run('make', [
    '-s',
    '-C',
    'test/bench',
    join(root, 'build/bench/trace_flood'),
  ]);
  if (!built.ok) throw new UserError(`the load generator does not build:\n${built.output}`);
}

/** The application with one disk, in a place of its own. */
async function launch(directory, environment, image) {
  const { _electron } = await import('playwright-core');
  const executablePath = execFileSync(
    process.execPath,
    [join(root, 'scripts/electron-runtime.mjs')],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  ).trim();
  const application = await _electron.launch({
    executablePath,
    args: [
      '--use-gl=angle',
      '--use-angle=swiftshader',
      ...(process.getuid() === 0 ? ['--no-sandbox'] : []),
      root,
      '--',
      image,
    ],
    cwd: directory,
    env: environment,
  });
  const page = await application.firstWindow();
  page.setDefaultTimeout(120_000);
  await page.locator('[data-testid=disk][data-state=attached]').waitFor();
  return { application, page };
}

const count = async (page, testid) => {
  const text = await page.getByTestId(testid).innerText();
  return Number(
    text
      .replace(/[^0-9 ]/g, '')
      .trim()
      .split(' ')[0],
  );
};

/** Begins to note how long each animation frame of the page takes; returns what ends it. */
async function watchFrames(page) {
  await page.evaluate(() => {
    const gaps = [];
    let last = performance.now();
    let goes = true;
    const tick = (now) => {
      gaps.push(now - last);
      last = now;
      if (goes) requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
    window.endFrames = () => {
      goes = false;
      return gaps.slice(2);
    };
  });
  return async () => {
    const gaps = (await page.evaluate(() => window.endFrames())).sort((a, b) => a - b);
    const at = (share) => gaps[Math.min(gaps.length - 1, Math.floor(share * gaps.length))] ?? 0;
    const late = gaps.filter((gap) => gap > 33.4).length;
    return {
      text: `median ${at(0.5).toFixed(1)}, p99 ${at(0.99).toFixed(1)}, max ${at(1).toFixed(1)} ms; ${late} of ${gaps.length} over 33`,
      late,
    };
  };
}

function flood(tracePath, number, records, perSecond) {
  const words = [tracePath, number, RINGS, RING_RECORDS, records, perSecond].map(String);
  const child = spawn(join(root, 'build/bench/trace_flood'), words, {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk) => (text += chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) =>
      status === 0 ? resolve(JSON.parse(text)) : reject(new Error(`trace_flood: ${status}`)),
    );
  });
}

/** The page's process and the feed's. */
async function processes(application) {
  const metrics = await application.evaluate(({ app }) =>
    app.getAppMetrics().map(({ type, pid, serviceName, name, memory }) => ({
      ...{ type, pid, bytes: memory.workingSetSize * 1024 },
      names: `${serviceName ?? ''} ${name ?? ''}`,
    })),
  );
  const page = metrics.find(({ type }) => type === 'Tab');
  const feed = metrics.find(({ type, names }) => type === 'Utility' && /feed|node/i.test(names));
  return { page, feed };
}

async function ingest({ application, page }, disk, records) {
  say(`ingest: ${records} records at 1 M/s through the ring`);
  const before = await count(page, 'status-requests').catch(() => 0);
  const { page: tab, feed } = await processes(application);
  const pids = { 'page and its worker': tab.pid, ...(feed ? { feed: feed.pid } : {}) };
  const cpuBefore = Object.values(pids).map(cpuSeconds);
  const endFrames = await watchFrames(page);
  const began = Date.now();
  const { written, seconds } = await flood(disk.tracePath, disk.number, records, 1e6);
  const wrote = written / seconds;
  let received = 0;
  let lost = 0;
  while (received + lost < written && Date.now() - began < seconds * 1000 + 60_000) {
    await page.waitForTimeout(50);
    received = (await count(page, 'status-requests')) - before;
    lost = await count(page, 'status-lost');
  }
  const behind = Math.max(0, Date.now() - began - seconds * 1000);
  const frames = await endFrames();
  const kept = await count(page, 'status-kept');
  const bytes = ((await processes(application)).page.bytes - tab.bytes) / kept;
  row('written by the load generator', `${(wrote / 1e6).toFixed(2)} M/s`, '', null);
  row('ingest: lost', `${lost} of ${written}`, '0', lost === 0);
  row('ingest: behind at the end', `${behind} ms`, '', null);
  Object.entries(pids).forEach(([name, pid], index) => {
    const microseconds = ((cpuSeconds(pid) - cpuBefore[index]) / received) * 1e6;
    row(`ingest: CPU of the ${name}`, `${microseconds.toFixed(2)} µs a record`, '', null);
  });
  row('ingest: frames of the page', frames.text, '', null);
  row('rows kept', String(kept), '10,000,000', kept >= Math.min(records, 10_000_000));
  row('memory a row, whole process', `${bytes.toFixed(0)} bytes`, '', null);
}

/** The trace worker of the page, whose timings (performance.measure) it reads. */
const timings = async (page, name) => {
  const worker = page.workers().find((one) => one.url().includes('worker'));
  return worker.evaluate(
    (wanted) => performance.getEntriesByName(wanted).map(({ duration }) => duration),
    name,
  );
};

async function filterAll({ page }) {
  say('filters over all rows');
  for (const text of filters) {
    const before = (await timings(page, 'filter')).length;
    await page.getByTestId('filter-text').fill(text);
    while ((await timings(page, 'filter')).length === before) await page.waitForTimeout(20);
    if (text === filters[0]) continue;
    const took = (await timings(page, 'filter')).at(-1);
    row(`filter: ${text}`, `${took.toFixed(0)} ms`, '< 200 ms', took < 200);
  }
  await page.getByTestId('filter-text').fill('');
  await page.getByRole('columnheader', { name: 'Latency' }).click();
  while ((await timings(page, 'sort')).length === 0) await page.waitForTimeout(20);
  const sorts = await timings(page, 'sort');
  row('sort by latency', `${sorts.at(-1).toFixed(0)} ms`, '', null);
  await page.getByRole('columnheader', { name: 'Seq' }).click();
}

async function scroll({ page }, seconds) {
  say(`scroll: a drag of ${seconds} s over all rows`);
  await page.getByTestId('trace-grid').focus();
  await page.keyboard.press('Home');
  const bar = await page.locator('.trace-scroller .scroller').boundingBox();
  const x = bar.x + bar.width / 2;
  await page.mouse.move(x, bar.y + 8);
  await page.mouse.down();
  const endFrames = await watchFrames(page);
  const began = Date.now();
  while (Date.now() - began < seconds * 1000) {
    const phase = ((Date.now() - began) % 4000) / 4000;
    const share = phase < 0.5 ? phase * 2 : 2 - phase * 2;
    await page.mouse.move(x, bar.y + 8 + share * (bar.height - 20));
  }
  const frames = await endFrames();
  await page.mouse.up();
  row('scroll: frames of the page', frames.text, 'none over 33 ms', frames.late === 0);
}

async function follow({ page }, disk, seconds) {
  say(`following 200 k records/s for ${seconds} s`);
  await page.getByTestId('trace-grid').focus();
  await page.keyboard.press('End');
  const button = page.getByTestId('follow');
  if (await button.isVisible()) await button.click();
  const endFrames = await watchFrames(page);
  await flood(disk.tracePath, disk.number, 200_000 * seconds, 200_000);
  const frames = await endFrames();
  row('follow: frames of the page', frames.text, 'none over 33 ms', frames.late === 0);
}

/** CPU seconds a process has used. */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function daemonCpu(device, pid, seconds) {
  const before = cpuSeconds(pid);
  const result = await run('fio', [
    '--name=bench',
    `--filename=${device}`,
    '--direct=1',
    '--ioengine=libaio',
    '--iodepth=32',
    '--rw=randread',
    '--bs=4k',
    '--time_based',
    `--runtime=${seconds}`,
    '--output-format=json',
  ]);
  if (!result.ok) throw new UserError(`fio: ${result.output}`);
  const cpu = cpuSeconds(pid) - before;
  const { read } = JSON.parse(result.output.slice(result.output.indexOf('{'))).jobs[0];
  return { iops: read.iops, microseconds: (cpu / read.total_ios) * 1e6, share: cpu / seconds };
}

async function main(words) {
  const { values } = parseArgs({
    args: words,
    options: {
      records: { type: 'string', default: '10600000' },
      seconds: { type: 'string', default: '10' },
      json: { type: 'string' },
    },
  });
  const records = Number(values.records);
  const seconds = Number(values.seconds);
  if (!(records >= 1e5 && seconds >= 1))
    throw new UserError('--records takes a number from 100000 on, --seconds one from 1 on');
  await ensureSetup({ for: 'test' });
  if (!process.env.DISPLAY) {
    const again = spawn(
      'xvfb-run',
      ['-a', '--server-args=-screen 0 1600x1000x24', process.execPath, ...process.argv.slice(1)],
      { stdio: 'inherit' },
    );
    return new Promise((resolve) => again.on('close', (status) => resolve(status ?? 1)));
  }
  await buildFlood();
  const directory = mkdtempSync(join(tmpdir(), 'bioscope-bench-'));
  const environment = {
    ...process.env,
    BIOSCOPE_RUNTIME_DIRECTORY: join(directory, 'run'),
    XDG_CONFIG_HOME: join(directory, 'config'),
    BIOSCOPE_NODE: process.execPath,
    BIOSCOPE_THREADS: String(RINGS),
    BIOSCOPE_TRACE_RECORDS: String(RING_RECORDS),
  };
  const bioscope = (...argv) =>
    execFileSync(process.execPath, [join(root, 'dist/bioscope.cjs'), ...argv], {
      env: environment,
      encoding: 'utf8',
    });
  const image = join(directory, 'bench.img');
  writeFileSync(image, '');
  truncateSync(image, 256 << 20);
  const window = await launch(directory, environment, image);
  try {
    const { page } = window;
    const state = await page.evaluate(async () => {
      const { value } = await window.bioscope.invoke('state.get', {});
      const [{ number, tracePath, device }] = value.disks;
      return { number, tracePath, device, pid: value.daemon.info.pid };
    });
    // What looks at every new device (udev, blkid) is done then: the rings have one writer.
    await page.waitForTimeout(2000);
    await ingest(window, state, records);
    await filterAll(window);
    await scroll(window, seconds);
    await follow(window, state, seconds);
    if (state.device) {
      say('the daemon, with the window open and closed');
      const open = await daemonCpu(state.device, state.pid, seconds);
      await window.application.close();
      const closed = await daemonCpu(state.device, state.pid, seconds);
      const ratio = open.microseconds / closed.microseconds;
      const show = ({ iops, microseconds, share }) =>
        `${(iops / 1000).toFixed(0)} k IOPS, ${microseconds.toFixed(1)} µs CPU a request, ${(share * 100).toFixed(0)} % of a CPU`;
      row('daemon, window open', show(open), '', null);
      row('daemon, window closed', show(closed), '', null);
      row('daemon CPU a request, open / closed', ratio.toFixed(2), '', null);
    }
  } finally {
    await window.application.close().catch(() => {});
    try {
      bioscope('detach', '--all');
      bioscope('daemon', 'stop');
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
  const widths = [0, 1, 2].map((index) => Math.max(...rows.map((cells) => cells[index].length)));
  console.log(`\nThe trace in the window (load of the machine ${loadavg()[0].toFixed(1)})`);
  for (const cells of rows)
    console.log(
      cells
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  if (values.json) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  return 0;
}

process.chdir(root);
await runMain(main);
