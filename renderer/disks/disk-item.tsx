/** One disk in the list: what it is, what it does now, and what is wrong with it. */
import { ContextMenu } from 'radix-ui';
import type { Disk } from '../../app/contract/disk';
import type { Holder } from '../../app/contract/errors';
import { CaptureFactsView } from '../captures/capture-facts';
import { CopyButton, copyText } from '../widgets/copy';
import { Icon } from '../widgets/icon';
import { formatBytes, formatCount, formatRate, formatThroughput } from '../widgets/numbers';
import { Problem } from '../widgets/problem';
import { attachAgain, detach, dismissDisk, dismissRefusal, resizeDisk } from './disk-actions';
import { DiskFailure } from './disk-failure';
import { selectDisk, useDiskNumbers, useDisks } from './disk-state';
import { noRates } from './rate-history';
import { Sparkline } from './sparkline';

/** "mounted on /mnt (/dev/loop0p1)". */
export function holderText(holder: Holder): string {
  const who = {
    mount: `mounted on ${holder.name}`,
    swap: 'used as swap',
    process: `held by ${holder.name}${holder.pid === null ? '' : ` (pid ${holder.pid})`}`,
    device: `under ${holder.name}`,
  }[holder.kind];
  return `${who} · ${holder.device}`;
}

function stateWord(disk: Disk, isDetaching: boolean): string | null {
  if (disk.state === 'failed') return 'failed';
  if (disk.state === 'capture') return 'capture';
  if (disk.state === 'detaching' || isDetaching) return 'detaching…';
  return disk.state === 'attaching' ? 'attaching…' : null;
}

function routeTitle({ channels, routeReason }: Disk): string | undefined {
  if (channels === undefined) return routeReason;
  return `Served over ${channels} ${channels === 1 ? 'channel' : 'channels'}: “This machine” says why so many`;
}

function DiskActivity({ disk }: { readonly disk: Disk }) {
  const numbers = useDiskNumbers(disk.id);
  const { reads, writes, others, readBytes, writtenBytes } = numbers?.history.now ?? noRates;
  const isIdle = reads + writes + others < 0.05;
  const errors = numbers?.last?.errors ?? 0n;
  return (
    <div className="disk-activity">
      <div className="disk-rates" data-testid="disk-rates">
        {isIdle ? (
          <span className="dim">idle</span>
        ) : (
          <>
            <span title="Requests a second">
              <span className="read">r {formatRate(reads)}</span>{' '}
              <span className="write">w {formatRate(writes)}</span> IOPS
            </span>
            <span
              title={`read ${formatThroughput(readBytes)}, written ${formatThroughput(writtenBytes)}`}
            >
              {formatThroughput(readBytes + writtenBytes)}
            </span>
          </>
        )}
        {errors > 0n && (
          <span className="failed" title="Requests that failed since it was attached">
            {formatCount(errors)} {errors === 1n ? 'error' : 'errors'}
          </span>
        )}
      </div>
      {numbers && <Sparkline history={numbers.history} />}
    </div>
  );
}

function DiskMenu({ disk }: { readonly disk: Disk }) {
  const target = disk.capture ? null : (disk.device ?? disk.fuseFile);
  return (
    <ContextMenu.Portal>
      <ContextMenu.Content className="menu">
        {target !== null && (
          <ContextMenu.Item className="menu-item" onSelect={() => void copyText(target, target)}>
            Copy {disk.device === null ? 'the file’s path' : 'the device’s path'}
          </ContextMenu.Item>
        )}
        <ContextMenu.Item
          className="menu-item"
          onSelect={() => void copyText(disk.imagePath, disk.imagePath)}
        >
          Copy the image’s path
        </ContextMenu.Item>
        <ContextMenu.Separator className="menu-line" />
        {disk.state === 'failed' ? (
          <>
            <ContextMenu.Item className="menu-item" onSelect={() => void attachAgain(disk)}>
              Attach again
            </ContextMenu.Item>
            <ContextMenu.Item className="menu-item" onSelect={() => void dismissDisk(disk.id)}>
              Dismiss
            </ContextMenu.Item>
          </>
        ) : (
          <>
            {disk.route === 'dm-user' && (
              <ContextMenu.Item
                className="menu-item"
                disabled={disk.state !== 'attached'}
                onSelect={() => void resizeDisk(disk)}
              >
                Take the image’s size
              </ContextMenu.Item>
            )}
            <ContextMenu.Item
              className="menu-item"
              disabled={disk.state !== 'attached' && disk.state !== 'capture'}
              onSelect={() => void detach(disk.id)}
            >
              {disk.capture ? 'Close' : 'Detach'} <kbd>Delete</kbd>
            </ContextMenu.Item>
          </>
        )}
      </ContextMenu.Content>
    </ContextMenu.Portal>
  );
}

function Refusal({ disk }: { readonly disk: Disk }) {
  const error = useDisks(({ refusals }) => refusals[disk.id]);
  if (!error) return null;
  return (
    <Problem title={`${disk.name} is still attached`} error={error} testId="detach-problem">
      {error.holders.length > 0 && (
        <ul className="holders">
          {error.holders.map((holder) => (
            <li key={holderText(holder)}>{holderText(holder)}</li>
          ))}
        </ul>
      )}
      <button type="button" className="button" onClick={() => void detach(disk.id)}>
        Try again
      </button>
      {disk.route === 'dm-user' && disk.state === 'attached' && (
        <button
          type="button"
          className="button"
          data-testid="detach-deferred"
          title="It is served until nobody uses it any more, and then detached"
          onClick={() => void detach(disk.id, true)}
        >
          Detach with its last user
        </button>
      )}
      <button type="button" className="button" onClick={() => dismissRefusal(disk.id)}>
        Dismiss
      </button>
    </Problem>
  );
}

export function DiskItem({ disk }: { readonly disk: Disk }) {
  const isSelected = useDisks(({ selected }) => selected === disk.id);
  const isDetaching = useDisks(({ detaching }) => detaching.includes(disk.id));
  // Where a capture was recorded somebody else may be by now.
  const target = disk.capture ? null : (disk.device ?? disk.fuseFile);
  const word = stateWord(disk, isDetaching);
  const canLeave = disk.state === 'attached' || disk.state === 'capture';
  const leaveWord = disk.capture ? 'Close' : 'Detach';
  return (
    <ContextMenu.Root modal={false}>
      <ContextMenu.Trigger asChild>
        <li
          className="disk"
          data-testid="disk"
          data-disk={disk.id}
          data-state={disk.state}
          data-selected={isSelected}
        >
          <button
            type="button"
            className="disk-select"
            data-testid="disk-select"
            aria-current={isSelected}
            title={disk.imagePath}
            onClick={() => selectDisk(disk.id)}
            onKeyDown={(event) => {
              if (event.key === 'Delete' && canLeave) void detach(disk.id);
            }}
          >
            <span className="disk-name" data-testid="disk-name">
              {disk.name}
            </span>
            {disk.readOnly && !disk.capture && (
              <span className="badge" data-testid="disk-read-only">
                read-only
              </span>
            )}
            {word !== null && (
              <span className={disk.state === 'failed' ? 'badge failed' : 'badge'}>{word}</span>
            )}
          </button>
          <div className="disk-facts">
            <span data-testid="disk-size" title={`${formatCount(disk.size)} bytes`}>
              {formatBytes(disk.size)}
            </span>
            {target !== null && (
              <span className="disk-target">
                <span data-testid="disk-device" title={target}>
                  {target}
                </span>
                <CopyButton text={target} />
              </span>
            )}
            <span className="dim" data-testid="disk-route" title={routeTitle(disk)}>
              {disk.route}
            </span>
          </div>
          {disk.partitions.length > 0 && (
            <div className="disk-facts dim" title={disk.partitions.join('\n')}>
              {disk.partitions.length === 1
                ? disk.partitions[0]
                : `${disk.partitions.length} partitions`}
            </div>
          )}
          {disk.capture && <CaptureFactsView disk={disk.id} capture={disk.capture} />}
          {disk.state !== 'failed' && !disk.capture && <DiskActivity disk={disk} />}
          {disk.holders.length > 0 && (
            <ul className="holders" data-testid="disk-holders">
              {disk.holders.map((holder) => (
                <li key={holderText(holder)}>{holderText(holder)}</li>
              ))}
            </ul>
          )}
          {disk.notes.length > 0 && (
            <ul className="notes" data-testid="disk-notes">
              {disk.notes.map((note) => (
                <li key={note}>{note}</li>
              ))}
            </ul>
          )}
          <DiskFailure disk={disk} />
          <Refusal disk={disk} />
          {canLeave && (
            <button
              type="button"
              className="icon-button disk-detach"
              aria-label={`${leaveWord} ${disk.name}`}
              title={`${leaveWord} ${disk.name}`}
              disabled={isDetaching}
              onClick={() => void detach(disk.id)}
            >
              <Icon name="eject" />
            </button>
          )}
        </li>
      </ContextMenu.Trigger>
      <DiskMenu disk={disk} />
    </ContextMenu.Root>
  );
}
