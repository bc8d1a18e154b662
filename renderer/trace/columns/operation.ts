import { operationWord } from '../../../app/contract/trace';
import type { Column } from './column';

export const operation: Column = {
  id: 'operation',
  title: 'Op',
  hint: 'Operation',
  width: '82px',
  align: 'left',
  shown: (row) => operationWord(row.operation).name,
  exact: (row) => operationWord(row.operation).meaning,
  tint: (row) => operationWord(row.operation).family,
  hasMark: true,
  text: (row) => operationWord(row.operation).name,
  conditions: (row) => [`op == ${operationWord(row.operation).name.replaceAll(' ', '-')}`],
};
