import { errnoName, resultNames } from '../../../app/contract/trace';
import { BIOSCOPE_RESULT_OK } from '../../../app/contract/wire.gen';
import type { RowView } from '../row-view';
import { setText, type Column } from './column';

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
  draw: (cell, row) => {
    setText(cell, word(row));
    cell.classList.toggle('failed', row.result !== BIOSCOPE_RESULT_OK);
  },
  text: word,
  conditions: (row) => [`result == ${word(row).replace(' ', '-')}`],
};
