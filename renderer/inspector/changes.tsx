/** What a request changed, as against the write before it: how much, and where. */
import { useState } from 'react';
import { create } from 'zustand';
import type { ChangedRange } from '../structures/difference';
import { formatCount } from '../widgets/numbers';
import { Icon } from '../widgets/icon';
import type { Comparison } from './previous-write';

/** Whether bytes that changed are marked in the hex view. */
export const useChangeMarks = create<{ readonly isOn: boolean }>(() => ({ isOn: true }));

interface ChangesProps {
  readonly comparison: Comparison;
  readonly isRead: boolean;
  readonly onReveal: (range: ChangedRange) => void;
}

function words(comparison: Comparison, isRead: boolean): string {
  switch (comparison.state) {
    case 'searching':
      return 'Looking for the write before…';
    case 'none':
      return 'No earlier write of these sectors is among the requests kept.';
    case 'gone':
      return `Written before by seq ${formatCount(comparison.sequence)}, whose bytes are kept no longer.`;
    case 'there': {
      const { changed, common } = comparison.difference;
      const sequence = formatCount(comparison.sequence);
      const compared = formatCount(common.end - common.start);
      if (changed === 0) return `${compared} bytes just as seq ${sequence} wrote them`;
      const verb = isRead ? 'differ from what seq' : 'changed since seq';
      return `${formatCount(changed)} of ${compared} bytes ${verb} ${sequence}${isRead ? ' wrote' : ''}`;
    }
  }
}

export function Changes({ comparison, isRead, onReveal }: ChangesProps) {
  const isOn = useChangeMarks((state) => state.isOn);
  const [shown, setShown] = useState(-1);
  const difference = comparison.state === 'there' ? comparison.difference : null;
  const ranges = difference?.ranges ?? [];
  const step = (by: number): void => {
    const next =
      shown < 0 ? (by > 0 ? 0 : ranges.length - 1) : (shown + by + ranges.length) % ranges.length;
    const range = ranges[next];
    if (!range) return;
    setShown(next);
    onReveal(range);
  };
  return (
    <div
      className="changes"
      data-testid="changes"
      data-state={comparison.state}
      data-changed={difference?.changed ?? ''}
    >
      <span data-testid="changes-words">{words(comparison, isRead)}</span>
      {ranges.length > 0 && (
        <span className="changes-steps">
          <button
            type="button"
            className="icon-button"
            aria-label="Previous change"
            onClick={() => step(-1)}
          >
            <span className="upwards">
              <Icon name="down" />
            </span>
          </button>
          <span className="data" data-testid="changes-place">
            {shown < 0 ? '' : `${formatCount(shown + 1)} of `}
            {formatCount(ranges.length)}
          </span>
          <button
            type="button"
            className="icon-button"
            aria-label="Next change"
            onClick={() => step(1)}
          >
            <Icon name="down" />
          </button>
          <label className="hex-base">
            <input
              type="checkbox"
              checked={isOn}
              onChange={(event) => useChangeMarks.setState({ isOn: event.target.checked })}
            />
            marked
          </label>
        </span>
      )}
    </div>
  );
}
