/** How far a capture is that is being opened; nothing once its rows are there. */
import type { CaptureFacts } from '../../app/contract/capture';
import type { DiskId } from '../../app/contract/units';
import { useShare } from '../trace/capture-share';

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
