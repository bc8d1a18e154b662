import { operationWord } from '../../../app/contract/trace';
import type { Column } from './column';

export const operation: Column = {
  id: 'operation',
  title: 'Op',
  hint: 'Operation',
  width: '82px',
  align: 'left',
  prepare: (cell) => {
    const mark = document.createElement('span');
    mark.className = 'operation-mark';
    const name = document.createElement('span');
    cell.append(mark, name);
  },
  draw: (cell, row) => {
    const { name, family, meaning } = operationWord(row.operation);
    if (cell.dataset['family'] === family && cell.lastElementChild?.textContent === name) return;
    cell.dataset['family'] = family;
    cell.title = meaning;
    if (cell.lastElementChild) cell.lastElementChild.textContent = name;
  },
  text: (row) => operationWord(row.operation).name,
  conditions: (row) => [`op == ${operationWord(row.operation).name.replaceAll(' ', '-')}`],
};
