/** Says from afar that the daemon has died, and what to do. */
import { useState } from 'react';
import { startDaemon } from '../disks/disk-actions';
import { useDisks } from '../disks/disk-state';
import { Icon } from '../widgets/icon';

export function DaemonBanner() {
  const daemon = useDisks((state) => state.daemon);
  const [isStarting, setStarting] = useState(false);
  if (daemon.phase !== 'lost') return null;
  const [what, ...details] = daemon.error.message.split('\n');
  return (
    <div className="banner" role="alert" data-testid="daemon-lost">
      <Icon name="warning" />
      <div>
        <strong>The daemon has ended.</strong> {what}
        {details.length > 0 && (
          <details>
            <summary>Details</summary>
            <pre>{details.join('\n')}</pre>
          </details>
        )}
      </div>
      <button
        type="button"
        className="button"
        disabled={isStarting}
        onClick={() => {
          setStarting(true);
          void startDaemon().finally(() => setStarting(false));
        }}
      >
        Start the daemon again
      </button>
    </div>
  );
}
