import { formatCount } from '../../widgets/numbers';
import { setText, type Column } from './column';

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
  draw: (cell, row) => setText(cell, seconds(row.time), `${formatCount(row.time)} ns`),
  text: (row) => seconds(row.time).replaceAll(',', ''),
  conditions: (row) => [`time >= ${row.time}ns`, `time <= ${row.time}ns`],
};
