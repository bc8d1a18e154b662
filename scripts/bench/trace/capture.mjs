// Opening a large capture: recorded from the load generator's requests, then
// opened in a window that shows nothing else.
/* global window -- in what the page evaluates */
import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../steps.mjs';
import { until, within } from './report.mjs';
import { flood } from './stages.mjs';

/** Requests a second: as many as the window takes. */
const RECORD_PACE = 1_000_000;

/** `bioscope record` of an image's disk into `path`: resolves once it records, with what ends it. */
async function record(image, path, environment) {
  const program = join(root, 'dist/bioscope.cjs');
  const child = spawn(process.execPath, [program, 'record', image, '-o', path, '--json'], {
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk) => (text += chunk));
  let isOver = false;
  const ended = new Promise((resolve) => child.on('close', resolve));
  void ended.then(() => (isOver = true));
  const end = async () => {
    child.kill('SIGINT');
    const status = await within(60, 'the recording ends', ended);
    if (status !== 0) throw new Error(`bioscope record ended with ${status}`);
    return JSON.parse(text);
  };
  try {
    await until(20, 'the recording begins', async () => isOver || existsSync(path));
    if (isOver) throw new Error(`bioscope record ended with ${await ended}`);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return end;
}

/** Makes a capture of `records` requests of an image's disk; how many it holds. */
export async function makeCapture(report, disk, image, path, records, environment) {
  const end = await record(image, path, environment);
  let made;
  try {
    await flood(disk, records, RECORD_PACE);
  } finally {
    made = await end();
  }
  const megabytes = statSync(path).size / 1e6;
  report.row(
    `capture: recorded at ${RECORD_PACE / 1000} k/s`,
    `${made.records} requests, ${made.lost} lost, ${megabytes.toFixed(0)} MB`,
    '0 lost',
    made.lost === 0,
  );
  return made.records;
}

/** Opens it in a window that shows nothing else; over when all its requests are kept there. */
export async function openCapture(report, benchWindow, path, records) {
  const { page } = benchWindow;
  const endFrames = await benchWindow.watchFrames();
  const began = Date.now();
  const answer = await page.evaluate(
    (capture) =>
      window.bioscope.invoke('disks.attach', { path: capture, readOnly: true, route: 'auto' }),
    path,
  );
  if (!answer.ok) throw new Error(answer.error.message);
  // It has the name of the image that it was recorded of.
  await benchWindow.select(answer.value.name, 'capture');
  const ended = await within(
    120,
    'all requests of the capture',
    benchWindow.reached('status-kept', records),
  );
  const seconds = (ended - began) / 1000;
  const frames = await endFrames();
  const isWhole = records >= 10_000_000;
  report.row(
    `capture: opening ${records} requests`,
    `${seconds.toFixed(2)} s; frames: ${frames.text}`,
    ...(isWhole ? ['< 3 s', seconds < 3] : []),
  );
}
