/** Along the bottom: what is traced, lost and kept, and by whom. */
import { useSyncExternalStore } from 'react';
import type { DaemonState } from '../../app/contract/window-api';
import { useDaemonCpu, useDiskNumbers, useDisks, useSelectedDisk } from '../disks/disk-state';
import { rowsKeptChoices, useRowsKept } from '../trace/rows-kept';
import { frameCounts } from '../trace/trace-client';
import { useTraceView } from '../trace/view-state';
import { formatBytes, formatCount } from '../widgets/numbers';
import { useShell } from './shell-state';

function tracingWord(daemon: DaemonState, isTracing: boolean, isPaused: boolean): string {
  if (daemon.phase === 'starting') return 'starting the daemon…';
  if (daemon.phase === 'lost') return 'daemon lost';
  if (!isTracing) return 'ready';
  return isPaused ? 'tracing, view paused' : 'tracing';
}

function DaemonPart({ daemon }: { readonly daemon: DaemonState }) {
  const cpu = useDaemonCpu();
  if (daemon.phase !== 'running') return null;
  const { pid, version, kernel } = daemon.info;
  return (
    <>
      <span
        data-testid="status-daemon"
        title={`Daemon ${version}, ${(cpu * 100).toFixed(1)} % of one CPU`}
      >
        daemon pid {pid} · {Math.round(cpu * 100)} % CPU
      </span>
      <button
        type="button"
        className="link"
        data-testid="status-route"
        title={`Bioscope ${version}: what works on this machine`}
        onClick={() => useShell.setState({ isMachineOpen: true })}
      >
        <RouteWord /> · Linux {kernel}
      </button>
    </>
  );
}

function RouteWord() {
  const disk = useSelectedDisk();
  const daemon = useDisks((state) => state.daemon);
  if (disk) return disk.route;
  const available =
    daemon.phase === 'running' ? daemon.info.routes.filter((route) => route.available) : [];
  return available.length > 0 ? available.map((route) => route.name).join(', ') : 'no route';
}

/** How many the window keeps. */
function KeptChoice() {
  const rows = useRowsKept((state) => state.rows);
  return (
    <select
      className="kept-choice"
      aria-label="Requests kept at most"
      title="Requests this window keeps at most, of all disks together; the oldest leave first"
      value={rows}
      onChange={(event) => useRowsKept.setState({ rows: Number(event.target.value) })}
    >
      {rowsKeptChoices.map((choice) => (
        <option key={choice} value={choice}>
          of {formatCount(choice)}
        </option>
      ))}
    </select>
  );
}

export function StatusBar() {
  const daemon = useDisks((state) => state.daemon);
  const disk = useSelectedDisk();
  const paused = useTraceView((state) => state.paused);
  const numbers = useDiskNumbers(disk?.id ?? null);
  const { totals } = useSyncExternalStore(frameCounts.subscribe, frameCounts.snapshot);
  const own = totals.find((one) => one.disk === disk?.id);
  const lost = own?.lost ?? 0;
  const isTracing = disk?.state === 'attached' && own?.closed === false;
  return (
    <footer className="status-bar" data-testid="status-bar">
      <span
        className="status-tracing"
        data-testid="status-tracing"
        data-phase={daemon.phase === 'running' && isTracing ? 'tracing' : daemon.phase}
      >
        {tracingWord(daemon, isTracing, paused)}
      </span>
      {own && (
        <>
          <span data-testid="status-requests">
            {formatCount(own.received)} {own.received === 1 ? 'request' : 'requests'}
          </span>
          <span
            data-testid="status-lost"
            className={lost > 0 ? 'failed' : ''}
            title="Requests that were overwritten in the trace before this window could read them"
          >
            {formatCount(lost)} lost
          </span>
          <span className="status-wide" data-testid="status-kept">
            {formatCount(own.kept)} kept <KeptChoice />
          </span>
        </>
      )}
      {numbers?.last && (
        <span
          className="status-wide"
          data-testid="status-payloads"
          title="Bytes of the newest requests that the daemon keeps"
        >
          payloads {formatBytes(numbers.last.payloadBytes)} of{' '}
          {formatBytes(numbers.last.payloadLimit)}
        </span>
      )}
      <span className="status-space" />
      <DaemonPart daemon={daemon} />
    </footer>
  );
}
