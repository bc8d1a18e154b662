/** The bytes of the selected request, and where they come from. */
import { useEffect, useMemo, useReducer, useRef, useState } from 'react';
import { operationWord, type TraceRecord } from '../../app/contract/trace';
import { sectorToBytes } from '../../app/contract/units';
import { BIOSCOPE_MARK_PAYLOAD, BIOSCOPE_RESULT_OK } from '../../app/contract/wire.gen';
import { useDisks } from '../disks/disk-state';
import { bridge } from '../shell/bridge';
import type { SelectedRequest } from '../trace/view-state';
import { copyText } from '../widgets/copy';
import { Icon } from '../widgets/icon';
import { formatBytes, formatCount } from '../widgets/numbers';
import { Problem } from '../widgets/problem';
import { showToast } from '../widgets/toast';
import { type ByteSelection, selectionEnd, selectionStart } from './byte-selection';
import { base64Text, cArrayText, hexText, plainText } from './byte-text';
import { HexView } from './hex-view';
import { imageNow, keptPayload, PayloadSource } from './payload-source';

/** The most that is copied at once, bytes. */
const LONGEST_COPY = 1 << 20;

const hasPayload = (record: TraceRecord): boolean => {
  const { family } = operationWord(record.operation);
  return record.length > 0n && (family === 'read' || family === 'write');
};

const copies = [
  { name: 'hex', form: hexText },
  { name: 'text', form: plainText },
  { name: 'C array', form: cArrayText },
  { name: 'base64', form: base64Text },
] as const;

function Hex({ source, base }: { readonly source: PayloadSource; readonly base: bigint }) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<HexView | null>(null);
  const [selection, setSelection] = useState<ByteSelection | null>(null);
  const [isAbsolute, setAbsolute] = useState(false);
  const start = selection ? selectionStart(selection) : 0;
  const end = selection ? selectionEnd(selection) : source.total;

  const copy = async (form: (bytes: Uint8Array) => string): Promise<void> => {
    if (end - start > LONGEST_COPY) {
      showToast(`Select at most ${formatBytes(LONGEST_COPY)} to copy`, true);
      return;
    }
    const bytes = await source.bytes(start, end);
    if (bytes) await copyText(form(bytes), `${formatCount(bytes.length)} bytes`);
    else showToast('Could not copy: some of these bytes are not to be had', true);
  };
  const copyHex = useRef(copy);
  useEffect(() => {
    copyHex.current = copy;
  });

  useEffect(() => {
    if (!host.current) return;
    const made = new HexView(host.current, {
      selectionChanged: setSelection,
      copyAsked: () => void copyHex.current(hexText),
    });
    view.current = made;
    return () => made.dispose();
  }, []);
  useEffect(() => view.current?.show(source), [source]);
  useEffect(() => view.current?.setBase(isAbsolute ? base : 0n), [isAbsolute, base]);
  // The source has loaded more.
  useEffect(() => view.current?.draw());

  const shownStart = (isAbsolute ? base : 0n) + BigInt(start);
  return (
    <>
      <div
        ref={host}
        id="hex"
        className="hex"
        tabIndex={0}
        role="group"
        aria-label="Bytes"
        aria-describedby="hex-selection"
        data-testid="hex"
        data-total={source.total}
      />
      <div className="hex-bar">
        <span id="hex-selection" className="data" data-testid="hex-selection">
          {selection
            ? `0x${shownStart.toString(16)} +${formatCount(end - start)}`
            : `${formatCount(source.total)} bytes`}
        </span>
        <span className="hex-copies">
          Copy
          {copies.map(({ name, form }) => (
            <button
              key={name}
              type="button"
              className="link"
              aria-label={`Copy ${name}`}
              onClick={() => void copy(form)}
            >
              {name}
            </button>
          ))}
        </span>
        <label className="hex-base" title="Offsets from the start of the device, or of the payload">
          <input
            type="checkbox"
            checked={isAbsolute}
            onChange={(event) => setAbsolute(event.target.checked)}
          />
          device offsets
        </label>
      </div>
    </>
  );
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

function Payload({ request }: { readonly request: SelectedRequest }) {
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
        <Hex source={source} base={sectorToBytes(record.sector)} />
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

export function PayloadView({ request }: { readonly request: SelectedRequest }) {
  const { disk, record } = request;
  if (!hasPayload(record)) return <NoPayload record={record} />;
  return <Payload key={`${disk} ${record.sequence}`} request={request} />;
}
