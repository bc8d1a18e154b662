/** What directories of FAT and exFAT have in common: entries of 32 bytes, up to one that begins with a zero. */
import type { ByteView } from '../byte-view';
import { listNodes, type StructureNode } from '../structure';

export const ENTRY_BYTES = 32;

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
