// The daemon's CPU while real I/O is traced, into an open window and with the
// window closed: fio reads from a disk of its own at the same pace both times.
import { UserError } from '../../steps.mjs';
import { run } from '../../checks/run.mjs';
import { median } from '../statistics.mjs';
import { cpuSeconds } from './window.mjs';

/** The load that is asked for, I/Os a second. */
const WANTED = 200_000;
/** Of what the device reaches at most: so that both times the same is done. */
const SHARE = 0.7;

/** Random reads of 4 KiB for `seconds`; `pace` a second, or as many as there can be. */
async function load(device, pid, seconds, pace) {
  const before = cpuSeconds(pid);
  const result = await run(
    'fio',
    [
      '--name=bench',
      `--filename=${device}`,
      '--direct=1',
      '--ioengine=libaio',
      '--iodepth=32',
      '--rw=randread',
      '--bs=4k',
      '--time_based',
      `--runtime=${seconds}`,
      ...(pace === null ? [] : [`--rate_iops=${pace}`]),
      '--output-format=json',
    ],
    { timeoutSeconds: 60 + 3 * seconds },
  );
  if (!result.ok) throw new UserError(`fio: ${result.output}`);
  const cpu = cpuSeconds(pid) - before;
  const { read } = JSON.parse(result.output.slice(result.output.indexOf('{'))).jobs[0];
  return { iops: read.iops, microseconds: (cpu / read.total_ios) * 1e6, share: cpu / seconds };
}

/**
 * Measures in pairs, next to each other: `open` opens a window that shows the disk
 * and resolves with what closes it. Ends with the window closed.
 */
export async function daemonCpu(report, { device, pid }, seconds, pairs, open) {
  const most = await load(device, pid, Math.min(3, seconds), null);
  const pace = Math.round(Math.min(WANTED, SHARE * most.iops));
  const rounds = [];
  for (let pair = 0; pair < pairs; pair++) {
    const close = await open();
    const whileOpen = await load(device, pid, seconds, pace);
    await close();
    const whileClosed = await load(device, pid, seconds, pace);
    rounds.push({ open: whileOpen, closed: whileClosed });
  }
  const middle = (of) => median(rounds.map(of));
  const show = (kind) =>
    `${(middle((round) => round[kind].iops) / 1000).toFixed(0)} k IOPS, ` +
    `${middle((round) => round[kind].microseconds).toFixed(1)} µs CPU a request, ` +
    `${(100 * middle((round) => round[kind].share)).toFixed(0)} % of a CPU`;
  const isWanted = pace === WANTED;
  const paced = isWanted
    ? 'paced at 200 k IOPS'
    : `paced at ${(pace / 1000).toFixed(0)} k IOPS: the device has ${(most.iops / 1000).toFixed(0)} k here, not 200`;
  report.row('daemon: load', paced);
  report.row('daemon, window open', show('open'));
  report.row('daemon, window closed', show('closed'));
  const ratio = middle(({ open, closed }) => open.microseconds / closed.microseconds);
  report.row('daemon CPU a request, open / closed', `${ratio.toFixed(2)} (${pairs} pairs)`);
}
