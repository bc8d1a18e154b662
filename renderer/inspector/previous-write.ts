/** The write that a request's sectors had last before it, and how its bytes differ. */
import { useEffect, useState } from 'react';
import { sectorToBytes, type DiskId, type Sector, type Sequence } from '../../app/contract/units';
import { bridge } from '../shell/bridge';
import { differenceOf, type Difference } from '../structures/difference';
import { partners } from '../trace/trace-client';
import type { SelectedRequest } from '../trace/view-state';
import { keptPayload, readKept } from './payload-source';

/** Milliseconds that a request must stay selected before its past is looked for. */
const STILL_MS = 150;

export type Comparison =
  | { readonly state: 'searching' }
  /** No write of these sectors is among the requests that are kept. */
  | { readonly state: 'none' }
  /** There was one, but its bytes are kept no longer. */
  | { readonly state: 'gone'; readonly sequence: Sequence }
  | {
      readonly state: 'there';
      readonly sequence: Sequence;
      readonly difference: Difference;
    };

async function compare(
  disk: DiskId,
  sequence: Sequence,
  sector: Sector,
  bytes: Uint8Array,
): Promise<Comparison> {
  const { previousWrite: earlier } = await partners(disk, sequence);
  if (!earlier) return { state: 'none' };
  const at = Number(sectorToBytes(sector));
  const earlierAt = Number(sectorToBytes(earlier.sector));
  const from = Math.max(0, at - earlierAt);
  const to = Math.min(Number(earlier.length), at + bytes.length - earlierAt);
  const read = keptPayload(bridge, disk, earlier.sequence);
  const kept = await readKept(read, from, Math.max(from, to));
  if (!kept || kept.length === 0) return { state: 'gone', sequence: earlier.sequence };
  const difference = differenceOf(bytes, at, kept, earlierAt + from);
  return { state: 'there', sequence: earlier.sequence, difference };
}

/** `bytes`: what the request carried; null while it is not known, or is not what it carried. */
export function useComparison(request: SelectedRequest, bytes: Uint8Array | null): Comparison {
  const { disk } = request;
  const { sequence, sector } = request.record;
  const [comparison, setComparison] = useState<Comparison>({ state: 'searching' });
  useEffect(() => {
    if (!bytes) return;
    let isWanted = true;
    const timer = window.setTimeout(() => {
      void compare(disk, sequence, sector, bytes).then((made) => {
        if (isWanted) setComparison(made);
      });
    }, STILL_MS);
    return () => {
      isWanted = false;
      window.clearTimeout(timer);
    };
  }, [disk, sequence, sector, bytes]);
  return comparison;
}
