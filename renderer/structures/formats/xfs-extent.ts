/** Extents of XFS: 128 bits, of which a flag, 54 bits of place in the file, 52 of block and 21 of count. */
import type { ByteView } from '../byte-view';
import { custom, type Layout } from '../fields';
import { listNodes, type StructureNode } from '../structure';

export const EXTENT_BYTES = 16;

export interface Extent {
  readonly isUnwritten: boolean;
  /** Blocks: of the file, of the volume (group and block in it), and how many. */
  readonly offset: bigint;
  readonly block: bigint;
  readonly count: bigint;
}

export function extentAt(view: ByteView, at: number): Extent {
  const [high, low] = [view.u64(at, 'big'), view.u64(at + 8, 'big')];
  return {
    isUnwritten: high >> 63n === 1n,
    offset: (high >> 9n) & ((1n << 54n) - 1n),
    block: ((high & 0x1ffn) << 43n) | (low >> 21n),
    count: low & ((1n << 21n) - 1n),
  };
}

export const extentText = ({ block, count }: Extent): string => `block ${block} +${count}`;

/** One extent; its parts share bytes. */
export const extentLayout: Layout = [
  custom(0, 8, 'br_startoff', (view, at) => ({
    value: String(extentAt(view, at).offset),
    meaning: `first block in the file${extentAt(view, at).isUnwritten ? '; not written yet' : ''}`,
  })),
  custom(7, 9, 'br_startblock', (view, at) => ({
    value: String(extentAt(view, at - 7).block),
    meaning: 'first block of the volume: group and block in it',
  })),
  custom(13, 3, 'br_blockcount', (view, at) => ({
    value: String(extentAt(view, at - 13).count),
    meaning: 'blocks',
  })),
];

/** `count` extents at the beginning of `view`, as many as it holds. */
export function extentNodes(view: ByteView, count: number): readonly StructureNode[] {
  const span = (from: number, to: number) => ({
    offset: view.start + from * EXTENT_BYTES,
    length: (to - from) * EXTENT_BYTES,
  });
  return listNodes(
    Math.min(count, Math.floor(view.length / EXTENT_BYTES)),
    (index) => {
      const extent = extentAt(view, index * EXTENT_BYTES);
      return {
        name: `block ${extent.offset} of the file`,
        ...span(index, index + 1),
        value: extentText(extent),
        meaning: extent.isUnwritten ? 'not written yet' : '',
      };
    },
    span,
    (from, to) => `extents ${from + 1} to ${to + 1}`,
  );
}
