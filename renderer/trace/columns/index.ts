/** The table's columns, left to right. */
import type { Column } from './column';
import { flags } from './flags';
import { latency } from './latency';
import { length } from './length';
import { operation } from './operation';
import { result } from './result';
import { sector } from './sector';
import { sequence } from './sequence';
import { time } from './time';

export const columns: readonly Column[] = [
  sequence,
  time,
  operation,
  sector,
  length,
  flags,
  latency,
  result,
];
