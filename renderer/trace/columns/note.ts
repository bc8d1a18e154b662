import { noteOf } from '../marks';
import type { Column } from './column';

export const note: Column = {
  id: 'note',
  title: 'Note',
  hint: 'Your marks and notes: M marks a request, N writes a note',
  width: 'minmax(80px, 1fr)',
  align: 'left',
  isHidden: true,
  shown: (row) => {
    const text = noteOf(row.sequence);
    return text === '' ? '★' : (text ?? '');
  },
  exact: (row) => noteOf(row.sequence) ?? '',
  text: (row) => noteOf(row.sequence) ?? '',
  conditions: (row) => (noteOf(row.sequence) === null ? [] : ['marked']),
};
