/** `bioscope daemon status|restart|stop`. */
import { noMoreWords, parseWords, usageError } from '../arguments';
import { nextDaemon, reachDaemon, runningDaemon, withClient } from '../daemon-access';
import { table } from '../table';
import type { Terminal } from '../terminal';

export async function daemonCommand(words: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseWords(words, { all: { type: 'boolean' } });
  const [action, ...rest] = positionals;
  noMoreWords(rest);
  if (action === 'status' && values.all !== true) return status(terminal);
  if (action === 'restart' && values.all !== true) return restart(terminal);
  if (action === 'stop') return stop(values.all === true, terminal);
  throw usageError('daemon takes "status", "restart" or "stop [--all]".');
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

/** Another daemon takes over while the disks are in use: for an update of Bioscope. */
async function restart(terminal: Terminal): Promise<number> {
  const old = await reachDaemon();
  const { pid } = await withClient(old, (daemon) => daemon.invoke('hello', {}));
  return withClient(await nextDaemon(pid), async (daemon) => {
    const info = await daemon.invoke('hello', {});
    await terminal.print(`process ${info.pid} serves in the place of ${pid}`);
    return 0;
  });
}
