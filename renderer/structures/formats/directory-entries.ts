/** What directories of FAT and exFAT have in common: entries of 32 bytes, up to one that begins with a zero. */
import type { ByteView } from '../byte-view';
import type { Place } from '../recogniser';
import { listNodes, type StructureNode } from '../structure';

export const ENTRY_BYTES = 32;
const SECTOR = 512;

/** Clusters of one size from device byte `start` on, the first of which is number 2. */
export interface Heap {
  readonly start: number;
  /** Bytes of a cluster. */
  readonly clusterBytes: number;
}

/** A cluster, or the part of it that a payload has. */
export interface HeapCluster {
  readonly number: number;
  /** Bytes of it before the part. */
  readonly within: number;
  readonly view: ByteView;
}

/**
 * The cluster that begins at `place`, or the rest of the one in which the payload
 * begins; null elsewhere. What has no magic is looked for entry by entry, to the
 * end of the cluster: tried at every sector, large clusters would be read over and
 * over.
 */
export function clusterAt({ view, device }: Place, heap: Heap): HeapCluster | null {
  const { start, clusterBytes } = heap;
  const within = (device - start) % clusterBytes;
  if (within !== 0 && (view.start !== 0 || within % SECTOR !== 0)) return null;
  const number = Math.floor((device - start) / clusterBytes) + 2;
  return { number, within, view: view.part(0, clusterBytes - within) };
}

/** Entries [first, end) that are one file, or one of something else. */
export interface Item {
  readonly first: number;
  readonly end: number;
}

/** Entries before the first that begins with a zero. */
export function countEntries(view: ByteView): number {
  const most = Math.floor(view.length / ENTRY_BYTES);
  let count = 0;
  while (count < most && view.u8(count * ENTRY_BYTES) !== 0) count++;
  return count;
}

export const entryAt = (view: ByteView, index: number): ByteView =>
  view.part(index * ENTRY_BYTES, ENTRY_BYTES);

export const entriesText = (count: number): string =>
  `${count} ${count === 1 ? 'entry' : 'entries'}`;

export const itemNodes = <One extends Item>(
  view: ByteView,
  items: readonly One[],
  make: (item: One) => StructureNode,
): readonly StructureNode[] =>
  listNodes(
    items.length,
    (index) => {
      const item = items[index];
      if (!item) throw new RangeError(`there is no entry ${index}`);
      return make(item);
    },
    (from, to) => {
      const first = items[from]?.first ?? 0;
      const end = items[to - 1]?.end ?? first;
      return { offset: view.start + first * ENTRY_BYTES, length: (end - first) * ENTRY_BYTES };
    },
    (from, to) => `entries ${from + 1} to ${to + 1}`,
  );

export const itemPlace = (view: ByteView, { first, end }: Item) => ({
  offset: view.start + first * ENTRY_BYTES,
  length: (end - first) * ENTRY_BYTES,
});
