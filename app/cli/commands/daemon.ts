/** `bioscope daemon status|stop`. */
import { noMoreWords, parseWords, usageError } from '../arguments';
import { runningDaemon, withClient } from '../daemon-access';
import { table } from '../table';
import type { Terminal } from '../terminal';

export async function daemonCommand(words: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseWords(words, { all: { type: 'boolean' } });
  const [action, ...rest] = positionals;
  noMoreWords(rest);
  if (action === 'status' && values.all !== true) return status(terminal);
  if (action === 'stop') return stop(values.all === true, terminal);
  throw usageError('daemon takes "status" or "stop [--all]".');
}

async function status(terminal: Terminal): Promise<number> {
  const client = await runningDaemon();
  if (client === null) {
    await terminal.print('no daemon runs');
    return 1;
  }
  return withClient(client, async (daemon) => {
    const info = await daemon.invoke('hello', {});
    const { disks } = await daemon.invoke('disks.list', {});
    await terminal.print(
      ...table([
        ['process', String(info.pid)],
        ['version', `${info.version} (protocol ${info.protocol})`],
        ['user', String(info.uid)],
        ['kernel', info.kernel],
        ['directory', info.runtimeDirectory],
        ['disks', String(disks.length)],
        ...info.routes.map(({ name, available, explanation }) => [
          name,
          `${available ? 'available' : 'not available'}: ${explanation}`,
        ]),
      ]),
    );
    return 0;
  });
}

async function stop(detachAll: boolean, terminal: Terminal): Promise<number> {
  const client = await runningDaemon();
  if (client === null) {
    terminal.say('no daemon runs');
    return 0;
  }
  return withClient(client, async (daemon) => {
    await daemon.invoke('stop', { detachAll });
    await daemon.closed;
    return 0;
  });
}
