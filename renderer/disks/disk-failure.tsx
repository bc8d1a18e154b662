/** Why a disk failed, and what can be done: also with what waits for an answer that may never come. */
import { useState } from 'react';
import type { Disk } from '../../app/contract/disk';
import { CommandLine } from '../widgets/copy';
import { Problem } from '../widgets/problem';
import { abortDisk, attachAgain, dismissDisk, startDaemon } from './disk-actions';
import { useDisks } from './disk-state';

export function DiskFailure({ disk }: { readonly disk: Disk }) {
  const isDaemonLost = useDisks(({ daemon }) => daemon.phase === 'lost');
  const [isAsking, setAsking] = useState(false);
  if (!disk.failure) return null;
  return (
    <Problem title={`${disk.name} failed`} error={disk.failure} testId="disk-failure">
      {isDaemonLost ? (
        <button type="button" className="button" onClick={() => void startDaemon()}>
          Start the daemon again
        </button>
      ) : (
        <button type="button" className="button" onClick={() => void attachAgain(disk)}>
          Attach again
        </button>
      )}
      {disk.hanging === true && (
        <button
          type="button"
          className="button"
          data-testid="disk-abort"
          aria-expanded={isAsking}
          onClick={() => setAsking(!isAsking)}
        >
          Abort what hangs…
        </button>
      )}
      <button type="button" className="button" onClick={() => void dismissDisk(disk.id)}>
        Dismiss
      </button>
      {disk.hanging === true && isAsking && (
        <AbortQuestion disk={disk} onAnswer={() => setAsking(false)} />
      )}
    </Problem>
  );
}

/** What aborting costs, before it is done; and the command, for a terminal. */
function AbortQuestion(props: { readonly disk: Disk; readonly onAnswer: () => void }) {
  const { disk, onAnswer } = props;
  const device = disk.device ?? disk.name;
  const target = device.replace('/dev/mapper/', '');
  return (
    <div className="abort-question" data-testid="disk-abort-question">
      <p>
        Every request that waits on {device} fails with an I/O error, and programs lose what they
        were writing. A file system on it will stop, or turn read-only. Served again instead,
        nothing would be lost.
      </p>
      <CommandLine command={`sudo dmsetup message ${target} 0 abort`} />
      <div className="problem-actions">
        <button
          type="button"
          className="button"
          data-testid="disk-abort-confirm"
          onClick={() => {
            onAnswer();
            void abortDisk(disk);
          }}
        >
          Fail what waits
        </button>
        <button type="button" className="button" onClick={onAnswer}>
          Let it wait
        </button>
      </div>
    </div>
  );
}
