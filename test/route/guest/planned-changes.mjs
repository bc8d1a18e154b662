// Planned changes of daemons while fio reads: that nothing is lost, in what order the next
// daemon does things, and for how long nobody serves.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  check,
  daemonLog,
  daemonPid,
  disks,
  kernelStatus,
  mustBioscope,
  startDaemon,
  until,
} from './tools.mjs';
import {
  answered,
  logged,
  lengthOf,
  longest,
  now,
  pauseAt,
  processBegan,
  readFioLog,
  summary,
} from './times.mjs';

const CHANGES = 5;
/** Reading without any change, to compare with: what the guest does to a read by itself. */
const QUIET_MS = 2000;
/** The goal is 100 ms on a machine; a guest may be far slower, and stand still for a while. */
const LONGEST_PAUSE_MS = 10_000;
const readLog = '/dev/shm/pause';

/** Reads one block after the other while `work` goes on; fio's own account of each read. */
async function whileReading(device, work) {
  const fio = spawn(
    'fio',
    [
      ...['--name=pause', `--filename=${device}`, '--rw=randread', '--bs=4k', '--iodepth=1'],
      ...['--direct=1', '--time_based', '--runtime=3600', '--size=64M', '--readonly'],
      ...[`--write_lat_log=${readLog}`, '--log_unix_epoch=1', '--output-format=json'],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let said = '';
  fio.stdout.on('data', (text) => (said += text));
  const ended = once(fio, 'close');
  try {
    await work();
  } finally {
    fio.kill('SIGINT'); // it ends in order, with its account written
  }
  await ended;
  const { jobs } = JSON.parse(said.slice(said.indexOf('{')));
  check(jobs[0].error === 0, said);
  return readFioLog(`${readLog}_lat.1.log`);
}

/** One change; when its steps were. */
async function change(disk, begin) {
  const before = daemonPid();
  const passed = daemonLog().length;
  await begin();
  // The old one may be ending still.
  const pid = await until('another daemon serves alone', () => {
    const found = daemonPid();
    const isThere = daemonLog().includes(`attached ${disk.id}`, passed);
    return isThere && found !== before && found;
  });
  const log = daemonLog().slice(passed);
  // Served first: state, socket and all else come after that.
  const steps = ['hands over', `serves ${disk.id}-`, `(process ${pid})`, `attached ${disk.id}`];
  const places = steps.map((step) => log.indexOf(step));
  const sorted = places.toSorted((one, other) => one - other);
  check(!places.includes(-1) && `${sorted}` === `${places}`, log);
  const [letGo] = logged(log, 'hands over');
  const [serves] = logged(log, `serves ${disk.id}-`);
  return { began: processBegan(pid), letGo, serves };
}

/** Several changes; a note on how long they took. */
export async function changeUnderLoad(disk) {
  const changes = [];
  let quiet;
  const { completed } = await kernelStatus(disk.device);
  const reads = await whileReading(disk.device, async () => {
    await until(
      'it reads',
      async () => (await kernelStatus(disk.device)).completed > completed + 50,
    );
    const begun = now();
    await sleep(QUIET_MS);
    quiet = { from: begun, to: now() };
    changes.push(await change(disk, () => mustBioscope('daemon', 'restart')));
    while (changes.length < CHANGES)
      changes.push(await change(disk, () => startDaemon({ BIOSCOPE_SUCCEED: '1' })));
  });
  const standing = await kernelStatus(disk.device);
  check(standing.state === 'ready' && standing.errors === 0, JSON.stringify(standing));
  const [entry] = await disks();
  check(entry.state === 'attached', JSON.stringify(entry));
  const rows = await answered(disk);
  // The log's times, and fio's, are whole milliseconds.
  const pauses = changes.map(({ letGo, serves }) => pauseAt(rows, letGo - 1, serves + 1));
  const waiting = pauses.map(({ from, to }) =>
    longest(reads.filter((read) => read.from < to && read.to > from)),
  );
  const starting = changes.map(({ began }, index) =>
    longest(reads.filter((read) => read.from > began && read.to < pauses[index].from - 1)),
  );
  const still = longest(reads.filter((read) => read.from > quiet.from && read.to < quiet.to));
  const tell = (what, times) => console.log(`# ${what}: ${summary(times)}`);
  tell('from the old daemon’s last answer to the next one’s first request', pauses.map(lengthOf));
  tell('the read that waits for that, as fio sees it', waiting);
  tell('the longest read while the next one starts and the old one serves', starting);
  console.log(`# the longest read in ${QUIET_MS} ms without a change: ${still.toFixed(0)} ms`);
  for (const [index, pause] of pauses.map(lengthOf).entries()) {
    check(pause < LONGEST_PAUSE_MS, `nobody served for ${pause} ms at change ${index + 1}`);
  }
  return `${changes.length} changes, ${reads.length} reads (all emulated)`;
}
