import { formatCount } from '../../widgets/numbers';
import type { Column } from './column';

export const sequence: Column = {
  id: 'sequence',
  title: 'Seq',
  hint: 'Number of the request on its disk, in the order of arrival',
  width: 'minmax(74px, 92px)',
  align: 'right',
  shown: (row) => formatCount(row.sequence),
  tint: () => 'dim',
  text: (row) => String(row.sequence),
  conditions: (row) => [`seq >= ${row.sequence}`, `seq <= ${row.sequence}`],
};
