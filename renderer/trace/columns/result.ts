import { errnoName, resultNames } from '../../../app/contract/trace';
import { BIOSCOPE_RESULT_OK } from '../../../app/contract/wire.gen';
import type { RowView } from '../row-view';
import type { Column } from './column';

function word(row: RowView): string {
  if (row.result === BIOSCOPE_RESULT_OK) return 'ok';
  return row.error === 0 ? (resultNames[row.result] ?? 'error') : errnoName(row.error);
}

export const result: Column = {
  id: 'result',
  title: 'Result',
  hint: 'How the request ended: ok, or the errno',
  width: 'minmax(52px, 96px)',
  align: 'left',
  shown: word,
  tint: (row) => (row.result === BIOSCOPE_RESULT_OK ? 'dim' : 'error'),
  text: word,
  conditions: (row) => [`result == ${word(row).replace(' ', '-')}`],
};
