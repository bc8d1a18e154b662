// What the engine costs on the dm-user route: the product with its trace on, beside the
// bare daemon in C on the same module, loop and nbd, in one guest.
//
//   node test/route/bench.mjs [--rounds N] [--seconds N] [--kernel SERIES]
//
// A guest is emulated, so only ratios count: each is taken within a round, in which all
// devices take turns at each cell, and shown as the median of the rounds.
import { join } from 'node:path';
import { UserError, root, runMain, say } from '../../scripts/steps.mjs';
import { buildModule, buildPrograms, programs } from '../kmod/build.mjs';
import { ensurePackages, findKernel } from '../kmod/kernels.mjs';
import { boot } from '../kmod/rig.mjs';
import { measuringLines, median, parseOptions, readRound } from '../kmod/rounds.mjs';
import { copyProduct, preparation, quote } from './run.mjs';

const megabytes = 128;
/** The engine may cost so much of the bare daemon's operations a second. */
const dearest = 0.15;

/** The devices: how each is made in the guest; the last line prints its node. */
const devices = {
  bare: bare('bare', 1),
  'bare, 2 threads': bare('bare2', 2),
  engine: engine('engine', { BIOSCOPE_THREADS: 2 }),
  'engine, 2 channels': engine('engine2', { BIOSCOPE_THREADS: 4 }),
  'engine, no trace': engine('untraced', { BIOSCOPE_THREADS: 2, BIOSCOPE_TRACE: 'off' }),
  loop: [
    `truncate -s ${megabytes}M /dev/shm/loop`,
    'losetup --direct-io=on --find --show /dev/shm/loop || losetup --find --show /dev/shm/loop',
  ].join('\n'),
  nbd: [
    `nbdkit -U /run/nbd memory ${megabytes}M >&2`,
    'nbd-client -unix /run/nbd /dev/nbd0 >&2',
    'echo /dev/nbd0',
  ].join('\n'),
};
const names = Object.keys(devices);

/** Which must cost no more than `dearest` of which. */
const pairs = [
  ['engine', 'bare'],
  ['engine, 2 channels', 'bare, 2 threads'],
];

const cells = {
  '4 KiB randread QD1': ['rw=randread', 'bs=4k', 'iodepth=1'],
  '4 KiB randwrite QD1': ['rw=randwrite', 'bs=4k', 'iodepth=1'],
  '4 KiB randread QD32': ['rw=randread', 'bs=4k', 'iodepth=32'],
  '4 KiB randwrite QD32': ['rw=randwrite', 'bs=4k', 'iodepth=32'],
  '128 KiB read QD4': ['rw=read', 'bs=128k', 'iodepth=4'],
  '128 KiB write QD4': ['rw=write', 'bs=128k', 'iodepth=4'],
};
const cellNames = Object.keys(cells);

function bare(name, threads) {
  const sectors = megabytes * 2048;
  return [
    `dmsetup create ${name} --table "0 ${sectors} user 0 ${sectors} ${name}"`,
    `${quote(join(programs, 'daemon-batched'))} ${name} /dev/shm/${name} $((${megabytes} * 1048576)) ${threads} >&2 &`,
    `echo /dev/mapper/${name}`,
  ].join('\n');
}

/** A daemon of its own for each, since its environment says how many threads it has. */
function engine(name, environment) {
  const words = Object.entries({
    ...environment,
    BIOSCOPE_RUNTIME_DIRECTORY: `/run/${name}`,
  }).map(([key, value]) => `${key}=${value}`);
  return [
    `truncate -s ${megabytes}M /dev/shm/${name}`,
    `env ${words.join(' ')} ${quote(process.execPath)} "$PRODUCT/bioscope.cjs" attach --route dm-user /dev/shm/${name}`,
  ].join('\n');
}

function guestScript({ module, product, rounds, seconds }) {
  const lines = [...preparation(module, product), 'modprobe nbd nbds_max=1'];
  const global = [`size=${megabytes}m`];
  const plan = { devices, megabytes, cells: Object.values(cells), global };
  lines.push(...measuringLines(plan, { rounds, seconds }));
  return lines.join('\n');
}

async function main(words) {
  const options = parseOptions(words, { kernel: '6.12', rounds: 5, seconds: 1 });
  await ensurePackages(['rig', 'build', 'tests', 'bench']);
  await buildPrograms();
  const kernel = await findKernel(options.kernel);
  const { module } = await buildModule(kernel);
  const product = copyProduct();
  const out = join(root, 'build/route/bench');
  const runs = options.rounds * cellNames.length * names.length;
  say(`${kernel.release}: ${runs} runs of ${options.seconds} s`);
  const result = await boot(kernel, {
    script: guestScript({ module, product, ...options }),
    out,
    seconds: 600 + runs * (options.seconds + 4),
    memory: '4G',
    onLine: (line) => console.log(`# ${line}`),
  });
  if (result.code !== 0)
    throw new UserError(`the guest ended with ${result.code ?? result.ended}\n${result.stdout}`);
  const rounds = Array.from({ length: options.rounds }, (_, round) =>
    readRound(join(out, `round-${round}.json`)),
  );
  const ratio = (cell, name, other) =>
    median(
      rounds.map(
        (round) =>
          round.get(`${cell}-${names.indexOf(name)}`) /
          round.get(`${cell}-${names.indexOf(other)}`),
      ),
    );
  const width = Math.max(...cellNames.map((name) => name.length));
  for (const other of ['bare', 'loop', 'nbd']) {
    console.log(`\ntimes ${other}, median of ${options.rounds} rounds`);
    console.log(' '.repeat(width + 1) + names.map((name) => name.padStart(20)).join(''));
    cellNames.forEach((name, cell) => {
      const values = names.map((device) => ratio(cell, device, other).toFixed(2).padStart(20));
      console.log(`${name.padEnd(width)} ${values.join('')}`);
    });
  }
  console.log(
    `\nthe engine with its trace on, against the bare daemon; goal: at least ${1 - dearest}`,
  );
  let missed = 0;
  for (const [ours, other] of pairs) {
    cellNames.forEach((name, cell) => {
      const value = ratio(cell, ours, other);
      if (value < 1 - dearest) missed += 1;
      const word = value < 1 - dearest ? 'MISSED' : 'met';
      console.log(`${name.padEnd(width)}  "${ours}" ${value.toFixed(2)} x "${other}": ${word}`);
    });
  }
  if (result.complaints.length > 0)
    throw new UserError(`the kernel complains:\n${result.complaints.join('\n')}`);
  return missed > 0 ? 1 : 0;
}

await runMain(main);
