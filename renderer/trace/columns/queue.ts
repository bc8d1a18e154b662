import type { Column } from './column';

export const queue: Column = {
  id: 'queue',
  title: 'Queue',
  hint: 'The engine thread that served it',
  width: '64px',
  align: 'right',
  isHidden: true,
  shown: (row) => String(row.queue),
  text: (row) => String(row.queue),
  conditions: (row) => [`queue == ${row.queue}`],
};
