import { flagsOf } from '../../../app/contract/trace';
import type { Column } from './column';

export const flags: Column = {
  id: 'flags',
  title: 'Flags',
  hint: 'What the kernel said about the request; the inspector explains each',
  width: 'minmax(96px, 1.4fr)',
  align: 'left',
  draw: (cell, row) => {
    const bits = String(row.flags);
    if (cell.dataset['bits'] === bits) return;
    cell.dataset['bits'] = bits;
    const words = flagsOf(row.flags);
    cell.title = words.map(({ name, meaning }) => `${name}: ${meaning}`).join('\n');
    cell.replaceChildren(
      ...words.map(({ name }) => {
        const chip = document.createElement('span');
        chip.className = 'chip';
        chip.textContent = name;
        return chip;
      }),
    );
  },
  text: (row) =>
    flagsOf(row.flags)
      .map(({ name }) => name)
      .join(' '),
  conditions: (row) => {
    const names = flagsOf(row.flags).map(({ name }) => name.toLowerCase());
    if (names.length === 0) return ['flags == none'];
    return [`flags has ${names.length === 1 ? names.join('') : `{${names.join(', ')}}`}`];
  },
};
