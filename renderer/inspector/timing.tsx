/** When the request waited and when it was worked on, as a picture. */
import { operationWord, type TraceRecord } from '../../app/contract/trace';
import { formatCount, formatDuration } from '../widgets/numbers';

/** A segment must be seen, however short: its least share of the picture. */
const LEAST_SHARE = 0.02;

export interface Phases {
  /** Nanoseconds from arrival to the call of the backend, from there to completion, and in all. */
  readonly queue: number;
  readonly backend: number;
  readonly total: number;
}

/** The recorded delay saturates at 2^32 - 1 and never exceeds the whole. */
export function phasesOf(record: TraceRecord): Phases {
  const total = Number(record.completion - record.arrival);
  const queue = Math.min(record.backendDelay, total);
  return { queue, backend: total - queue, total };
}

export function Timing({ record }: { readonly record: TraceRecord }) {
  const { queue, backend, total } = phasesOf(record);
  const { name, family } = operationWord(record.operation);
  const queueShare =
    total === 0 ? 0.5 : Math.max(LEAST_SHARE, Math.min(1 - LEAST_SHARE, queue / total));
  return (
    <section
      className="timing"
      aria-label="Timing"
      data-testid="timing"
      data-queue-ns={queue}
      data-backend-ns={backend}
      data-total-ns={total}
    >
      <div className="timing-total">
        <span className="data">{formatDuration(total)}</span>{' '}
        <span className="meaning">from arrival to completion, {formatCount(total)} ns</span>
      </div>
      <div className="timing-bar" aria-hidden="true">
        <span className="timing-queue" style={{ flexGrow: queueShare }} />
        <span
          className="timing-backend"
          data-family={family}
          style={{ flexGrow: 1 - queueShare }}
        />
      </div>
      <div className="timing-legend">
        <span title={`${formatCount(queue)} ns from arrival to the call of the backend`}>
          <i className="timing-queue" />
          waited {formatDuration(queue)}
        </span>
        <span title={`${formatCount(backend)} ns from there until the answer was handed over`}>
          <i className="timing-backend" data-family={family} />
          {name} {formatDuration(backend)}
        </span>
      </div>
    </section>
  );
}
