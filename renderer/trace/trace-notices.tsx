/** What floats over the table or stands in for it: following, pause, clear, no requests yet. */
import { useSyncExternalStore } from 'react';
import type { CaptureFacts } from '../../app/contract/capture';
import type { Disk } from '../../app/contract/disk';
import { useDisks } from '../disks/disk-state';
import { CommandLine } from '../widgets/copy';
import { Icon } from '../widgets/icon';
import { formatCount } from '../widgets/numbers';
import { useShare } from './capture-share';
import { useRowsKept } from './rows-kept';
import { frameCounts, traceSession } from './trace-client';
import { useTraceView } from './view-state';

/** Why rows are not shown, and the way to them. */
export function TraceNotices() {
  const paused = useTraceView((state) => state.paused);
  const cleared = useTraceView((state) => state.cleared);
  const following = useTraceView((state) => state.following);
  const rows = useRowsKept((state) => state.rows);
  const { heldBack, left, below } = useSyncExternalStore(
    frameCounts.subscribe,
    frameCounts.snapshot,
  );
  return (
    <>
      {(paused || cleared || left > 0) && (
        <div className="trace-notices">
          {paused && (
            <span data-testid="held-back">
              View paused; the I/O goes on: {formatCount(heldBack)} more{' '}
              {heldBack === 1 ? 'request' : 'requests'} since.{' '}
              <button type="button" className="link" onClick={() => traceSession.pause(false)}>
                Resume view
              </button>
            </span>
          )}
          {cleared && (
            <span>
              Earlier requests are put away.{' '}
              <button
                type="button"
                className="link"
                data-testid="show-all"
                onClick={() => traceSession.showAll()}
              >
                Show all again
              </button>
            </span>
          )}
          {left > 0 && (
            <span title={`The window keeps ${formatCount(rows)} requests of all disks together`}>
              The {formatCount(left)} oldest requests have left the table.
            </span>
          )}
        </div>
      )}
      {!following && (
        <button
          type="button"
          className="follow"
          aria-label="Follow newest"
          data-testid="follow"
          onClick={() => traceSession.follow()}
        >
          <Icon name="down" />
          Follow newest
          {below > 0 && <span className="dim"> · {formatCount(below)} below</span>}
        </button>
      )}
    </>
  );
}

/** In place of a capture's rows: they are still to come, put away, or cannot be read. */
function EmptyCapture({
  disk,
  capture,
  hasRows,
}: {
  readonly disk: Disk;
  readonly capture: CaptureFacts;
  readonly hasRows: boolean;
}) {
  const share = useShare(disk.id, capture);
  const reason = useDisks(
    ({ attachments }) => attachments.find(({ path }) => path === capture.path)?.error?.message,
  );
  const isLost = capture.records > 0 && !hasRows && share === 1;
  const isComing = share < 1 && !hasRows;
  const title = isComing ? 'Being opened' : 'No requests here';
  return (
    <div className="empty-trace" data-testid="empty-trace">
      <h2>{isLost ? 'Nothing of it could be read' : title}</h2>
      {isLost && reason !== undefined && <p>{reason}</p>}
      <p>{formatCount(capture.records)} requests are in the capture.</p>
    </div>
  );
}

/** In place of rows, where there are none. */
export function EmptyTrace({ disk }: { readonly disk: Disk }) {
  const { total, matched, totals } = useSyncExternalStore(
    frameCounts.subscribe,
    frameCounts.snapshot,
  );
  const cleared = useTraceView((state) => state.cleared);
  if (matched > 0) return null;
  if (total > 0) {
    return (
      <div className="empty-trace" data-testid="empty-trace">
        <h2>No request passes the filter</h2>
        <p>
          None of {formatCount(total)} {total === 1 ? 'request' : 'requests'} does.
        </p>
        <button type="button" className="button" onClick={() => traceSession.clearFilter()}>
          Clear filter
        </button>
      </div>
    );
  }
  const hasRows = (totals.find((one) => one.disk === disk.id)?.kept ?? 0) > 0;
  if (disk.capture) return <EmptyCapture disk={disk} capture={disk.capture} hasRows={hasRows} />;
  const target = disk.device ?? disk.fuseFile;
  return (
    <div className="empty-trace" data-testid="empty-trace">
      <h2>{cleared || hasRows ? 'Nothing new yet' : 'No requests yet'}</h2>
      {target === null ? (
        <p>Requests appear here as soon as the disk is attached.</p>
      ) : (
        <>
          <p>Each request that reaches {target} appears here. Make some in a terminal:</p>
          <CommandLine command={`dd if=${target} of=/dev/null bs=1M count=8 iflag=direct`} />
          <CommandLine command={`file -s ${target}`} />
          {disk.device !== null && !disk.readOnly && (
            <p className="dim">
              Or make a file system and mount it; Bioscope never mounts anything by itself.
            </p>
          )}
        </>
      )}
    </div>
  );
}
