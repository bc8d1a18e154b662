/** The XFS superblock; names as in fs/xfs/libxfs/xfs_format.h. Big-endian but for its checksum. */
import type { ByteView } from '../byte-view';
import { crc32cRegister, without } from '../checksums';
import { checksum, custom, fieldsIn, readFields, text, uuid, type Layout } from '../fields';
import type { Place } from '../recogniser';
import type { Structure } from '../structure';

const CHECKSUM_AT = 224;

const { u8, u16, x16, u32, x32, u64, flags32 } = fieldsIn('big');

const quota = (inode: bigint): string => (inode === 2n ** 64n - 1n ? 'none' : 'inode');

const version = (view: ByteView): number => view.u16(100, 'big') & 0xf;

function expectedChecksum(view: ByteView): number | null {
  const sector = view.u16(102, 'big');
  if (version(view) !== 5 || sector < 512 || !view.has(0, sector)) return null;
  const bytes = without(view.slice(0, sector), CHECKSUM_AT, 4);
  return ~crc32cRegister(0xffffffff, bytes) >>> 0;
}

const layout: Layout = [
  custom(0, 4, 'sb_magicnum', (view, at) => ({ value: JSON.stringify(view.text(at, 4)) })),
  u32(4, 'sb_blocksize', 'bytes'),
  u64(8, 'sb_dblocks', 'blocks of data'),
  u64(16, 'sb_rblocks', 'blocks of the real-time part'),
  u64(24, 'sb_rextents'),
  uuid(32, 'sb_uuid', 'UUID of the file system'),
  u64(48, 'sb_logstart', (value) => (value === 0n ? 'the log is on another device' : 'block')),
  u64(56, 'sb_rootino', 'inode of the root directory'),
  u64(64, 'sb_rbmino'),
  u64(72, 'sb_rsumino'),
  u32(80, 'sb_rextsize'),
  u32(84, 'sb_agblocks', 'blocks of an allocation group'),
  u32(88, 'sb_agcount', 'allocation groups'),
  u32(92, 'sb_rbmblocks'),
  u32(96, 'sb_logblocks', 'blocks of the log'),
  x16(100, 'sb_versionnum', (value) => `version ${value & 0xf}`),
  u16(102, 'sb_sectsize', 'bytes'),
  u16(104, 'sb_inodesize', 'bytes'),
  u16(106, 'sb_inopblock', 'inodes in a block'),
  text(108, 12, 'sb_fname', 'label'),
  u8(120, 'sb_blocklog'),
  u8(121, 'sb_sectlog'),
  u8(122, 'sb_inodelog'),
  u8(123, 'sb_inopblog'),
  u8(124, 'sb_agblklog'),
  u8(125, 'sb_rextslog'),
  u8(126, 'sb_inprogress', (value) => (value === 0 ? '' : 'mkfs has not finished')),
  u8(127, 'sb_imax_pct', '% of the space for inodes at most'),
  u64(128, 'sb_icount', 'inodes allocated'),
  u64(136, 'sb_ifree', 'inodes free'),
  u64(144, 'sb_fdblocks', 'free blocks'),
  u64(152, 'sb_frextents'),
  u64(160, 'sb_uquotino', quota),
  u64(168, 'sb_gquotino', quota),
  x16(176, 'sb_qflags'),
  u8(178, 'sb_flags'),
  u8(179, 'sb_shared_vn'),
  u32(180, 'sb_inoalignmt'),
  u32(184, 'sb_unit'),
  u32(188, 'sb_width'),
  u8(192, 'sb_dirblklog'),
  u8(193, 'sb_logsectlog'),
  u16(194, 'sb_logsectsize'),
  u32(196, 'sb_logsunit'),
  x32(200, 'sb_features2'),
  x32(204, 'sb_bad_features2'),
  x32(208, 'sb_features_compat'),
  flags32(212, 'sb_features_ro_compat', { 0: 'finobt', 1: 'rmapbt', 2: 'reflink', 3: 'inobtcnt' }),
  flags32(216, 'sb_features_incompat', {
    0: 'ftype',
    1: 'spinodes',
    2: 'meta_uuid',
    3: 'bigtime',
    4: 'needsrepair',
    5: 'nrext64',
    6: 'exchrange',
    7: 'parent',
    8: 'metadir',
  }),
  x32(220, 'sb_features_log_incompat'),
  checksum(CHECKSUM_AT, 4, 'sb_crc', 'little', expectedChecksum),
  u32(228, 'sb_spino_align'),
  u64(232, 'sb_pquotino', quota),
  u64(240, 'sb_lsn', 'last log sequence number'),
  uuid(248, 'sb_meta_uuid'),
];

const isPowerOfTwo = (value: number): boolean => value > 0 && Math.log2(value) % 1 === 0;

export function recogniseXfs({ view }: Place): Structure | null {
  if (!view.isAscii(0, 'XFSB')) return null;
  const blockSize = view.u32(4, 'big');
  const sector = view.u16(102, 'big');
  if (!isPowerOfTwo(blockSize) || !isPowerOfTwo(sector) || sector < 512) return null;
  const record = view.part(0, sector);
  const expected = expectedChecksum(record);
  const isRight = expected === record.u32(CHECKSUM_AT);
  const label = record.text(108, 12);
  const fields = version(record) === 5 ? layout : layout.filter(({ at }) => at < 208);
  return {
    name: 'XFS superblock',
    offset: record.start,
    length: record.length,
    value: label === '' ? '' : JSON.stringify(label),
    meaning: `${record.u64(8, 'big')} blocks of ${blockSize} bytes`,
    confidence: expected === null ? 'magic' : isRight ? 'checked' : 'damaged',
    evidence:
      expected === null
        ? 'magic "XFSB"; it carries no checksum'
        : `magic "XFSB", CRC-32C ${isRight ? 'right' : 'wrong'}`,
    children: () => readFields(record, fields),
  };
}
