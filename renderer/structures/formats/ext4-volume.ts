/** Where the metadata of an ext2, ext3 or ext4 volume lies. */
import { ByteView } from '../byte-view';
import type { DeviceReader, Place, Region, Surveyor, Volume } from '../recogniser';
import type { Structure } from '../structure';
import { recogniseDirectory } from './ext4-directory';
import { bitmapRegion, descriptorRegion, placesOf } from './ext4-group';
import { recogniseHashTree } from './ext4-htree';
import { extentNodes, extentsOf, inodeTableRegion } from './ext4-inode';
import {
  feature,
  geometryOf,
  recogniseSuperblock,
  SUPERBLOCK_BYTES,
  type Geometry,
} from './ext4-superblock';
import { homeOfCopy, journalForm, recogniseJournalBlock, type JournalForm } from './jbd2';

/** The most bytes of group descriptors that are looked at: 2 TiB of 4 KiB blocks. */
const MOST_DESCRIPTOR_BYTES = 1 << 20;
const SUPERBLOCK_AT = 1024;
const JOURNAL_BACKUP_AT = 0x10c;
const EXTENT_MAGIC = 0xf30a;

function isPowerOf(base: number, value: number): boolean {
  let power = base;
  while (power < value) power *= base;
  return power === value;
}

/** Whether `group` has a backup of the superblock and the descriptors. */
function hasBackup(group: number, isSparse: boolean): boolean {
  return !isSparse || group <= 1 || [3, 5, 7].some((base) => isPowerOf(base, group));
}

/** An extent tree's block below the inode. */
function recogniseExtentBlock({ view }: Place, blockSize: number): Structure | null {
  const entriesFitting = Math.floor((blockSize - 12) / 12);
  const isOne =
    view.u16(0) === EXTENT_MAGIC &&
    view.u16(4) === entriesFitting &&
    view.u16(2) <= entriesFitting &&
    view.u16(6) <= 5;
  if (!isOne) return null;
  const block = view.part(0, blockSize);
  return {
    name: 'ext4 extent block',
    offset: block.start,
    length: block.length,
    value: `${block.u16(2)} of ${entriesFitting} entries`,
    meaning: block.u16(6) === 0 ? 'extents' : `${block.u16(6)} levels above the extents`,
    confidence: 'magic',
    evidence: 'magic 0xf30a and as many places as fit the block',
    children: () => extentNodes(block),
  };
}

/** What may lie in any block of the volume, told by its form. */
function blockRegion(volume: Volume, geometry: Geometry): Region {
  const { blockSize } = geometry;
  return {
    start: volume.start,
    length: Math.min(volume.length, geometry.blocks * blockSize),
    read: (place) => {
      if ((place.device - volume.start) % blockSize !== 0) return null;
      return (
        recogniseExtentBlock(place, blockSize) ??
        recogniseHashTree(place, blockSize) ??
        recogniseDirectory(place, blockSize)
      );
    },
  };
}

/** Reads a place with the first of `regions` that holds it. */
function readWith(regions: readonly Region[], place: Place): Structure | null {
  const { device, view } = place;
  const region = regions.find(({ start, length }) => device >= start && device < start + length);
  if (!region) return null;
  return region.read({ view: view.part(0, region.start + region.length - device), device });
}

/** The journal's blocks: its own ones, and copies of blocks whose home a descriptor names. */
function journalRegion(
  volume: Volume,
  start: number,
  length: number,
  form: JournalForm,
  readHome: (place: Place) => Structure | null,
): Region {
  return {
    start,
    length,
    read: (place) => {
      const own = recogniseJournalBlock(place, form);
      if (own) return own;
      const { blockSize } = form;
      if ((place.device - start) % blockSize !== 0) return null;
      const copy = homeOfCopy(place.view, form);
      if (!copy) return null;
      const view = place.view.part(0, blockSize);
      const device = volume.start + copy.block * blockSize;
      const inner = copy.isEscaped ? null : readHome({ view, device });
      return {
        name: 'JBD2 copy of a block',
        offset: view.start,
        length: view.length,
        value: `block ${copy.block}`,
        meaning: inner ? `${inner.name} ${inner.value}` : 'goes there at the next checkpoint',
        confidence: 'magic',
        evidence: 'named by the descriptor block before it',
        ...(inner ? { children: () => [inner] } : {}),
      };
    },
  };
}

async function journalRegions(
  volume: Volume,
  superblock: ByteView,
  geometry: Geometry,
  read: DeviceReader,
  readHome: (place: Place) => Structure | null,
): Promise<readonly Region[]> {
  if (!feature.hasJournal(superblock) || superblock.u8(0xfd) !== 1) return [];
  const extents = extentsOf(superblock.part(JOURNAL_BACKUP_AT, 60));
  const [first] = extents;
  if (!first) return [];
  const { blockSize } = geometry;
  const bytes = await read(volume.start + first.block * blockSize, SUPERBLOCK_BYTES);
  const form = bytes && journalForm(new ByteView(bytes));
  if (!form) return [];
  return extents.map(({ block, count }) =>
    journalRegion(volume, volume.start + block * blockSize, count * blockSize, form, readHome),
  );
}

function groupRegions(
  volume: Volume,
  geometry: Geometry,
  descriptors: ByteView,
  isSparse: boolean,
): Region[] {
  const regions: Region[] = [];
  const { blockSize, descriptorSize, blocksPerGroup, firstDataBlock, inodesPerGroup } = geometry;
  const at = (block: number) => volume.start + block * blockSize;
  const known = Math.min(geometry.groups, Math.floor(descriptors.length / descriptorSize));
  for (let group = 0; group < known; group++) {
    const firstBlock = firstDataBlock + group * blocksPerGroup;
    if (hasBackup(group, isSparse)) {
      regions.push(descriptorRegion(geometry, at(firstBlock + 1)));
    }
    const places = placesOf(descriptors.part(group * descriptorSize, descriptorSize), geometry);
    const blocksHere = Math.min(blocksPerGroup, geometry.blocks - firstBlock);
    if (places.inodeTable > 0) {
      regions.push(
        inodeTableRegion(geometry, group, at(places.inodeTable)),
        bitmapRegion(geometry, at(places.blockBitmap), 'block', group, blocksHere),
        bitmapRegion(geometry, at(places.inodeBitmap), 'inode', group, inodesPerGroup),
      );
    }
  }
  return regions;
}

export const surveyExt4: Surveyor = async (volume, read) => {
  const bytes = await read(volume.start + SUPERBLOCK_AT, SUPERBLOCK_BYTES);
  if (!bytes) return [];
  const superblock = new ByteView(bytes);
  const geometry = geometryOf(superblock);
  if (!geometry) return [];
  const { blockSize, firstDataBlock } = geometry;
  const table = await read(
    volume.start + (firstDataBlock + 1) * blockSize,
    Math.min(geometry.groups * geometry.descriptorSize, MOST_DESCRIPTOR_BYTES),
  );
  // With meta_bg the descriptors lie elsewhere, and one block of them at a time.
  const isTable = table !== null && !feature.metaBlockGroups(superblock);
  const groups = isTable
    ? groupRegions(volume, geometry, new ByteView(table), feature.sparseSuper(superblock))
    : [];
  const blocks = blockRegion(volume, geometry);
  const homes = [...groups, blocks];
  const readHome = (place: Place) => recogniseSuperblock(place) ?? readWith(homes, place);
  const journal = await journalRegions(volume, superblock, geometry, read, readHome);
  return [...journal, ...homes];
};
