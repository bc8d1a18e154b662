// The dm-user channel of the engine against a bare C loop (test/bench).
import { run } from '../checks/run.mjs';
import { Samples, ratioRow } from './statistics.mjs';
import { UserError } from '../steps.mjs';

/** @param {{ rounds: number, milliseconds: number }} options */
export async function channelRows({ rounds, milliseconds }) {
  const built = await run('make', ['-s', '-C', 'test/bench', '-j2']);
  if (!built.ok) throw new UserError(`the channel benchmark does not build:\n${built.output}`);
  const argv = ['--rounds', String(rounds), '--milliseconds', String(milliseconds)];
  const result = await run('build/bench/channel_bench', argv);
  if (!result.ok) throw new UserError(`the channel benchmark: ${result.status}\n${result.output}`);
  const cells = new Map();
  for (const line of result.output.split('\n').filter((text) => text.startsWith('{'))) {
    const sample = JSON.parse(line);
    const key = `${sample.wire}, 4 KiB ${sample.operation}, ${sample.depth} in flight`;
    const cell = cells.get(key) ?? { rate: new Samples(), cpu: new Samples() };
    cell.rate.add(sample.server, sample.round, sample.perSecond);
    cell.cpu.add(sample.server, sample.round, sample.cpuMicroseconds);
    cells.set(key, cell);
  }
  const rows = [];
  for (const [key, { rate, cpu }] of cells) {
    const goal = key.includes('32') ? { atLeast: 0.75 } : {};
    const perSecond = (name, note, more) =>
      ratioRow({ what: key, note, samples: rate, name, base: 'bare', unit: 'requests/s', ...more });
    rows.push(
      ratioRow({
        what: key,
        note: 'CPU',
        samples: cpu,
        name: 'engine',
        base: 'bare',
        unit: 'µs/request',
      }),
      perSecond('engine', 'traced, against the batched C loop', goal),
      perSecond('engine-untraced', 'trace off'),
      perSecond('bare-single', 'C loop, a message a call'),
      perSecond('bare-again', 'A/A'),
    );
  }
  return rows.filter(Boolean);
}
