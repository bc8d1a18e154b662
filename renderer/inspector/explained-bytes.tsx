/** A payload with what is known of it: its structures and facts above, its bytes below. */
import { useCallback, useMemo, useState } from 'react';
import { operationWord } from '../../app/contract/trace';
import { sectorToBytes } from '../../app/contract/units';
import { pathToByte, type StructureNode } from '../structures/structure';
import type { SelectedRequest } from '../trace/view-state';
import { ByteFacts } from './byte-facts';
import { Changes, useChangeMarks } from './changes';
import { Hex, type Reveal } from './hex';
import type { ByteRange } from './hex-view';
import { useAnalysis } from './payload-analysis';
import type { PayloadSource } from './payload-source';
import { useComparison } from './previous-write';
import { StructureTreeView } from './structure-tree';

const rangeOf = ({ offset, length }: StructureNode): ByteRange => ({
  start: offset,
  end: offset + length,
});

/** "ext4 superblock › s_magic: 0xef53, ext2, ext3 or ext4". */
function wordsOf(path: readonly StructureNode[]): string {
  const last = path.at(-1);
  if (!last) return '';
  const names = path.map(({ name }) => name).join(' › ');
  const said = [last.value, last.meaning].filter((part) => part !== '').join(', ');
  return said === '' ? names : `${names}: ${said}`;
}

export function ExplainedBytes(props: {
  readonly source: PayloadSource;
  readonly request: SelectedRequest;
  /** The bytes are what the image holds now, not what the request carried. */
  readonly isImage: boolean;
  readonly isWhole: boolean;
}) {
  const { source, request, isImage, isWhole } = props;
  const { disk, record } = request;
  const analysis = useAnalysis(source, disk, record.sector);
  const comparison = useComparison(request, isImage ? null : (analysis?.bytes ?? null));
  const marks = useChangeMarks((state) => state.isOn);
  const [pointed, setPointed] = useState<StructureNode | null>(null);
  const [byte, setByte] = useState<number | null>(null);
  const [reveal, setReveal] = useState<Reveal | null>(null);
  const path = useMemo(
    () => (byte === null || !analysis ? [] : pathToByte(analysis.structures, byte)),
    [analysis, byte],
  );
  // What was pointed at last counts: a field here, a byte in the hex view.
  const point = useCallback((node: StructureNode | null) => {
    setPointed(node);
    setByte(null);
  }, []);
  const show = useCallback((range: ByteRange) => setReveal({ range }), []);
  return (
    <>
      {analysis && (
        <>
          <ByteFacts
            statistics={analysis.statistics}
            total={analysis.bytes.length}
            onReveal={show}
          />
          {!isImage && (
            <Changes
              comparison={comparison}
              isRead={operationWord(record.operation).family === 'read'}
              onReveal={show}
            />
          )}
          <StructureTreeView
            structures={analysis.structures}
            startsOpen={isWhole}
            hoveredByte={byte}
            onField={point}
            onChoose={(node) => show(rangeOf(node))}
          />
        </>
      )}
      <Hex
        source={source}
        base={sectorToBytes(record.sector)}
        field={byte === null ? pointed : (path.at(-1) ?? null)}
        byteMeaning={analysis && analysis.structures.length > 0 ? wordsOf(path) : null}
        changed={marks && comparison.state === 'there' ? comparison.difference.mask : null}
        reveal={reveal}
        onByte={setByte}
      />
    </>
  );
}
