/** The ext2, ext3 and ext4 superblock; names as in fs/ext4/ext4.h. */
import type { ByteView } from '../byte-view';
import { crc32cRegister } from '../checksums';
import {
  checksum,
  custom,
  fieldsIn,
  hexNumber,
  raw,
  readFields,
  text,
  unixTime,
  uuid,
  type Layout,
} from '../fields';
import type { Place } from '../recogniser';
import type { Structure } from '../structure';

/** Of names in a directory's hash tree. */
export const hashVersions: Readonly<Record<number, string>> = {
  0: 'legacy',
  1: 'half MD4',
  2: 'TEA',
  3: 'legacy, unsigned',
  4: 'half MD4, unsigned',
  5: 'TEA, unsigned',
  6: 'SipHash',
};

export const SUPERBLOCK_BYTES = 1024;
const MAGIC = 0xef53;
const MAGIC_AT = 0x38;
const CHECKSUM_AT = 0x3fc;
const CRC32C_TYPE = 1;

const compatibleFeatures = {
  0: 'dir_prealloc',
  1: 'imagic_inodes',
  2: 'has_journal',
  3: 'ext_attr',
  4: 'resize_inode',
  5: 'dir_index',
  6: 'lazy_bg',
  8: 'exclude_bitmap',
  9: 'sparse_super2',
  10: 'fast_commit',
  11: 'stable_inodes',
  12: 'orphan_file',
};
const incompatibleFeatures = {
  0: 'compression',
  1: 'filetype',
  2: 'needs_recovery',
  3: 'journal_dev',
  4: 'meta_bg',
  6: 'extent',
  7: '64bit',
  8: 'mmp',
  9: 'flex_bg',
  10: 'ea_inode',
  12: 'dirdata',
  13: 'metadata_csum_seed',
  14: 'large_dir',
  15: 'inline_data',
  16: 'encrypt',
  17: 'casefold',
};
const readOnlyFeatures = {
  0: 'sparse_super',
  1: 'large_file',
  2: 'btree_dir',
  3: 'huge_file',
  4: 'uninit_bg',
  5: 'dir_nlink',
  6: 'extra_isize',
  8: 'quota',
  9: 'bigalloc',
  10: 'metadata_csum',
  11: 'replica',
  12: 'read-only',
  13: 'project',
  14: 'shared_blocks',
  15: 'verity',
  16: 'orphan_present',
};

export const feature = {
  hasJournal: (view: ByteView): boolean => (view.u32(0x5c) & 0x4) !== 0,
  metaBlockGroups: (view: ByteView): boolean => (view.u32(0x60) & 0x10) !== 0,
  wide: (view: ByteView): boolean => (view.u32(0x60) & 0x80) !== 0,
  extents: (view: ByteView): boolean => (view.u32(0x60) & 0x40) !== 0,
  checksumSeed: (view: ByteView): boolean => (view.u32(0x60) & 0x2000) !== 0,
  sparseSuper: (view: ByteView): boolean => (view.u32(0x64) & 0x1) !== 0,
  groupChecksums: (view: ByteView): boolean => (view.u32(0x64) & 0x10) !== 0,
  bigAllocation: (view: ByteView): boolean => (view.u32(0x64) & 0x200) !== 0,
  metadataChecksums: (view: ByteView): boolean => (view.u32(0x64) & 0x400) !== 0,
};

function expectedChecksum(view: ByteView): number | null {
  if (!feature.metadataChecksums(view) || view.u8(0x175) !== CRC32C_TYPE) return null;
  return crc32cRegister(0xffffffff, view.slice(0, CHECKSUM_AT));
}

/** A count whose high half lies elsewhere in the superblock. */
const halves = (low: number, high: number) => (value: number, view: ByteView) =>
  feature.wide(view) && view.u32(high) !== 0
    ? `${String((BigInt(view.u32(high)) << 32n) | BigInt(value))} with the high half`
    : '';

const { u8, u16, x16, u32, x32, u64, enum16, enum32, enum8, flags16, flags32, time32 } =
  fieldsIn('little');

export const superblockLayout: Layout = [
  u32(0x00, 's_inodes_count', 'inodes in all'),
  u32(0x04, 's_blocks_count_lo', halves(0x04, 0x150)),
  u32(0x08, 's_r_blocks_count_lo', 'blocks kept for the superuser'),
  u32(0x0c, 's_free_blocks_count_lo', 'free blocks'),
  u32(0x10, 's_free_inodes_count', 'free inodes'),
  u32(0x14, 's_first_data_block', 'block that holds this superblock'),
  u32(0x18, 's_log_block_size', (value) =>
    value <= 6 ? `blocks of ${1024 << value} bytes` : 'out of range',
  ),
  u32(0x1c, 's_log_cluster_size', (value) =>
    value <= 20 ? `clusters of ${2 ** (10 + value)} bytes` : 'out of range',
  ),
  u32(0x20, 's_blocks_per_group'),
  u32(0x24, 's_clusters_per_group'),
  u32(0x28, 's_inodes_per_group'),
  time32(0x2c, 's_mtime', 'mounted'),
  time32(0x30, 's_wtime', 'written'),
  u16(0x34, 's_mnt_count', 'mounts since the last check'),
  u16(0x36, 's_max_mnt_count', (value) =>
    value === 0xffff ? 'never checked for mounts' : 'mounts until a check',
  ),
  x16(MAGIC_AT, 's_magic', 'ext2, ext3 or ext4'),
  flags16(0x3a, 's_state', { 0: 'clean', 1: 'errors', 2: 'recovering orphans' }),
  enum16(0x3c, 's_errors', { 1: 'continue', 2: 'remount read-only', 3: 'panic' }),
  u16(0x3e, 's_minor_rev_level'),
  time32(0x40, 's_lastcheck', 'checked'),
  u32(0x44, 's_checkinterval', 'seconds between checks'),
  enum32(0x48, 's_creator_os', { 0: 'Linux', 1: 'Hurd', 2: 'Masix', 3: 'FreeBSD', 4: 'Lites' }),
  enum32(0x4c, 's_rev_level', { 0: 'original', 1: 'dynamic' }),
  u16(0x50, 's_def_resuid', 'user of the reserved blocks'),
  u16(0x52, 's_def_resgid', 'group of the reserved blocks'),
  u32(0x54, 's_first_ino', 'first inode that is not reserved'),
  u16(0x58, 's_inode_size', 'bytes'),
  u16(0x5a, 's_block_group_nr', (value) =>
    value === 0 ? 'the primary superblock' : `the backup in group ${value}`,
  ),
  flags32(0x5c, 's_feature_compat', compatibleFeatures),
  flags32(0x60, 's_feature_incompat', incompatibleFeatures),
  flags32(0x64, 's_feature_ro_compat', readOnlyFeatures),
  uuid(0x68, 's_uuid', 'UUID of the file system'),
  text(0x78, 16, 's_volume_name', 'label'),
  text(0x88, 64, 's_last_mounted', 'where it was last mounted'),
  x32(0xc8, 's_algorithm_usage_bitmap'),
  u8(0xcc, 's_prealloc_blocks'),
  u8(0xcd, 's_prealloc_dir_blocks'),
  u16(0xce, 's_reserved_gdt_blocks', 'blocks kept for more group descriptors'),
  uuid(0xd0, 's_journal_uuid'),
  u32(0xe0, 's_journal_inum', 'inode of the journal'),
  u32(0xe4, 's_journal_dev'),
  u32(0xe8, 's_last_orphan', 'first inode to be deleted'),
  raw(0xec, 16, 's_hash_seed', 'seed of the directory index'),
  enum8(0xfc, 's_def_hash_version', hashVersions),
  u8(0xfd, 's_jnl_backup_type', (value) => (value === 1 ? 's_jnl_blocks is set' : '')),
  u16(0xfe, 's_desc_size', 'bytes of a group descriptor, with 64bit'),
  flags32(0x100, 's_default_mount_opts', {
    0: 'debug',
    1: 'bsdgroups',
    2: 'xattr_user',
    3: 'acl',
    4: 'uid16',
    5: 'journal_data',
    6: 'journal_ordered',
    8: 'nobarrier',
    9: 'block_validity',
    10: 'discard',
    11: 'nodelalloc',
  }),
  u32(0x104, 's_first_meta_bg'),
  time32(0x108, 's_mkfs_time', 'made'),
  raw(0x10c, 68, 's_jnl_blocks', 'copy of the journal’s i_block and i_size'),
  u32(0x150, 's_blocks_count_hi'),
  u32(0x154, 's_r_blocks_count_hi'),
  u32(0x158, 's_free_blocks_count_hi'),
  u16(0x15c, 's_min_extra_isize'),
  u16(0x15e, 's_want_extra_isize'),
  flags32(0x160, 's_flags', { 0: 'signed hash', 1: 'unsigned hash', 2: 'test file system' }),
  u16(0x164, 's_raid_stride'),
  u16(0x166, 's_mmp_interval'),
  u64(0x168, 's_mmp_block'),
  u32(0x170, 's_raid_stripe_width'),
  u8(0x174, 's_log_groups_per_flex', (value) =>
    value < 32 ? `${2 ** value} groups in a flexible group` : '',
  ),
  enum8(0x175, 's_checksum_type', { 0: 'none', 1: 'CRC-32C' }),
  u64(0x178, 's_kbytes_written', 'KiB written over its life'),
  u32(0x194, 's_error_count'),
  time32(0x198, 's_first_error_time'),
  u32(0x19c, 's_first_error_ino'),
  u64(0x1a0, 's_first_error_block'),
  text(0x1a8, 32, 's_first_error_func'),
  u32(0x1c8, 's_first_error_line'),
  time32(0x1cc, 's_last_error_time'),
  u32(0x1d0, 's_last_error_ino'),
  u32(0x1d4, 's_last_error_line'),
  u64(0x1d8, 's_last_error_block'),
  text(0x1e0, 32, 's_last_error_func'),
  text(0x200, 64, 's_mount_opts'),
  u32(0x240, 's_usr_quota_inum'),
  u32(0x244, 's_grp_quota_inum'),
  u32(0x248, 's_overhead_clusters'),
  custom(0x24c, 8, 's_backup_bgs', (view, at) => ({
    value: `${view.u32(at)} ${view.u32(at + 4)}`,
    meaning: 'groups with backups, with sparse_super2',
  })),
  raw(0x254, 4, 's_encrypt_algos'),
  raw(0x258, 16, 's_encrypt_pw_salt'),
  u32(0x268, 's_lpf_ino', 'inode of lost+found'),
  u32(0x26c, 's_prj_quota_inum'),
  x32(0x270, 's_checksum_seed'),
  u16(0x27c, 's_encoding'),
  x16(0x27e, 's_encoding_flags'),
  u32(0x280, 's_orphan_file_inum'),
  checksum(CHECKSUM_AT, 4, 's_checksum', 'little', expectedChecksum),
];

/** What a superblock says of the places of everything else. */
export interface Geometry {
  readonly blockSize: number;
  readonly blocks: number;
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  readonly inodeSize: number;
  readonly descriptorSize: number;
  readonly groups: number;
  readonly uuid: Uint8Array;
  /** CRC-32C register that metadata checksums begin with; null without metadata_csum. */
  readonly seed: number | null;
  readonly hasGroupChecksums: boolean;
}

const isPowerOfTwo = (value: number): boolean => value > 0 && Math.log2(value) % 1 === 0;

/** Null if it is no superblock, or one that contradicts itself. */
export function geometryOf(view: ByteView): Geometry | null {
  if (!view.has(0, SUPERBLOCK_BYTES) || view.u16(MAGIC_AT) !== MAGIC) return null;
  const logBlockSize = view.u32(0x18);
  if (logBlockSize > 6 || view.u32(0x4c) > 1) return null;
  const blockSize = 1024 << logBlockSize;
  const isOriginal = view.u32(0x4c) === 0;
  const inodeSize = isOriginal ? 128 : view.u16(0x58);
  const isWide = feature.wide(view);
  const high = isWide ? view.u32(0x150) : 0;
  const blocks = high * 2 ** 32 + view.u32(0x04);
  const firstDataBlock = view.u32(0x14);
  const blocksPerGroup = view.u32(0x20);
  const inodesPerGroup = view.u32(0x28);
  const descriptorSize = isWide ? view.u16(0xfe) : 32;
  const isPlausible =
    isPowerOfTwo(inodeSize) &&
    inodeSize >= 128 &&
    inodeSize <= blockSize &&
    isPowerOfTwo(descriptorSize) &&
    descriptorSize >= 32 &&
    descriptorSize <= 1024 &&
    blocksPerGroup > 0 &&
    (blocksPerGroup <= 8 * blockSize || feature.bigAllocation(view)) &&
    inodesPerGroup > 0 &&
    inodesPerGroup <= 8 * blockSize &&
    firstDataBlock <= 1 &&
    blocks > firstDataBlock;
  if (!isPlausible) return null;
  const hasChecksums = feature.metadataChecksums(view);
  const seed = feature.checksumSeed(view)
    ? view.u32(0x270)
    : crc32cRegister(0xffffffff, view.slice(0x68, 16));
  return {
    blockSize,
    blocks,
    firstDataBlock,
    blocksPerGroup,
    inodesPerGroup,
    inodeSize,
    descriptorSize,
    groups: Math.ceil((blocks - firstDataBlock) / blocksPerGroup),
    uuid: view.slice(0x68, 16).slice(),
    seed: hasChecksums ? seed : null,
    hasGroupChecksums: feature.groupChecksums(view),
  };
}

function familyOf(view: ByteView): string {
  const isFourth = (view.u32(0x60) & 0x3c0) !== 0 || (view.u32(0x64) & 0x4f8) !== 0;
  if (isFourth) return 'ext4';
  return feature.hasJournal(view) ? 'ext3' : 'ext2';
}

export function recogniseSuperblock({ view }: Place): Structure | null {
  const found = view.part(0, SUPERBLOCK_BYTES);
  const isWhole = found.length === SUPERBLOCK_BYTES;
  if (found.u16(MAGIC_AT) !== MAGIC) return null;
  if (isWhole ? geometryOf(found) === null : found.u32(0x18) > 6) return null;
  const expected = isWhole ? expectedChecksum(found) : null;
  const isRight = expected === found.u32(CHECKSUM_AT);
  const number = found.u16(0x5a);
  const label = found.text(0x78, 16);
  return {
    name: `${familyOf(found)} superblock`,
    offset: found.start,
    length: found.length,
    value: number === 0 ? 'primary' : `backup in group ${number}`,
    meaning: [label === '' ? '' : JSON.stringify(label), `written ${unixTime(found.u32(0x30))}`]
      .filter((part) => part !== '')
      .join(', '),
    confidence: expected === null ? 'magic' : isRight ? 'checked' : 'damaged',
    evidence:
      expected === null
        ? `magic ${hexNumber(MAGIC)}; it carries no checksum`
        : `magic ${hexNumber(MAGIC)}, CRC-32C ${isRight ? 'right' : 'wrong'}`,
    children: () => readFields(found, superblockLayout),
  };
}
