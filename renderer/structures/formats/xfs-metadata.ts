/** All that XFS has beside its superblock, by magic. */
import type { ByteView } from '../byte-view';
import type { Place } from '../recogniser';
import type { Structure } from '../structure';
import { xfsBlock, type XfsBlock } from './xfs-blocks';
import { treeBlocks } from './xfs-btree';
import { directoryBlocks, leafBlocks } from './xfs-directory';
import { groupBlocks } from './xfs-group';
import { inodeBlock } from './xfs-inode';
import { recogniseXfsLog } from './xfs-log';

const byMagic: ReadonlyMap<string, XfsBlock> = new Map(
  [groupBlocks, treeBlocks, directoryBlocks].flatMap((blocks) => Object.entries(blocks)),
);

const INODE = 0x494e;

function kindOf(view: ByteView): XfsBlock | undefined {
  if (view.u16(0, 'big') === INODE) return inodeBlock;
  return byMagic.get(view.text(0, 4)) ?? leafBlocks[view.u16(8, 'big')];
}

export function recogniseXfsMetadata(place: Place): Structure | null {
  const kind = kindOf(place.view);
  return kind ? xfsBlock(place.view, kind) : recogniseXfsLog(place);
}
