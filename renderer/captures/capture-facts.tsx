/** What a capture in the list is: when it was recorded, how much, and what is missing. */
import type { CaptureFacts } from '../../app/contract/capture';
import { bytes, type DiskId } from '../../app/contract/units';
import { formatBytes, formatCount } from '../widgets/numbers';
import { CaptureOpening } from './capture-opening';
import './captures.css';

const payloadWords = {
  none: 'no payloads',
  writes: 'payloads of writes',
  all: 'payloads',
} as const;

export function CaptureFactsView({
  disk,
  capture,
}: {
  readonly disk: DiskId;
  readonly capture: CaptureFacts;
}) {
  const { path, program, records, lost, payloads, payloadsDropped, recordedAt } = capture;
  return (
    <>
      <div
        className="disk-facts"
        title={`${path}\nrecorded by ${program}`}
        data-testid="capture-facts"
      >
        <span>
          {formatCount(records)} {records === 1 ? 'request' : 'requests'}
        </span>
        <span>{formatBytes(bytes(capture.bytes))}</span>
        <span className="dim">{payloadWords[payloads]}</span>
      </div>
      <CaptureOpening disk={disk} capture={capture} />
      <div className="disk-facts dim">{new Date(recordedAt).toLocaleString('sv-SE')}</div>
      {lost + payloadsDropped > 0 && (
        <div className="disk-facts failed" data-testid="capture-lost">
          {lost > 0 && `${formatCount(lost)} requests were not recorded`}
          {lost > 0 && payloadsDropped > 0 && ', '}
          {payloadsDropped > 0 && `${formatCount(payloadsDropped)} payloads are missing`}
        </div>
      )}
    </>
  );
}
