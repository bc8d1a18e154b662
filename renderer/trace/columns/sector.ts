import { SECTOR_BYTES } from '../../../app/contract/units';
import { formatCount } from '../../widgets/numbers';
import { setText, type Column } from './column';

export const sector: Column = {
  id: 'sector',
  title: 'Sector',
  hint: 'First sector, in units of 512 bytes',
  width: 'minmax(84px, 112px)',
  align: 'right',
  draw: (cell, row) => {
    if (row.length === 0) setText(cell, '–', 'this request has no sectors');
    else {
      const exact = `byte ${formatCount(row.sector * SECTOR_BYTES)}`;
      setText(cell, formatCount(row.sector), exact);
    }
  },
  text: (row) => (row.length === 0 ? '' : String(row.sector)),
  conditions: (row) => {
    if (row.length === 0) return [];
    const last = row.sector + Math.ceil(row.length / SECTOR_BYTES) - 1;
    return [`sector in ${row.sector}..${last}`, `start == ${row.sector}`];
  },
};
