/** The bytes of the selected request, and where they come from. */
import { useMemo, useReducer, useState } from 'react';
import { operationWord, type TraceRecord } from '../../app/contract/trace';
import { BIOSCOPE_MARK_PAYLOAD, BIOSCOPE_RESULT_OK } from '../../app/contract/wire.gen';
import { useDisks } from '../disks/disk-state';
import { bridge } from '../shell/bridge';
import type { SelectedRequest } from '../trace/view-state';
import { Icon } from '../widgets/icon';
import { formatCount } from '../widgets/numbers';
import { Problem } from '../widgets/problem';
import { ExplainedBytes } from './explained-bytes';
import { imageNow, keptPayload, PayloadSource } from './payload-source';

const hasPayload = (record: TraceRecord): boolean => {
  const { family } = operationWord(record.operation);
  return record.length > 0n && (family === 'read' || family === 'write');
};

interface PayloadProps {
  readonly request: SelectedRequest;
  /** It has the inspector for itself, so that structures may be shown in full. */
  readonly isWhole: boolean;
}

/** No bytes, and why. */
function NoPayload({ record }: { readonly record: TraceRecord }) {
  const { name } = operationWord(record.operation);
  return (
    <p className="payload-note" data-testid="payload" data-source="none">
      A {name} request carries no data: it only names {record.length > 0n ? 'sectors' : 'the disk'}.
    </p>
  );
}

function Payload({ request, isWhole }: PayloadProps) {
  const { disk, record } = request;
  const isKept = (record.marks & BIOSCOPE_MARK_PAYLOAD) !== 0;
  const [isImage, setImage] = useState(false);
  const [, changed] = useReducer((count: number) => count + 1, 0);
  const source = useMemo(() => {
    if (isImage) {
      return new PayloadSource(imageNow(bridge, disk, record.sector, record.length), changed);
    }
    return isKept ? new PayloadSource(keptPayload(bridge, disk, record.sequence), changed) : null;
  }, [isImage, isKept, disk, record]);
  const isAttached = useDisks(({ disks }) =>
    disks.some(({ id, state }) => id === disk && state === 'attached'),
  );

  if (source?.phase === 'loading') {
    return (
      <p className="payload-note dim" data-testid="payload" data-source="loading">
        Loading…
      </p>
    );
  }
  if (source?.phase === 'error' && source.error) {
    return (
      <div className="payload" data-testid="payload" data-source="error">
        <Problem title="The bytes could not be read" error={source.error} testId="payload-error" />
      </div>
    );
  }
  if (source?.phase === 'there') {
    return (
      <div className="payload" data-testid="payload" data-source={isImage ? 'image' : 'kept'}>
        {isImage ? (
          <p className="payload-note warned">
            <Icon name="warning" /> What the image holds there now: not what this request{' '}
            {operationWord(record.operation).family === 'read' ? 'read' : 'wrote'}.
          </p>
        ) : (
          source.total < Number(record.length) && (
            <p className="payload-note warned">
              Only the first {formatCount(source.total)} of {formatCount(record.length)} bytes are
              kept.
            </p>
          )
        )}
        <ExplainedBytes source={source} request={request} isImage={isImage} isWhole={isWhole} />
      </div>
    );
  }
  return (
    <div className="payload-note" data-testid="payload" data-source="gone">
      <p>
        {!isKept && record.result !== BIOSCOPE_RESULT_OK
          ? 'The request failed: nothing of it was kept.'
          : 'The bytes of this request are kept no longer: newer ones took their place.'}
      </p>
      <button
        type="button"
        className="button"
        data-testid="payload-from-image"
        disabled={!isAttached}
        title={isAttached ? '' : 'The disk is not attached any more'}
        onClick={() => setImage(true)}
      >
        Show what the image holds there now
      </button>
    </div>
  );
}

export function PayloadView({ request, isWhole }: PayloadProps) {
  const { disk, record } = request;
  if (!hasPayload(record)) return <NoPayload record={record} />;
  return <Payload key={`${disk} ${record.sequence}`} request={request} isWhole={isWhole} />;
}
