/** The last minute of a disk: reads and writes a second, each in its colour. */
import { formatRate } from '../widgets/numbers';
import { sparklinePath, type RateHistory } from './rate-history';

const WIDTH = 92;
const HEIGHT = 22;
/** So that a single request does not fill the picture, requests a second. */
const LOWEST_SCALE = 10;

export function Sparkline({ history }: { readonly history: RateHistory }) {
  const { series } = history;
  const reads = series.map((rates) => rates.reads);
  const writes = series.map((rates) => rates.writes);
  const highest = Math.max(LOWEST_SCALE, ...reads, ...writes);
  const path = (values: number[]) => sparklinePath(values, highest, WIDTH, HEIGHT);
  const hasReads = reads.some((rate) => rate > 0);
  const hasWrites = writes.some((rate) => rate > 0);
  return (
    <svg
      className="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={`Requests a second in the last minute, at most ${formatRate(highest)}`}
      data-testid="disk-sparkline"
    >
      {!hasReads && !hasWrites && (
        <path className="sparkline-idle" d={`M0 ${HEIGHT - 1}H${WIDTH}`} />
      )}
      {hasReads && <path className="sparkline-read" d={path(reads)} />}
      {hasWrites && <path className="sparkline-write" d={path(writes)} />}
    </svg>
  );
}
