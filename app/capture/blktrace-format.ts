/** struct blk_io_trace of the kernel's linux/blktrace_api.h, as blktrace saves it. */

export const EVENT_BYTES = 48;
export const EVENT_MAGIC = 0x6561_7407;

/** Actions, the low 16 bits of `action`. */
export const blkAction = {
  queue: 1,
  backMerge: 2,
  frontMerge: 3,
  requeue: 6,
  issue: 7,
  complete: 8,
  timestamp: 1,
} as const;

/** Categories, in the high 16 bits of `action`. */
export const blkCategory = {
  read: 1 << 0,
  write: 1 << 1,
  flush: 1 << 2,
  sync: 1 << 3,
  queue: 1 << 4,
  issue: 1 << 6,
  complete: 1 << 7,
  notify: 1 << 10,
  ahead: 1 << 11,
  meta: 1 << 12,
  discard: 1 << 13,
  fua: 1 << 15,
} as const;

export const CATEGORY_SHIFT = 16;

/** Where the fields of an event are. */
export const eventAt = {
  magic: 0,
  sequence: 4,
  time: 8,
  sector: 16,
  bytes: 24,
  action: 28,
  pid: 32,
  device: 36,
  cpu: 40,
  error: 44,
  dataLength: 46,
} as const;
