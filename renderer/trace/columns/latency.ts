import { formatCount, formatDuration } from '../../widgets/numbers';
import type { Column } from './column';

/** The bar is logarithmic: empty at 1 µs, full at 10 ms. */
const SHORTEST = 1e3;
const LONGEST = 1e7;
/** From here on the bar is drawn as trouble, ns. */
const SLOW = 5e6;

/** How much of the bar is filled, 0.02 … 1. */
function share(ns: number): number {
  const position = Math.log(ns / SHORTEST) / Math.log(LONGEST / SHORTEST);
  return Math.max(0.02, Math.min(1, position));
}

export const latency: Column = {
  id: 'latency',
  title: 'Latency',
  hint: 'From arrival to completion. The bar is logarithmic, 1 µs to 10 ms; red from 5 ms',
  width: 'minmax(112px, 1fr)',
  align: 'right',
  shown: (row) => formatDuration(row.latency),
  exact: (row) => `${formatCount(row.latency)} ns`,
  bar: (row) => share(row.latency),
  isSlow: (row) => row.latency >= SLOW,
  text: (row) => `${row.latency / 1000} µs`,
  sorting: 'latency',
  conditions: (row) => [`latency >= ${row.latency}ns`, `latency <= ${row.latency}ns`],
};
