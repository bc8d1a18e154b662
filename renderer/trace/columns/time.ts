import { formatCount } from '../../widgets/numbers';
import type { Column } from './column';

/** Seconds with six decimals, thousands separated. */
function seconds(ns: number): string {
  const micros = Math.round(ns / 1000);
  const whole = Math.floor(micros / 1e6);
  return `${formatCount(whole)}.${String(micros - whole * 1e6).padStart(6, '0')}`;
}

export const time: Column = {
  id: 'time',
  title: 'Time (s)',
  hint: 'Arrival, in seconds since the trace of this disk began',
  width: 'minmax(88px, 104px)',
  align: 'right',
  shown: (row) => seconds(row.time),
  exact: (row) => `${formatCount(row.time)} ns`,
  tint: () => 'dim',
  text: (row) => seconds(row.time).replaceAll(',', ''),
  conditions: (row) => [`time >= ${row.time}ns`, `time <= ${row.time}ns`],
};
