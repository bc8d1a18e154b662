// `npm run bench`: how fast it is, as ratios of neighbours within one run.
//
//   npm run bench                       everything, about 12 minutes
//   npm run bench -- --quick            three pairs a row instead of nine
//   npm run bench -- route trace        some of: channel, route, trace
//   npm run bench -- --rounds 5 --milliseconds 100 channel
//   npm run bench -- --json FILE        the rows as JSON, too
//
// Absolute figures of a shared machine mean little; ratios of runs next to each
// other mean something, and how much, the A/A rows beside them say: there a thing
// is compared with itself.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { channelRows } from './bench/channel.mjs';
import { routeRows, traceRows } from './bench/block.mjs';
import { table } from './bench/statistics.mjs';
import { ensureSetup } from './setup.mjs';
import { UsageError, UserError, root, run, runMain, say } from './steps.mjs';

const parts = ['channel', 'route', 'trace'];

function positive(text, name) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new UsageError(`--${name} takes a whole number from 1 on, not "${text}"`);
  return value;
}

async function main(words) {
  const { values, positionals } = parseArgs({
    args: words,
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      milliseconds: { type: 'string', default: '300' },
      json: { type: 'string' },
    },
  });
  const strange = positionals.filter((name) => !parts.includes(name));
  if (strange.length > 0)
    throw new UsageError(`there is no part ${strange.join(', ')}; there are ${parts.join(', ')}`);
  const wanted = new Set(positionals.length > 0 ? positionals : parts);
  const rounds = positive(values.rounds ?? (values.quick ? '3' : '9'), 'rounds');
  const milliseconds = positive(values.milliseconds, 'milliseconds');

  await ensureSetup({ for: 'test' });
  const needsDevices = wanted.has('route') || wanted.has('trace');
  if (needsDevices && process.getuid() !== 0)
    throw new UserError('route and trace need root, for loop devices; channel does not.');
  if (needsDevices) await run(process.execPath, ['scripts/build.mjs'], { show: true });

  const sections = [];
  if (wanted.has('channel')) {
    say('the dm-user channel against a bare C loop');
    sections.push(['The dm-user channel', await channelRows({ rounds, milliseconds }), []]);
  }
  if (wanted.has('route')) {
    say('fuse-loop against a plain loop device');
    const options = { rounds, seconds: 1, progress: (text) => say(`  ${text}`) };
    const { rows, notes } = await routeRows(options);
    sections.push(['The fuse-loop route', rows, notes]);
  }
  if (wanted.has('trace')) {
    say('the trace on against off');
    const options = { rounds, seconds: 1, progress: (text) => say(`  ${text}`) };
    sections.push(['The trace', await traceRows(options), []]);
  }

  for (const [title, rows, notes] of sections) {
    console.log(`\n${title}\n${table(rows)}`);
    for (const note of notes) console.log(note);
  }
  const all = sections.flatMap(([, rows]) => rows);
  const missed = all.filter(({ verdict }) => verdict === 'MISSED').length;
  const reached = all.filter(({ verdict }) => verdict === 'reached').length;
  console.log(`\n${reached} goals reached, ${missed} missed; medians of ${rounds} adjacent pairs.`);
  if (values.json) writeFileSync(values.json, `${JSON.stringify(all, null, 2)}\n`);
  return 0;
}

process.chdir(root);
await runMain(main);
