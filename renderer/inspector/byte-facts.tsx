/** What can be said of bytes without knowing any format: entropy, zeroes, repeats, text. */
import type { ByteStatistics } from '../structures/statistics';
import type { ByteRange } from './hex-view';

const SECTOR = 512;
/** Bars of the strip at most; each stands for one sector or more. */
const MOST_BARS = 128;
const FULL_ENTROPY = 8;

interface Bar extends ByteRange {
  readonly entropy: number;
}

/** The entropy of the sectors, several of them to a bar (the highest counts) where they are many. */
export function entropyBars(sectors: Float32Array, total: number): readonly Bar[] {
  const inBar = Math.max(1, Math.ceil(sectors.length / MOST_BARS));
  return Array.from({ length: Math.ceil(sectors.length / inBar) }, (_, index) => {
    const first = index * inBar;
    const part = sectors.subarray(first, first + inBar);
    const end = Math.min(total, (first + part.length) * SECTOR);
    return { start: first * SECTOR, end, entropy: Math.max(...part) };
  });
}

export function ByteFacts(props: {
  readonly statistics: ByteStatistics;
  readonly total: number;
  /** A sector was pointed at in the strip. */
  readonly onReveal: (range: ByteRange) => void;
}) {
  const { statistics, total, onReveal } = props;
  const { entropy, sectors, hint } = statistics;
  const bars = entropyBars(sectors, total);
  return (
    <div className="facts" data-testid="facts" data-entropy={entropy.toFixed(3)} data-hint={hint}>
      <span className="data" title="Shannon entropy: 0 for one value alone, 8 for random bytes">
        {entropy.toFixed(2)} bits/byte
      </span>
      {hint !== '' && <span className="badge">{hint}</span>}
      <svg
        className="entropy"
        viewBox={`0 0 ${bars.length} ${FULL_ENTROPY}`}
        preserveAspectRatio="none"
        role="img"
        aria-label="Entropy along the payload"
        onClick={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          const index = Math.floor(((event.clientX - box.left) / box.width) * bars.length);
          const bar = bars[index];
          if (bar) onReveal(bar);
        }}
      >
        {bars.map((bar) => (
          <rect
            key={bar.start}
            x={bar.start / (bars[0]?.end ?? 1)}
            y={FULL_ENTROPY - bar.entropy}
            width={bars.length > 64 ? 1 : 0.9}
            height={bar.entropy}
          >
            <title>{`0x${bar.start.toString(16)}: ${bar.entropy.toFixed(2)} bits/byte`}</title>
          </rect>
        ))}
      </svg>
    </div>
  );
}
