import { SECTOR_BYTES } from '../../../app/contract/units';
import { formatCount } from '../../widgets/numbers';
import type { Column } from './column';

export const sector: Column = {
  id: 'sector',
  title: 'Sector',
  hint: 'First sector, in units of 512 bytes',
  width: 'minmax(84px, 112px)',
  align: 'right',
  shown: (row) => (row.length === 0 ? '–' : formatCount(row.sector)),
  exact: (row) =>
    row.length === 0
      ? 'this request has no sectors'
      : `byte ${formatCount(row.sector * SECTOR_BYTES)}`,
  text: (row) => (row.length === 0 ? '' : String(row.sector)),
  conditions: (row) => {
    if (row.length === 0) return [];
    const last = row.sector + Math.ceil(row.length / SECTOR_BYTES) - 1;
    return [`sector in ${row.sector}..${last}`, `start == ${row.sector}`];
  },
};
