/** The times in which nobody served the disk that is looked at. */
import { useSyncExternalStore } from 'react';
import { frameCounts } from '../trace/trace-client';
import type { Gap } from '../trace/worker/protocol';

/** Of the selected disk, ns since its trace began. */
export const shownGaps = (): readonly Gap[] => frameCounts.snapshot().gaps;

/** The same, for a component that draws them. */
export const useShownGaps = (): readonly Gap[] =>
  useSyncExternalStore(frameCounts.subscribe, shownGaps);
