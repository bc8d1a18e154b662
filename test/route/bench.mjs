// What the engine costs on the dm-user route: the product with its trace on, beside the
// bare daemon in C on the same module, loop and nbd, in one guest.
//
//   node test/route/bench.mjs [--rounds N] [--seconds N] [--kernel SERIES]
//     [--only DEVICE+...] [--cells CELL+...]
//
// `--only` and `--cells` leave devices and cells out (by a part of a cell's name), for a
// look at one thing: `--only engine+bare --cells 128`.
//
// A guest is emulated, so only ratios count: each is taken within a round, in which all
// devices take turns at each cell, and shown as the median of the rounds.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError, UserError, root, runMain, say } from '../../scripts/steps.mjs';
import { buildModule, buildPrograms, programs } from '../kmod/build.mjs';
import { ensurePackages, findKernel } from '../kmod/kernels.mjs';
import { boot } from '../kmod/rig.mjs';
import { measuringLines, median, parseOptions, readRound } from '../kmod/rounds.mjs';
import { copyProduct, preparation, quote } from './run.mjs';

const megabytes = 128;
/** The engine may cost so much of the bare daemon's operations a second. */
const dearest = 0.15;

/** The devices: how each is made in the guest; the last line prints its node. */
const allDevices = {
  bare: bare('bare', 1),
  'bare, 2 threads': bare('bare2', 2),
  engine: engine('engine', {}),
  'engine, 2 channels': engine('engine2', { BIOSCOPE_THREADS: 4 }),
  // The trace's records without the payloads: what is left is the cost of keeping those.
  'engine, no payloads': engine('unkept', { BIOSCOPE_PAYLOAD_MIB: 0 }),
  'engine, no trace': engine('untraced', { BIOSCOPE_TRACE: 'off' }),
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

/**
 * Which must cost no more than `dearest` of which. With `channels` the goal is asked only
 * where so many are what a disk gets by itself: the others are for information.
 */
const pairs = [
  { ours: 'engine', other: 'bare' },
  { ours: 'engine, 2 channels', other: 'bare, 2 threads', channels: 2 },
];

const allCells = {
  '4 KiB randread QD1': ['rw=randread', 'bs=4k', 'iodepth=1'],
  '4 KiB randwrite QD1': ['rw=randwrite', 'bs=4k', 'iodepth=1'],
  '4 KiB randread QD32': ['rw=randread', 'bs=4k', 'iodepth=32'],
  '4 KiB randwrite QD32': ['rw=randwrite', 'bs=4k', 'iodepth=32'],
  '128 KiB read QD4': ['rw=read', 'bs=128k', 'iodepth=4'],
  '128 KiB write QD4': ['rw=write', 'bs=128k', 'iodepth=4'],
};

function bare(name, threads) {
  const sectors = megabytes * 2048;
  return [
    `dmsetup create ${name} --table "0 ${sectors} user 0 ${sectors} ${name}"`,
    `${quote(join(programs, 'daemon-batched'))} ${name} /dev/shm/${name} $((${megabytes} * 1048576)) ${threads} >&2 &`,
    `echo /dev/mapper/${name}`,
  ].join('\n');
}

/** A daemon of its own for each, since its environment says how many threads it has; with none it chooses. */
function engine(name, environment) {
  const words = Object.entries({
    ...environment,
    BIOSCOPE_RUNTIME_DIRECTORY: `/run/${name}`,
  }).map(([key, value]) => `${key}=${value}`);
  const bioscope = `env ${words.join(' ')} ${quote(process.execPath)} "$PRODUCT/bioscope.cjs"`;
  return [
    `truncate -s ${megabytes}M /dev/shm/${name}`,
    `${bioscope} attach --route dm-user --json /dev/shm/${name} >${name}.json`,
    `grep -o '"device":"[^"]*"' ${name}.json | head -1 | cut -d'"' -f4`,
  ].join('\n');
}

/** The entries of `all` that `words` (with + between them) pick; all of them without. */
function chosen(all, words, picks) {
  if (words === '') return all;
  const entries = words.split('+').map((word) => {
    const found = Object.entries(all).filter(([name]) => picks(name, word));
    if (found.length === 0)
      throw new UsageError(`there is no "${word}"; there are: ${Object.keys(all).join(', ')}`);
    return found;
  });
  return Object.fromEntries(entries.flat());
}

/** How many the disk of the device made by `engine(name)` has. */
function channelsOf(out, name) {
  const { channels } = JSON.parse(readFileSync(join(out, `${name}.json`), 'utf8'));
  if (!Number.isInteger(channels)) throw new UserError(`${name}.json names no channels`);
  return channels;
}

function guestScript({ module, product, devices, cells, rounds, seconds }) {
  const lines = [...preparation(module, product), 'modprobe nbd nbds_max=1'];
  const global = [`size=${megabytes}m`];
  const plan = { devices, megabytes, cells: Object.values(cells), global };
  lines.push(...measuringLines(plan, { rounds, seconds }));
  return lines.join('\n');
}

async function main(words) {
  const usual = { kernel: '6.12', rounds: 5, seconds: 1, only: '', cells: '' };
  const options = parseOptions(words, usual);
  const devices = chosen(allDevices, options.only, (name, word) => name === word.trim());
  const cells = chosen(allCells, options.cells, (name, word) => name.includes(word.trim()));
  const names = Object.keys(devices);
  const cellNames = Object.keys(cells);
  await ensurePackages(['rig', 'build', 'tests', 'bench']);
  await buildPrograms();
  const kernel = await findKernel(options.kernel);
  const { module } = await buildModule(kernel);
  const product = copyProduct();
  const out = join(root, 'build/route/bench');
  const runs = options.rounds * cellNames.length * names.length;
  say(`${kernel.release}: ${runs} runs of ${options.seconds} s`);
  const result = await boot(kernel, {
    script: guestScript({ ...options, module, product, devices, cells }),
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
  const of = (round, cell, name) => round.get(`${cell}-${names.indexOf(name)}`);
  const ratio = (cell, name, other) =>
    median(rounds.map((round) => of(round, cell, name) / of(round, cell, other)));
  const width = Math.max(...cellNames.map((name) => name.length));
  const print = (title, value) => {
    console.log(`\n${title}, median of ${options.rounds} rounds`);
    console.log(' '.repeat(width + 1) + names.map((name) => name.padStart(20)).join(''));
    cellNames.forEach((name, cell) => {
      const values = names.map((device) => value(cell, device).padStart(20));
      console.log(`${name.padEnd(width)} ${values.join('')}`);
    });
  };
  print('operations a second', (cell, name) =>
    median(rounds.map((round) => of(round, cell, name))).toFixed(0),
  );
  for (const other of ['bare', 'loop', 'nbd'].filter((name) => names.includes(name)))
    print(`times ${other}`, (cell, name) => ratio(cell, name, other).toFixed(2));
  const byItself = names.includes('engine') ? channelsOf(out, 'engine') : null;
  console.log(
    `\nthe engine with its trace on, against the bare daemon; goal: at least ${1 - dearest}`,
  );
  if (byItself !== null) console.log(`a disk gets by itself: ${byItself} channel(s)`);
  let missed = 0;
  for (const { ours, other, channels = byItself } of pairs) {
    if (!names.includes(ours) || !names.includes(other)) continue;
    const isAsked = channels === byItself;
    cellNames.forEach((name, cell) => {
      const value = ratio(cell, ours, other);
      const isMissed = value < 1 - dearest;
      if (isMissed && isAsked) missed += 1;
      const word = isAsked ? (isMissed ? 'MISSED' : 'met') : 'for information';
      console.log(`${name.padEnd(width)}  "${ours}" ${value.toFixed(2)} x "${other}": ${word}`);
    });
  }
  if (result.complaints.length > 0)
    throw new UserError(`the kernel complains:\n${result.complaints.join('\n')}`);
  return missed > 0 ? 1 : 0;
}

await runMain(main);
