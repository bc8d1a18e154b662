/** Across the top: the selected disk, and what can be done with its view. */
import type { Disk } from '../../app/contract/disk';
import { ExportControl } from '../captures/export-control';
import { RecordControl } from '../captures/record-control';
import { detach } from '../disks/disk-actions';
import { useDisks, useSelectedDisk } from '../disks/disk-state';
import { traceSession } from '../trace/trace-client';
import { useTraceView } from '../trace/view-state';
import { CopyButton } from '../widgets/copy';
import { Icon } from '../widgets/icon';
import { useShell } from './shell-state';

function DiskChips({ disk }: { readonly disk: Disk }) {
  const target = disk.device ?? disk.fuseFile;
  return (
    <div className="top-chips">
      <span className="top-chip strong" data-testid="top-name" title={disk.imagePath}>
        {disk.name}
      </span>
      {disk.capture && (
        <span className="top-chip strong" data-testid="top-capture" title={disk.capture.path}>
          capture
        </span>
      )}
      {target !== null && !disk.capture && (
        <span className="top-chip data">
          <span data-testid="top-device">{target}</span>
          <CopyButton text={target} />
        </span>
      )}
      <span className="top-chip data">{disk.route}</span>
      {!disk.capture && (
        <span className="top-chip data">{disk.readOnly ? 'read-only' : 'read-write'}</span>
      )}
    </div>
  );
}

function ViewButtons({ disk }: { readonly disk: Disk }) {
  const paused = useTraceView((state) => state.paused);
  const isDetaching = useDisks(({ detaching }) => detaching.includes(disk.id));
  return (
    <div className="top-buttons">
      <button
        type="button"
        className="button"
        data-testid="pause"
        aria-pressed={paused}
        title="Freezes the view; the I/O goes on (Space)"
        onClick={() => traceSession.pause(!paused)}
      >
        <Icon name={paused ? 'play' : 'pause'} />
        {paused ? 'Resume view' : 'Pause view'}
      </button>
      <button
        type="button"
        className="button"
        data-testid="clear"
        title="Puts the requests so far away; they can be shown again"
        onClick={() => traceSession.clear()}
      >
        <Icon name="clear" />
        Clear
      </button>
      {disk.capture ? <ExportControl disk={disk} /> : <RecordControl disk={disk} />}
      <button
        type="button"
        className="button"
        data-testid="detach"
        disabled={!['attached', 'capture'].includes(disk.state) || isDetaching}
        onClick={() => void detach(disk.id)}
      >
        <Icon name="eject" />
        {disk.state === 'capture' ? 'Close' : 'Detach'}
      </button>
    </div>
  );
}

export function TopBar() {
  const disk = useSelectedDisk();
  const { areDisksOpen, isInspectorOpen, setDisksOpen, setInspectorOpen } = useShell();
  return (
    <header className="top-bar">
      <button
        type="button"
        className="icon-button"
        aria-label="Disks"
        title="Show or hide the disks"
        aria-pressed={areDisksOpen}
        onClick={() => setDisksOpen(!areDisksOpen)}
      >
        <Icon name="list" />
      </button>
      <span className="brand">
        <svg className="brand-mark" viewBox="0 0 20 20" aria-hidden="true">
          <circle cx="10" cy="10" r="8.2" />
          <path d="M4 10.5h2.6l1.8-4.6 2.9 8.6 2-6 1 2H16" />
        </svg>
        Bioscope
      </span>
      {disk ? <DiskChips disk={disk} /> : <div className="top-chips" />}
      {disk && <ViewButtons disk={disk} />}
      <button
        type="button"
        className="icon-button"
        aria-label="Inspector"
        title="Show or hide the inspector"
        aria-pressed={isInspectorOpen}
        onClick={() => setInspectorOpen(!isInspectorOpen)}
      >
        <Icon name="inspector" />
      </button>
    </header>
  );
}
