/** Filters used lately, and those the user has saved: kept from one run to the next. */
import { create } from 'zustand';
import { isTexts, readStored, writeStored } from '../widgets/stored';

const MOST_RECENT = 20;

export interface FilterMemory {
  /** Newest first. */
  readonly recent: readonly string[];
  readonly saved: readonly string[];
}

export const useFilterMemory = create<FilterMemory>(() => ({
  recent: readStored('filters.recent', isTexts, []),
  saved: readStored('filters.saved', isTexts, []),
}));

/** `text` has been used. */
export function rememberFilter(text: string): void {
  const filter = text.trim();
  if (filter === '') return;
  const { recent } = useFilterMemory.getState();
  const next = [filter, ...recent.filter((one) => one !== filter)].slice(0, MOST_RECENT);
  useFilterMemory.setState({ recent: next });
  writeStored('filters.recent', next);
}

/** Saves `text`, or forgets it if it is saved. */
export function toggleSaved(text: string): void {
  const filter = text.trim();
  const { saved } = useFilterMemory.getState();
  const next = saved.includes(filter)
    ? saved.filter((one) => one !== filter)
    : [...saved, filter].sort();
  useFilterMemory.setState({ saved: next });
  writeStored('filters.saved', next);
}
