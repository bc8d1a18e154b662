/** How far a capture is that is being opened. */
import { useSyncExternalStore } from 'react';
import type { CaptureFacts } from '../../app/contract/capture';
import type { DiskId } from '../../app/contract/units';
import { frameCounts } from './trace-client';

/** Of a capture's requests, the share that has come or is known to be missing: 0 to 1. */
export function useShare(disk: DiskId, { records, lost }: CaptureFacts): number {
  const { totals } = useSyncExternalStore(frameCounts.subscribe, frameCounts.snapshot);
  const mine = totals.find((one) => one.disk === disk);
  const all = records + lost;
  if (all === 0) return 1;
  return mine ? Math.min(1, (mine.received + mine.lost) / all) : 0;
}
