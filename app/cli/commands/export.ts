/** `bioscope export` and `bioscope import`: captures and what other programs have instead. */
import { resolve } from 'node:path';
import { loadAddon } from '../../addon/load';
import { exportCapture } from '../../capture/export/exporters';
import { importBlktrace } from '../../capture/import/blktrace';
import { openCapture } from '../../capture/open-capture';
import { version } from '../../client/version';
import { exportFormatNames, isExportFormat } from '../../contract/capture';
import { noMoreWords, parseWords, usageError } from '../arguments';
import type { Terminal } from '../terminal';

function oneSource(positionals: readonly string[], what: string): string {
  const [source, ...rest] = positionals;
  if (source === undefined || source === '') throw usageError(`${what}.`);
  noMoreWords(rest);
  return resolve(source);
}

export async function exportCommand(words: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseWords(words, {
    format: { type: 'string', short: 'f' },
    output: { type: 'string', short: 'o' },
    force: { type: 'boolean' },
  });
  const source = oneSource(positionals, 'export needs a CAPTURE');
  const { format = '', output } = values;
  if (!isExportFormat(format)) throw usageError(`--format takes ${exportFormatNames.join(', ')}.`);
  if (output === undefined || output === '') throw usageError('export needs -o FILE.');
  const file = await openCapture(source);
  try {
    const made = exportCapture(file, format, resolve(output), values.force === true);
    for (const remark of made.remarks) terminal.say(remark);
    if (!file.isComplete) {
      terminal.say(`${source} was interrupted: this is what was recorded until then.`);
    }
    await terminal.print(made.path);
  } finally {
    file.close();
  }
  return 0;
}

export async function importCommand(words: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseWords(words, {
    output: { type: 'string', short: 'o' },
    force: { type: 'boolean' },
  });
  const source = oneSource(positionals, 'import needs a trace of blktrace (NAME.blktrace.0)');
  const { output } = values;
  if (output === undefined || output === '') throw usageError('import needs -o FILE.');
  const addon = loadAddon();
  const { requests, remarks } = await importBlktrace(
    source,
    resolve(output),
    values.force === true,
    `bioscope ${version}`,
    (bytes, before) => addon.crc32c(bytes, before),
  );
  for (const remark of remarks) terminal.say(remark);
  terminal.say(`${resolve(output)}: ${requests} requests`);
  return 0;
}
