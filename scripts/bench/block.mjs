// fuse-loop against a plain loop device and nbdfuse + loop; the trace on against off.
import { Devices, fio } from './devices.mjs';
import { Samples, ratioRow } from './statistics.mjs';

const cells = [
  {
    what: '4 KiB random read, 1 in flight',
    pattern: 'randread',
    block: '4k',
    depth: 1,
    goal: 0.45,
  },
  {
    what: '4 KiB random write, 1 in flight',
    pattern: 'randwrite',
    block: '4k',
    depth: 1,
    goal: 0.45,
  },
  {
    what: '4 KiB random read, 32 in flight',
    pattern: 'randread',
    block: '4k',
    depth: 32,
    goal: 0.6,
  },
  {
    what: '4 KiB random write, 32 in flight',
    pattern: 'randwrite',
    block: '4k',
    depth: 32,
    goal: 0.6,
  },
  { what: '128 KiB read', pattern: 'read', block: '128k', depth: 8, goal: 0.8 },
  { what: '128 KiB write', pattern: 'write', block: '128k', depth: 8, goal: 0.8 },
];

/** Runs the targets of `order` one after the other, `rounds` times, the order turned each time. */
async function measure(targets, chosen, { rounds, seconds, progress }) {
  const results = chosen.map(() => ({ rate: new Samples(), cpu: new Samples() }));
  let order = Object.keys(targets);
  for (let round = 0; round < rounds; round++) {
    for (const [index, cell] of chosen.entries()) {
      for (const name of order) {
        const { perSecond, cpu } = await fio(targets[name], cell, seconds);
        results[index].rate.add(name, round, perSecond);
        if (cpu !== null) results[index].cpu.add(name, round, cpu);
      }
    }
    // Whatever favours the first or the last of a round falls to each in turn.
    order = order.toReversed();
    progress(`round ${round + 1} of ${rounds}`);
  }
  return results;
}

/** @returns {Promise<{ rows: object[], notes: string[] }>} */
export async function routeRows(options) {
  const devices = new Devices();
  try {
    const plain = await devices.plainLoop();
    const targets = {
      plain,
      bioscope: await devices.bioscope('route'),
      'plain again': plain,
    };
    const nbdfuse = await devices.nbdfuse();
    if (nbdfuse) targets.nbdfuse = nbdfuse;
    const results = await measure(targets, cells, options);
    const rows = cells.flatMap(({ what, goal }, index) => {
      const samples = results[index].rate;
      const common = { what, samples, unit: 'requests/s' };
      return [
        ratioRow({
          ...common,
          name: 'bioscope',
          base: 'plain',
          note: 'against loop',
          atLeast: goal,
        }),
        ratioRow({
          ...common,
          name: 'bioscope',
          base: 'nbdfuse',
          note: 'against nbdfuse + loop',
          atLeast: 4,
        }),
        ratioRow({ ...common, name: 'plain again', base: 'plain', note: 'A/A, loop' }),
      ];
    });
    const notes = nbdfuse ? [] : ['nbdfuse or nbdkit is not installed: not compared with.'];
    return { rows: rows.filter(Boolean), notes };
  } finally {
    await devices.close();
  }
}

/** @returns {Promise<object[]>} */
export async function traceRows(options) {
  const devices = new Devices();
  try {
    const untraced = await devices.bioscope('untraced', { BIOSCOPE_TRACE: 'off' });
    const targets = {
      untraced,
      traced: await devices.bioscope('traced'),
      'untraced again': untraced,
    };
    const chosen = cells.filter(({ block }) => block === '4k');
    const results = await measure(targets, chosen, options);
    const rows = chosen.flatMap(({ what }, index) => {
      const { rate, cpu } = results[index];
      const base = 'untraced';
      const on = 'trace on against off';
      return [
        ratioRow({
          what,
          note: `CPU, ${on}`,
          samples: cpu,
          name: 'traced',
          base,
          unit: 'µs/request',
          atMost: 1.05,
        }),
        ratioRow({
          what,
          note: 'CPU, A/A',
          samples: cpu,
          name: 'untraced again',
          base,
          unit: 'µs/request',
        }),
        ratioRow({ what, note: on, samples: rate, name: 'traced', base, unit: 'requests/s' }),
        ratioRow({
          what,
          note: 'A/A',
          samples: rate,
          name: 'untraced again',
          base,
          unit: 'requests/s',
        }),
      ];
    });
    return rows.filter(Boolean);
  } finally {
    await devices.close();
  }
}
