/** Reads the words of a command line; what does not fit is a usage error (exit status 2). */
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { BioscopeError } from '../contract/errors';

export function usageError(message: string): BioscopeError {
  return new BioscopeError('USAGE', `${message} Try "bioscope help".`);
}

/** `parseArgs` of Node, strict, with positionals, its complaints as usage errors. */
export function parseWords<Options extends NonNullable<ParseArgsConfig['options']>>(
  words: readonly string[],
  options: Options,
) {
  try {
    return parseArgs({ args: [...words], options, allowPositionals: true, strict: true });
  } catch (thrown) {
    const message =
      thrown instanceof Error ? (thrown.message.split('. ')[0] ?? '') : String(thrown);
    throw usageError(`${message}.`);
  }
}

/** Refuses words a command has no use for. */
export function noMoreWords(words: readonly string[]): void {
  const [first] = words;
  if (first !== undefined) throw usageError(`Unexpected argument "${first}".`);
}
