/** What happens in the course of requests, in the order of time. */
import type { TraceRecord } from '../../contract/trace';

export type MomentKind = 'arrival' | 'issue' | 'completion';

export interface Moment {
  /** CLOCK_MONOTONIC, ns. */
  readonly time: bigint;
  readonly kind: MomentKind;
  readonly record: TraceRecord;
}

const order: Readonly<Record<MomentKind, number>> = { arrival: 0, issue: 1, completion: 2 };

function isBefore(left: Moment, right: Moment): boolean {
  if (left.time !== right.time) return left.time < right.time;
  if (left.record.sequence !== right.record.sequence) {
    return left.record.sequence < right.record.sequence;
  }
  return order[left.kind] < order[right.kind];
}

/**
 * Requests of several engine threads are numbered and timed in two steps: by so
 * much (ns) a higher sequence may have arrived earlier.
 */
const DISORDER = 100_000_000n;

/** `requests` ascending by sequence; memory only for those in flight at a time, and a tenth of a second. */
export function* momentsOf(requests: Iterable<TraceRecord>): Generator<Moment> {
  const heap: Moment[] = [];
  for (const record of requests) {
    const { arrival, completion, backendDelay } = record;
    while (heap[0] && heap[0].time < arrival - DISORDER) yield pop(heap);
    const issue = arrival + BigInt(backendDelay);
    push(heap, { time: arrival, kind: 'arrival', record });
    push(heap, { time: issue < completion ? issue : completion, kind: 'issue', record });
    push(heap, { time: completion, kind: 'completion', record });
  }
  while (heap.length > 0) yield pop(heap);
}

function push(heap: Moment[], moment: Moment): void {
  let place = heap.push(moment) - 1;
  while (place > 0) {
    const parent = (place - 1) >> 1;
    const above = heap[parent];
    if (!above || !isBefore(moment, above)) break;
    heap[place] = above;
    place = parent;
  }
  heap[place] = moment;
}

/** The earliest; there must be one. */
function pop(heap: Moment[]): Moment {
  const [first] = heap;
  const last = heap.pop();
  if (!first || !last) throw new RangeError('there is no moment');
  if (heap.length === 0) return first;
  let place = 0;
  for (;;) {
    let child = 2 * place + 1;
    const [left, right] = [heap[child], heap[child + 1]];
    if (!left) break;
    if (right && isBefore(right, left)) child++;
    const least = child === 2 * place + 1 ? left : right;
    if (!least || !isBefore(least, last)) break;
    heap[place] = least;
    place = child;
  }
  heap[place] = last;
  return first;
}
