import { formatCount, formatDuration } from '../../widgets/numbers';
import type { Column } from './column';

export const wait: Column = {
  id: 'wait',
  title: 'Wait',
  hint: 'From arrival until the backend was called',
  width: '82px',
  align: 'right',
  isHidden: true,
  shown: (row) => formatDuration(row.wait),
  exact: (row) => `${formatCount(row.wait)} ns`,
  text: (row) => `${row.wait / 1000} µs`,
  conditions: (row) => [`wait >= ${row.wait}ns`, `wait <= ${row.wait}ns`],
};
