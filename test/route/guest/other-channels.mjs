// Daemons that go on, under load, with the disk of one that had another number of channels:
// after a planned change and after a death nothing of the trace is lost.
import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import {
  bioscopeWith,
  check,
  daemonPid,
  disks,
  kernelStatus,
  leftovers,
  mustBioscope,
  requests,
  run,
  runTests,
  startDaemon,
  until,
} from './tools.mjs';

const image = '/dev/shm/channels.img';
let disk;

/** Random writes, three times over, and reading them back. */
const fio = () =>
  run(
    'fio',
    ...['--name=verify', `--filename=${disk.device}`, '--size=8M', '--rw=randwrite', '--loops=3'],
    ...['--bsrange=4k-64k', '--ioengine=libaio', '--iodepth=16', '--direct=1'],
    ...['--verify=crc32c', '--verify_fatal=1', '--do_verify=1'],
  );

/** How many channels the disk has by its own word, once the kernel says the same. */
async function channels() {
  const [{ channels: count, tracePath }] = await disks();
  check(tracePath === disk.tracePath, `the trace began anew in ${tracePath}`);
  await until(
    `the kernel has ${count} channels`,
    async () => (await kernelStatus(disk.device)).channels === count,
  );
  return count;
}

/** Every request of the disk is in its trace; how many there are. */
async function nothingIsLost() {
  const rows = await requests(disk);
  const sequences = rows.map(({ sequence }) => Number(sequence)).sort((one, other) => one - other);
  const wrong = sequences.find((sequence, index) => sequence !== index + 1);
  check(sequences.length > 100 && wrong === undefined, `${sequences.length}, at ${wrong}`);
  return sequences.length;
}

/** One daemon, another with a planned change, and after its death one like the first. */
async function goesOn(first, second) {
  writeFileSync(image, '');
  truncateSync(image, 64 << 20);
  const { stdout: made } = await bioscopeWith(first, 'attach', '--json', image);
  disk = JSON.parse(made);
  const counts = [await channels()];
  const working = fio();
  await until('it works', async () => (await kernelStatus(disk.device)).completed > 20);
  const { status, stderr } = await bioscopeWith(second, 'daemon', 'restart');
  check(status === 0, stderr);
  counts.push(await channels());
  const before = daemonPid();
  process.kill(before, 'SIGKILL');
  startDaemon(first);
  await until('another serves', async () => {
    const pid = daemonPid();
    return pid && pid !== before && (await kernelStatus(disk.device)).channels > 0;
  });
  counts.push(await channels());
  const { stdout } = await working;
  check(/err= 0/.test(stdout), stdout);
  const count = await nothingIsLost();
  await mustBioscope('detach', disk.id);
  await mustBioscope('daemon', 'stop');
  return { counts, note: `${counts} channels, one after the other; ${count} requests` };
}

const chosen = { BIOSCOPE_THREADS: '4' };
/** On the guest's two processors a disk gets one channel by itself. */
const usual = { BIOSCOPE_THREADS: '' };

const tests = {
  'two channels, then one, then two again': async () => {
    const { counts, note } = await goesOn(chosen, usual);
    check(`${counts}` === '2,1,2', note);
    return note;
  },

  'where two are wanted of a disk that has one it keeps that': async () => {
    const { counts, note } = await goesOn(usual, chosen);
    check(`${counts}` === '1,1,1', note);
    return note;
  },

  'nothing is left': async () => {
    await until('the daemon ends', () => daemonPid() === null);
    rmSync(image);
    const left = await leftovers();
    check(left.length === 0, left.join('\n'));
  },
};

process.exit((await runTests(tests)) > 0 ? 1 : 0);
