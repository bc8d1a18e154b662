import { SECTOR_BYTES } from '../../../app/contract/units';
import { formatBytes, formatCount } from '../../widgets/numbers';
import { setText, type Column } from './column';

export const length: Column = {
  id: 'length',
  title: 'Length',
  hint: 'Bytes read, written or concerned',
  width: '74px',
  align: 'right',
  draw: (cell, row) => {
    if (row.length === 0) setText(cell, '–');
    else {
      const sectors = formatCount(Math.ceil(row.length / SECTOR_BYTES));
      setText(
        cell,
        formatBytes(row.length),
        `${formatCount(row.length)} bytes, ${sectors} sectors`,
      );
    }
  },
  text: (row) => String(row.length),
  sorting: 'length',
  conditions: (row) => [`len == ${row.length}`],
};
