import { flagsOf } from '../../../app/contract/trace';
import type { RowView } from '../row-view';
import type { Column } from './column';

const words = (row: RowView): string =>
  row.flags === 0
    ? ''
    : flagsOf(row.flags)
        .map(({ name }) => name)
        .join(' ');

export const flags: Column = {
  id: 'flags',
  title: 'Flags',
  hint: 'What the kernel said about the request; the inspector explains each',
  width: 'minmax(96px, 1.4fr)',
  align: 'left',
  shown: words,
  exact: (row) =>
    flagsOf(row.flags)
      .map(({ name, meaning }) => `${name}: ${meaning}`)
      .join('\n'),
  tint: () => 'dim',
  hasChips: true,
  text: words,
  conditions: (row) => {
    const names = flagsOf(row.flags).map(({ name }) => name.toLowerCase());
    if (names.length === 0) return ['flags == none'];
    return [`flags has ${names.length === 1 ? names.join('') : `{${names.join(', ')}}`}`];
  },
};
