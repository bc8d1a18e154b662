import type { Column } from './column';

export const depth: Column = {
  id: 'depth',
  title: 'Depth',
  hint: 'Requests in flight on the disk at arrival, this one included',
  width: '64px',
  align: 'right',
  isHidden: true,
  shown: (row) => String(row.depth),
  text: (row) => String(row.depth),
  conditions: (row) => [`depth == ${row.depth}`],
};
