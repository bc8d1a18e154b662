/** How many requests the window keeps, of all disks together: the user's choice, remembered. */
import { create } from 'zustand';
import { readStored, writeStored } from '../widgets/stored';
import { ROWS_KEPT } from './worker/protocol';

/** 62 bytes each: 65 MB to 1.3 GB. */
export const rowsKeptChoices: readonly number[] = [1 << 20, 4 << 20, ROWS_KEPT, 20 << 20];

const isChoice = (value: unknown): value is number =>
  typeof value === 'number' && rowsKeptChoices.includes(value);

export const useRowsKept = create<{ readonly rows: number }>(() => ({
  rows: readStored('rows-kept', isChoice, ROWS_KEPT),
}));

useRowsKept.subscribe(({ rows }) => writeStored('rows-kept', rows));
