/**
 * fio's iolog, version 3: `fio --read_iolog=FILE` does the same requests again.
 * Lines of "TIME FILENAME ACTION [OFFSET LENGTH]", time in µs (as fio 3.33 writes
 * and reads it), offset and length in bytes.
 */
import { operationWord, type TraceRecord } from '../../contract/trace';
import { SECTOR_BYTES } from '../../contract/units';
import type { Output } from './output';

export interface IologOptions {
  /** What fio is to open; --replay_redirect of fio overrides it. */
  readonly target: string;
}

export function writeIolog(
  requests: Iterable<TraceRecord>,
  output: Output,
  { target }: IologOptions,
): string[] {
  // fio reads names up to the next space.
  const name = /\s/.test(target) ? 'disk' : target;
  output.write(`fio version 3 iolog\n0 ${name} add\n0 ${name} open\n`);
  let first: bigint | null = null;
  let time = 0n;
  let leftOut = 0;
  for (const { arrival, operation, sector, length } of requests) {
    first ??= arrival;
    const since = (arrival - first) / 1000n;
    // fio refuses to go back in time; threads may have noted theirs out of order.
    if (since > time) time = since;
    const place = `${sector * BigInt(SECTOR_BYTES)} ${length}`;
    switch (operationWord(operation).family) {
      case 'read':
        output.write(`${time} ${name} read ${place}\n`);
        break;
      case 'write':
        output.write(`${time} ${name} write ${place}\n`);
        break;
      case 'flush':
        output.write(`${time} ${name} sync 0 0\n`);
        break;
      case 'discard':
      case 'zeroes':
        output.write(`${time} ${name} trim ${place}\n`);
        break;
      case 'zone':
        leftOut++;
    }
  }
  output.write(`${time} ${name} close\n`);
  return leftOut > 0 ? [`${leftOut} zone operations are left out: fio's iolog has none.`] : [];
}
