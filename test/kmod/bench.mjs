// How fast the module is, beside other ways to serve a disk from a process, in one
// guest: `node test/kmod/bench.mjs [--kernel SERIES] [--rounds N] [--seconds N]`.
//
// A guest is emulated, so only ratios count: each is taken within a round, in which
// all devices take turns at each cell, and shown as the median of the rounds.
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { UserError, root, runMain, say } from '../../scripts/steps.mjs';
import { buildModule, buildPrograms, programs } from './build.mjs';
import { ensurePackages, findKernel } from './kernels.mjs';
import { boot } from './rig.mjs';
import { measuringLines, median, parseOptions, readRound } from './rounds.mjs';

const megabytes = 192;

/** The devices: how each is made in the guest; the last line prints its node. */
const devices = {
  batched: ourDevice('batched', 'batched', 1),
  'batched, 2 threads': ourDevice('batched2', 'batched', 2),
  'batched, polling': ourDevice('polling', 'batched', 1, 16),
  'batched, 2, polling': ourDevice('polling2', 'batched', 2, 16),
  strict: ourDevice('strict', 'strict', 1),
  'strict, 2 threads': ourDevice('strict2', 'strict', 2),
  nbd: nbdDevice(0, ''),
  'nbd, -t 1': nbdDevice(1, '-t 1'),
  loop: `truncate -s ${megabytes}M /dev/shm/loop; losetup --find --show /dev/shm/loop`,
  linear: [
    `modprobe brd rd_nr=1 rd_size=$((${megabytes} * 1024))`,
    `dmsetup create linear --table "0 $((${megabytes} * 2048)) linear /dev/ram0 0"`,
    'node linear',
  ].join('\n'),
};

function ourDevice(name, daemon, threads, polls = 0) {
  return [
    `dmsetup create ${name} --table "0 $((${megabytes} * 2048)) user 0 $((${megabytes} * 2048)) ${name}"`,
    `"$PROGRAMS/daemon-${daemon}" ${name} /dev/shm/${name} $((${megabytes} * 1048576)) ${threads} ${polls} >&2 &`,
    `node ${name}`,
  ].join('\n');
}

function nbdDevice(index, options) {
  return [
    `nbdkit ${options} -U /run/nbd${index} memory ${megabytes}M >&2`,
    `nbd-client -unix /run/nbd${index} /dev/nbd${index} >&2`,
    `echo /dev/nbd${index}`,
  ].join('\n');
}

const cells = [
  {
    name: '4 KiB randread QD1',
    options: ['rw=randread', 'bs=4k', 'iodepth=1'],
    seed: 2.6,
    loop: 0.9,
  },
  {
    name: '4 KiB randwrite QD1',
    options: ['rw=randwrite', 'bs=4k', 'iodepth=1'],
    seed: 2.8,
    loop: 0.9,
  },
  {
    name: '4 KiB randread QD32',
    options: ['rw=randread', 'bs=4k', 'iodepth=32'],
    seed: 6.0,
    loop: 0.9,
  },
  {
    name: '4 KiB randwrite QD32',
    options: ['rw=randwrite', 'bs=4k', 'iodepth=32'],
    seed: 3.9,
    loop: 0.9,
  },
  { name: '128 KiB read QD4', options: ['rw=read', 'bs=128k', 'iodepth=4'], seed: 5, loop: 0 },
  { name: '128 KiB write QD4', options: ['rw=write', 'bs=128k', 'iodepth=4'], seed: 5, loop: 0 },
];

/** Of these the best one has to reach the goals. */
const candidates = ['batched', 'batched, 2 threads', 'batched, polling', 'batched, 2, polling'];

/** What the cells are held against: nbd as nbdkit comes, like the figures of the first dm-user. */
const reference = 'nbd';

const names = Object.keys(devices);

function guestScript({ module, rounds, seconds }) {
  const lines = [
    'modprobe dm-mod; modprobe nbd nbds_max=2; modprobe loop',
    `insmod '${module}' || { dmesg | tail; exit 90; }`,
    `export PROGRAMS='${programs}'`,
    'node() { echo "/dev/dm-$(dmsetup info -c --noheadings -o minor "$1")"; }',
  ];
  const plan = { devices, megabytes, cells: cells.map(({ options }) => options), global: [] };
  lines.push(...measuringLines(plan, { rounds, seconds }));
  return lines.join('\n');
}

const pad = (text, width) => String(text).padStart(width);

async function main(words) {
  const options = parseOptions(words, { kernel: '6.12', rounds: 3, seconds: 2 });
  await ensurePackages(['rig', 'build', 'tests', 'bench']);
  await buildPrograms();
  const kernel = await findKernel(options.kernel);
  const { module } = await buildModule(kernel);
  const out = join(root, 'build/kmod/bench');
  const runs = options.rounds * cells.length * names.length;
  const load = () => loadavg()[0].toFixed(2);
  say(`${kernel.release}: ${runs} runs of ${options.seconds} s; load before: ${load()}`);
  const result = await boot(kernel, {
    script: guestScript({ module, ...options }),
    out,
    seconds: 300 + runs * (options.seconds + 4),
    memory: '4G',
    onLine: (line) => console.log(`# ${line}`),
  });
  if (result.code !== 0)
    throw new UserError(`the guest ended with ${result.code ?? result.ended}\n${result.stdout}`);
  const rounds = [...Array(options.rounds).keys()];
  const figures = rounds.map((round) => readRound(join(out, `round-${round}.json`)));
  const figure = (round, cell, name) => figures[round].get(`${cell}-${names.indexOf(name)}`);
  const ratio = (cell, name, other) =>
    median(rounds.map((round) => figure(round, cell, name) / figure(round, cell, other)));
  const width = Math.max(...cells.map(({ name }) => name.length));
  const table = (title, value) => {
    console.log(`\n${title}\n${' '.repeat(width)} ${names.map((name) => pad(name, 19)).join('')}`);
    cells.forEach(({ name }, cell) => {
      const values = names.map((device) => pad(value(cell, device), 19)).join('');
      console.log(`${name.padEnd(width)} ${values}`);
    });
  };
  table('operations a second, median (lowest to highest of the rounds)', (cell, name) => {
    const all = rounds.map((round) => figure(round, cell, name));
    const whole = (number) => Math.round(number);
    return `${whole(median(all))} (${whole(Math.min(...all))}-${whole(Math.max(...all))})`;
  });
  table(`times ${reference}`, (cell, name) => ratio(cell, name, reference).toFixed(2));
  table('times nbd, -t 1', (cell, name) => ratio(cell, name, 'nbd, -t 1').toFixed(2));
  table('times loop', (cell, name) => ratio(cell, name, 'loop').toFixed(2));
  console.log(
    `\ngoals, of the best of ${candidates.map((name) => `"${name}"`).join(', ')}; load after: ${load()}`,
  );
  let missed = 0;
  cells.forEach(({ name, seed, loop }, cell) => {
    const best = (other) => Math.max(...candidates.map((ours) => ratio(cell, ours, other)));
    for (const [other, goal] of [
      [reference, seed],
      ['loop', loop],
    ]) {
      if (!goal) continue;
      const good = best(other) >= goal;
      if (!good) missed += 1;
      const word = good ? 'met' : 'MISSED';
      console.log(
        `${name.padEnd(width)}  ${best(other).toFixed(2)} x ${other}, goal ${goal}: ${word}`,
      );
    }
  });
  if (result.complaints.length > 0)
    throw new UserError(`the kernel complains:\n${result.complaints.join('\n')}`);
  return missed > 0 ? 1 : 0;
}

await runMain(main);
