/** The header of a record of XFS's log; names as in fs/xfs/libxfs/xfs_log_format.h. Big-endian. */
import { fieldsIn, readFields, uuid, type Layout } from '../fields';
import type { Place } from '../recogniser';
import { listNodes, type Structure } from '../structure';

const MAGIC = 0xfeedbabe;
const RECORD_HEADER_BYTES = 512;
const CYCLES_AT = 44;
const CYCLES = 64;
const MOST_RECORD_BYTES = 256 * 1024;

const { u32, x32, enum32, u64 } = fieldsIn('big');

const sequence = (value: bigint): string => `cycle ${value >> 32n}, block ${value & 0xffffffffn}`;

const layout: Layout = [
  x32(0, 'h_magicno'),
  u32(4, 'h_cycle', 'times that the log was begun again'),
  u32(8, 'h_version'),
  u32(12, 'h_len', 'bytes behind this header'),
  u64(16, 'h_lsn', sequence),
  u64(24, 'h_tail_lsn', (value) => `the oldest that is needed: ${sequence(value)}`),
  // In the processor's own order; which bytes it is of depends on the record's length.
  x32(32, 'h_crc', 'CRC-32C of the whole record, not checked'),
  u32(36, 'h_prev_block', (value) =>
    value === 0xffffffff ? 'none' : 'block of the record before',
  ),
  u32(40, 'h_num_logops', 'operations'),
  enum32(300, 'h_fmt', { 1: 'little-endian', 2: 'big-endian', 3: 'big-endian, IRIX' }),
  uuid(304, 'h_fs_uuid'),
  u32(320, 'h_size', 'bytes of a buffer of the log'),
];

/** Looks like one only where all that must agree does. */
export function recogniseXfsLog({ view }: Place): Structure | null {
  if (view.u32(0, 'big') !== MAGIC || !view.has(0, RECORD_HEADER_BYTES)) return null;
  const version = view.u32(8, 'big');
  const isRecord =
    (version === 1 || version === 2) &&
    view.u32(16, 'big') === view.u32(4, 'big') &&
    view.u32(12, 'big') <= MOST_RECORD_BYTES &&
    [1, 2, 3].includes(view.u32(300, 'big'));
  if (!isRecord) return null;
  const record = view.part(0, RECORD_HEADER_BYTES);
  const span = (from: number, to: number) => ({
    offset: record.start + CYCLES_AT + from * 4,
    length: (to - from) * 4,
  });
  return {
    name: 'XFS log record header',
    offset: record.start,
    length: record.length,
    value: `cycle ${record.u32(4, 'big')}, block ${record.u32(20, 'big')}`,
    meaning: `${record.u32(40, 'big')} operations in ${record.u32(12, 'big')} bytes`,
    confidence: 'magic',
    evidence: 'magic 0xfeedbabe, and its cycle is that of its sequence number',
    children: () =>
      [
        ...readFields(record, layout),
        {
          name: 'h_cycle_data',
          ...span(0, CYCLES),
          value: '',
          meaning: 'what the first word of each block behind it was, before it got the cycle',
          children: () =>
            listNodes(
              CYCLES,
              (index) => ({
                name: `h_cycle_data[${index}]`,
                ...span(index, index + 1),
                value: `0x${record.hex(CYCLES_AT + index * 4, 4)}`,
                meaning: '',
              }),
              span,
              (from, to) => `h_cycle_data[${from}] to [${to}]`,
            ),
        },
      ].sort((left, right) => left.offset - right.offset),
  };
}
