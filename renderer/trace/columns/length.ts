import { SECTOR_BYTES } from '../../../app/contract/units';
import { formatBytes, formatCount } from '../../widgets/numbers';
import type { Column } from './column';

export const length: Column = {
  id: 'length',
  title: 'Length',
  hint: 'Bytes read, written or concerned',
  width: '74px',
  align: 'right',
  shown: (row) => (row.length === 0 ? '–' : formatBytes(row.length)),
  exact: (row) => {
    if (row.length === 0) return '';
    const sectors = formatCount(Math.ceil(row.length / SECTOR_BYTES));
    return `${formatCount(row.length)} bytes, ${sectors} sectors`;
  },
  text: (row) => String(row.length),
  sorting: 'length',
  conditions: (row) => [`len == ${row.length}`],
};
