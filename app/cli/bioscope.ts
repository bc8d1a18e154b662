/** `bioscope`: the same daemon as the window's, from a terminal. */
import { version } from '../client/version';
import { BioscopeError, toErrorValue } from '../contract/errors';
import { usageError } from './arguments';
import { attachCommand } from './commands/attach';
import { daemonCommand } from './commands/daemon';
import { demoCommand } from './commands/demo';
import { detachCommand } from './commands/detach';
import { doctorCommand } from './commands/doctor';
import { exportCommand, importCommand } from './commands/export';
import { listCommand } from './commands/list';
import { abortCommand, adoptCommand, resizeCommand } from './commands/target';
import { recordCommand } from './commands/record';
import { traceCommand } from './commands/trace';
import { WORKLOAD_COMMAND, workloadCommand } from './demo/mounted-workload';
import { helpText } from './help';
import { Terminal } from './terminal';

type Command = (words: readonly string[], terminal: Terminal) => Promise<number>;

const print =
  (text: string): Command =>
  async (_words, terminal) => {
    await terminal.print(text);
    return 0;
  };

const commands: Readonly<Record<string, Command>> = {
  attach: attachCommand,
  list: listCommand,
  detach: detachCommand,
  trace: traceCommand,
  resize: resizeCommand,
  abort: abortCommand,
  adopt: adoptCommand,
  doctor: doctorCommand,
  record: recordCommand,
  export: exportCommand,
  import: importCommand,
  daemon: daemonCommand,
  demo: demoCommand,
  // What the demo runs in a mount namespace of its own; not for people.
  [WORKLOAD_COMMAND]: workloadCommand,
  help: print(helpText),
  '--help': print(helpText),
  '-h': print(helpText),
  '--version': print(`bioscope ${version}`),
};

async function run(words: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...rest] = words;
  if (name === undefined) throw usageError('A command is missing.');
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) throw usageError(`There is no command "${name}".`);
  const optionsEnd = rest.indexOf('--');
  const options = optionsEnd === -1 ? rest : rest.slice(0, optionsEnd);
  if (options.includes('--help') || options.includes('-h')) {
    await terminal.print(helpText);
    return 0;
  }
  return command(rest, terminal);
}

async function main(terminal: Terminal): Promise<number> {
  try {
    return await run(process.argv.slice(2), terminal);
  } catch (thrown) {
    const { code, message } = toErrorValue(thrown);
    terminal.say(message);
    if (!(thrown instanceof BioscopeError) && thrown instanceof Error) {
      process.stderr.write(`${thrown.stack ?? ''}\n`);
    }
    return code === 'USAGE' ? 2 : 1;
  }
}

// Node that ends by itself gives signals their default action back some
// milliseconds before it is gone, and one more Ctrl-C would then be its status;
// process.exit keeps our handlers. What was printed is out: `print` waits for
// it, and Node writes standard error synchronously.
void main(new Terminal()).then((status) => process.exit(status));
