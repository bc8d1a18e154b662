/** `bioscope list`: the disks. */
import type { Disk } from '../../contract/disk';
import { encodeJson } from '../../contract/units';
import { noMoreWords, parseWords } from '../arguments';
import { findDaemon, withClient } from '../daemon-access';
import { formatSize, onOneLine, table } from '../table';
import type { Terminal } from '../terminal';

export async function listCommand(words: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseWords(words, { json: { type: 'boolean' } });
  noMoreWords(positionals);
  const client = await findDaemon();
  const disks = client
    ? (await withClient(client, (daemon) => daemon.invoke('disks.list', {}))).disks
    : [];
  if (values.json === true) await terminal.print(...disks.map((disk) => encodeJson(disk)));
  else await terminal.print(...listLines(disks));
  return 0;
}

export function listLines(disks: readonly Disk[]): readonly string[] {
  if (disks.length === 0) return ['no disks'];
  const rows = disks.map((disk) => [
    disk.id,
    disk.device ?? disk.fuseFile ?? '-',
    // Not known of one that never came so far as to be opened.
    disk.size === 0n ? '-' : formatSize(disk.size),
    disk.readOnly ? 'ro' : 'rw',
    disk.state,
    onOneLine(disk.imagePath),
  ]);
  const lines = table([['ID', 'DEVICE', 'SIZE', 'MODE', 'STATE', 'IMAGE'], ...rows]);
  const remarks = disks.flatMap(({ id, failure, notes }) =>
    failure ? [failure.message, ...notes].map((text) => `${id}: ${text}`) : [],
  );
  return [...lines, ...remarks];
}
