/** `bioscope doctor`: what works on this machine, and what mends the rest. */
import type { Machine } from '../../contract/machine';
import { encodeJson } from '../../contract/units';
import { noMoreWords, parseWords } from '../arguments';
import { reachDaemon, withClient } from '../daemon-access';
import type { Terminal } from '../terminal';

/** Status 0 when at least one route works. */
export async function doctorCommand(words: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseWords(words, { json: { type: 'boolean' } });
  noMoreWords(positionals);
  const machine = await withClient(await reachDaemon(), (daemon) =>
    daemon.invoke('machine.probe', {}),
  );
  if (values.json === true) await terminal.print(encodeJson(machine));
  else await terminal.print(...machineLines(machine));
  return machine.routes.some(({ available }) => available) ? 0 : 1;
}

const marks = { ok: 'ok', missing: 'MISSING', advice: 'advice' } as const;

export function machineLines({ routes, checks }: Machine): readonly string[] {
  const routeLines = routes.map(({ name, available, preferred, explanation }) => {
    const word = preferred ? 'works, and is preferred' : available ? 'works' : 'does not work';
    return `${name} ${word}: ${explanation}`;
  });
  const checkLines = checks.flatMap(({ title, finding, detail, remedy, routes: needed }) => [
    `${marks[finding].padEnd(8)}${title} (${needed.join(', ')}): ${detail}`,
    ...remedy.map((command) => `            ${command}`),
  ]);
  return [...routeLines, '', ...checkLines];
}
