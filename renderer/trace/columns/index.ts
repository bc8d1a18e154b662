/** The table's columns, left to right until the user arranges them. */
import type { Column, Tint } from './column';
import { flags } from './flags';
import { latency } from './latency';
import { depth } from './depth';
import { length } from './length';
import { note } from './note';
import { operation } from './operation';
import { queue } from './queue';
import { result } from './result';
import { sector } from './sector';
import { sequence } from './sequence';
import { time } from './time';
import { wait } from './wait';

export type { Column, Tint };

export const columns: readonly Column[] = [
  sequence,
  time,
  operation,
  sector,
  length,
  flags,
  latency,
  result,
  wait,
  queue,
  depth,
  note,
];
