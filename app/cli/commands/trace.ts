/** `bioscope trace`: prints the requests of the disks, or of a capture. */
import { resolve } from 'node:path';
import { openCapture } from '../../capture/open-capture';
import { parseWords, noMoreWords, usageError } from '../arguments';
import { findDaemon, reachDaemon, withClient } from '../daemon-access';
import type { Terminal } from '../terminal';
import { followDisks } from '../trace/follow-disks';
import { humanFormat } from '../trace/human-format';
import { jsonFormat } from '../trace/json-format';
import { printCapture } from '../trace/print-capture';
import { hasPart, type Filter, type FilterProblem } from '../../filter/filter';
import { parseFilter } from '../../filter/parse';
import { loadAddon } from '../../addon/load';
import { selectDisk } from '../select-disk';

export async function traceCommand(words: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseWords(words, {
    json: { type: 'boolean' },
    disk: { type: 'string' },
    count: { type: 'string' },
    from: { type: 'string' },
    'no-follow': { type: 'boolean' },
    filter: { type: 'string', short: 'f' },
  });
  const [capture, ...rest] = positionals;
  noMoreWords(rest);
  const count = values.count === undefined ? Infinity : wholeNumber(values.count);
  const { from = 'oldest' } = values;
  if (from !== 'oldest' && from !== 'newest') {
    throw usageError('--from takes "oldest" or "newest".');
  }
  const follow = values['no-follow'] !== true;
  const filter = filterOf(values.filter ?? '');
  const format = values.json === true ? jsonFormat() : humanFormat();
  if (capture !== undefined) {
    const live = [values.disk, values.from, values['no-follow']];
    if (live.some((value) => value !== undefined)) {
      throw usageError('--disk, --from and --no-follow are about disks, not about a CAPTURE.');
    }
    terminal.endOnSignals();
    await printCapture(await openCapture(resolve(capture)), { terminal, format, filter, count });
    return 0;
  }

  const client = follow ? await reachDaemon() : await findDaemon();
  if (client === null) {
    if (values.disk !== undefined) selectDisk([], values.disk);
    return 0;
  }
  terminal.endOnSignals();
  return withClient(client, async (daemon) => {
    const { disks } = await daemon.invoke('disks.list', {});
    const only = values.disk === undefined ? null : selectDisk(disks, values.disk).id;
    if (follow && disks.length === 0) {
      terminal.say('no disk is attached yet; waiting for one (Ctrl-C ends)');
    }
    await followDisks({
      client: daemon,
      addon: loadAddon(),
      terminal,
      format,
      only: only === null ? null : new Set([only]),
      from,
      follow,
      count,
      filter,
    });
    return 0;
  });
}

/** What is wrong with a filter is shown under its text, as a compiler would. */
function filterOf(text: string): Filter | null {
  const parsed = parseFilter(text);
  const { problem } = parsed.ok
    ? { problem: parsed.filter && hasMarks(parsed.filter, text) }
    : parsed;
  if (problem === null) return parsed.ok ? parsed.filter : null;
  const underline = ' '.repeat(problem.at) + '^'.repeat(problem.length);
  const message = /[.?]$/.test(problem.message) ? problem.message : `${problem.message}.`;
  throw usageError(`${message}\n  ${text.replaceAll(/\s/g, ' ')}\n  ${underline}\n`);
}

/** Marks are made in the window, and kept there. */
function hasMarks(filter: Filter, text: string): FilterProblem | null {
  const at = text.search(/\bmarked\b/i);
  if (at < 0 || !hasPart(filter, 'fact')) return null;
  return { message: 'Marks are made in the window; a terminal knows none', at, length: 6 };
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1) throw usageError('--count takes a number from 1.');
  return value;
}
