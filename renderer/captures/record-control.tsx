/** Records the selected disk into a capture, and shows how that stands. */
import { DropdownMenu } from 'radix-ui';
import { useEffect, useState } from 'react';
import type { Disk } from '../../app/contract/disk';
import { payloadChoices, type PayloadChoice, type Recording } from '../../app/contract/recording';
import { bytes } from '../../app/contract/units';
import { formatBytes, formatCount } from '../widgets/numbers';
import { record, stopRecording, useRecordingOf, useRecordings } from './recording-state';
import './captures.css';

const payloadWords: Readonly<Record<PayloadChoice, string>> = {
  none: 'Without payloads',
  writes: 'With what is written',
  all: 'With all payloads',
};

const pasts = [
  { label: 'Save the last 10,000 requests…', past: { kind: 'requests', count: 10_000 } },
  { label: 'Save the last 30 seconds…', past: { kind: 'seconds', seconds: 30 } },
  { label: 'Save all that is kept…', past: { kind: 'requests', count: Number.MAX_SAFE_INTEGER } },
] as const;

/** "1:05". */
function elapsed(since: number, now: number): string {
  const seconds = Math.max(0, Math.floor((now - since) / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), 500);
    return () => window.clearInterval(timer);
  }, []);
  return now;
}

function Standing({ recording }: { readonly recording: Recording }) {
  const { records, bytes: size, lost, payloadsDropped, payloads, startedAt, path } = recording;
  const dropped = lost + payloadsDropped;
  const now = useNow();
  return (
    <button
      type="button"
      className="button recording"
      data-testid="recording"
      title={`Recording into ${path}${payloads === 'none' ? '' : ', with payloads'}. Click to end it.`}
      onClick={() => void stopRecording(recording)}
    >
      <span className="recording-mark" aria-hidden="true" />
      <span className="data">{elapsed(startedAt, now)}</span>
      <span className="data" data-testid="recording-records">
        {formatCount(records)}
      </span>
      <span className="data dim">{formatBytes(bytes(size))}</span>
      {dropped > 0 && (
        <span
          className="data failed"
          data-testid="recording-lost"
          title={`${formatCount(lost)} requests and ${formatCount(payloadsDropped)} payloads were overwritten before they could be recorded: the disk of the file is too slow`}
        >
          {formatCount(dropped)} lost
        </span>
      )}
      Stop
    </button>
  );
}

export function RecordControl({ disk }: { readonly disk: Disk }) {
  const recording = useRecordingOf(disk.id);
  const payloads = useRecordings((state) => state.payloads);
  if (recording) return <Standing recording={recording} />;
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>
        <button
          type="button"
          className="button"
          data-testid="record"
          disabled={disk.state !== 'attached'}
          title="Record its requests into a file, which can be opened again"
        >
          <span className="recording-mark idle" aria-hidden="true" />
          Record
        </button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="end">
          <DropdownMenu.Item
            className="menu-item"
            data-testid="record-start"
            onSelect={() => void record(disk, { kind: 'none' })}
          >
            Record from now on…
          </DropdownMenu.Item>
          {pasts.map(({ label, past }) => (
            <DropdownMenu.Item
              key={label}
              className="menu-item"
              onSelect={() => void record(disk, past)}
            >
              {label}
            </DropdownMenu.Item>
          ))}
          <DropdownMenu.Separator className="menu-line" />
          <DropdownMenu.RadioGroup
            value={payloads}
            onValueChange={(value) => useRecordings.setState({ payloads: value as PayloadChoice })}
          >
            {payloadChoices.map((choice) => (
              <DropdownMenu.RadioItem
                key={choice}
                className="menu-item"
                value={choice}
                data-testid={`record-payloads-${choice}`}
                onSelect={(event) => event.preventDefault()}
              >
                <span className="menu-choice" aria-hidden="true">
                  <DropdownMenu.ItemIndicator>✓</DropdownMenu.ItemIndicator>
                </span>
                {payloadWords[choice]}
              </DropdownMenu.RadioItem>
            ))}
          </DropdownMenu.RadioGroup>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
