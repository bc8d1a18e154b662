// What the benchmarks in a guest share: devices that take turns at each cell, round
// by round, in one process of fio, so that ratios are taken within a round.
import { existsSync, readFileSync } from 'node:fs';
import { UsageError, UserError } from '../../scripts/steps.mjs';

/** `--kernel SERIES --rounds N --seconds N` and the like over what is usual. */
export function parseOptions(words, usual) {
  const options = { ...usual };
  while (words.length > 0) {
    const word = words.shift();
    const name = word.replace(/^--/, '');
    if (!word.startsWith('--') || !Object.hasOwn(usual, name))
      throw new UsageError(`unknown option ${word}`);
    const value = words.shift();
    const isNumber = typeof usual[name] === 'number';
    if (value === undefined || (isNumber && !(Number(value) > 0)))
      throw new UsageError(`${word} takes ${isNumber ? 'a number above 0' : 'a word'}`);
    options[name] = isNumber ? Number(value) : value;
  }
  return options;
}

/** One round: each cell (its fio options) on each device, forwards and backwards in turn. */
function jobFile({ cells, devices, global }, round, seconds) {
  const lines = [
    ...['[global]', 'ioengine=libaio', 'direct=1', 'thread', 'norandommap', 'time_based'],
    ...[`runtime=${seconds}`, 'ramp_time=300ms', ...global],
  ];
  const order = Object.keys(devices).map((_, index) => index);
  cells.forEach((options, cell) => {
    for (const device of round % 2 ? order.toReversed() : order) {
      lines.push(`[${cell}-${device}]`, 'stonewall', `filename=\${DEVICE${device}}`, ...options);
    }
  });
  return `${lines.join('\n')}\n`;
}

/**
 * The lines of a guest's script that make the devices and measure them: round N goes to
 * /out/round-N.json.
 *
 * @param {{ devices: Record<string, string>, megabytes: number, cells: string[][],
 *   global: string[] }} plan `devices`: how each is made; the last line prints its node
 */
export function measuringLines(plan, { rounds, seconds }) {
  const lines = [];
  Object.entries(plan.devices).forEach(([name, make], index) => {
    lines.push(
      `make() {\n${make}\n}`,
      'make >/run/node || exit 91',
      `export DEVICE${index}=$(tail -1 /run/node)`,
      // Once over it all, so that no page is new when it counts; and a check that it works.
      `dd if=/dev/zero of="$DEVICE${index}" bs=1M count=${plan.megabytes} oflag=direct status=none || exit 92`,
      `echo "${name}: $DEVICE${index}"`,
    );
  });
  for (let round = 0; round < rounds; round++)
    lines.push(
      `cat >/run/jobs <<'END'\n${jobFile(plan, round, seconds)}END`,
      `fio --output-format=json --output=/out/round-${round}.json /run/jobs || exit 93`,
      `echo "round ${round + 1} of ${rounds}"`,
    );
  return lines;
}

/** Operations a second by job name ("CELL-DEVICE", both by index), of one round. */
export function readRound(path) {
  if (!existsSync(path)) throw new UserError(`the guest left no ${path}`);
  const text = readFileSync(path, 'utf8');
  // fio may say something before its JSON.
  const { jobs } = JSON.parse(text.slice(text.indexOf('{')));
  return new Map(jobs.map(({ jobname, read, write }) => [jobname, read.iops + write.iops]));
}

export function median(values) {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
