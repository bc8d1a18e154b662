/** How far a capture is that is being opened; nothing once its rows are there. */
import { useSyncExternalStore } from 'react';
import type { CaptureFacts } from '../../app/contract/capture';
import type { DiskId } from '../../app/contract/units';
import { frameCounts } from '../trace/trace-client';

/** Of a capture's requests, the share that has come or is known to be missing: 0 to 1. */
function useShare(disk: DiskId, { records, lost }: CaptureFacts): number {
  const { totals } = useSyncExternalStore(frameCounts.subscribe, frameCounts.snapshot);
  const mine = totals.find((one) => one.disk === disk);
  const all = records + lost;
  if (all === 0) return 1;
  return mine ? Math.min(1, (mine.received + mine.lost) / all) : 0;
}

export function CaptureOpening({
  disk,
  capture,
}: {
  readonly disk: DiskId;
  readonly capture: CaptureFacts;
}) {
  const share = useShare(disk, capture);
  if (share === 1) return null;
  return (
    <div className="disk-facts dim" data-testid="capture-opening">
      <progress className="progress" aria-label="Being opened" max={1} value={share} />
      <span>opening, {Math.floor(share * 100)} %</span>
    </div>
  );
}
