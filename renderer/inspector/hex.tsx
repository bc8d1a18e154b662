/** The hex view with its bar: what is selected, how to copy it, what a byte belongs to. */
import { useEffect, useRef, useState } from 'react';
import type { StructureNode } from '../structures/structure';
import { copyText } from '../widgets/copy';
import { formatBytes, formatCount } from '../widgets/numbers';
import { showToast } from '../widgets/toast';
import { type ByteSelection, selectionEnd, selectionStart } from './byte-selection';
import { base64Text, cArrayText, hexText, plainText } from './byte-text';
import { HexView, type ByteRange } from './hex-view';
import type { PayloadSource } from './payload-source';

/** The most that is copied at once, bytes. */
const LONGEST_COPY = 1 << 20;

const copies = [
  { name: 'hex', form: hexText },
  { name: 'text', form: plainText },
  { name: 'C array', form: cArrayText },
  { name: 'base64', form: base64Text },
] as const;

/** Bytes that are to be seen; a new object each time somebody asks. */
export interface Reveal {
  readonly range: ByteRange;
}

export interface HexProps {
  readonly source: PayloadSource;
  /** Byte of the device that the payload begins at. */
  readonly base: bigint;
  /** The field that is looked at: its bytes are marked. */
  readonly field: StructureNode | null;
  /**
   * What the byte under the pointer is, in words; empty if nothing is known of
   * it, null if nothing is known of any (the line's place is kept otherwise:
   * nothing may move under the pointer).
   */
  readonly byteMeaning: string | null;
  /** 1 for each byte that an earlier write had otherwise. */
  readonly changed: Uint8Array | null;
  readonly reveal: Reveal | null;
  readonly onByte: (offset: number | null) => void;
}

export function Hex(props: HexProps) {
  const { source, base, field, byteMeaning, changed, reveal, onByte } = props;
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
  const latest = useRef({ copy, onByte });
  useEffect(() => {
    latest.current = { copy, onByte };
  });

  useEffect(() => {
    if (!host.current) return;
    const made = new HexView(host.current, {
      selectionChanged: setSelection,
      copyAsked: () => void latest.current.copy(hexText),
      byteHovered: (offset) => latest.current.onByte(offset),
    });
    view.current = made;
    return () => made.dispose();
  }, []);
  useEffect(() => view.current?.show(source), [source]);
  useEffect(() => view.current?.setBase(isAbsolute ? base : 0n), [isAbsolute, base]);
  useEffect(() => {
    const range = field && { start: field.offset, end: field.offset + field.length };
    view.current?.setHighlight(range);
  }, [field]);
  useEffect(() => view.current?.setChanged(changed), [changed]);
  useEffect(() => {
    if (reveal) view.current?.reveal(reveal.range);
  }, [reveal]);
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
      {byteMeaning !== null && (
        <div className="hex-field data" data-testid="hex-field" title={byteMeaning}>
          {byteMeaning}
        </div>
      )}
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
