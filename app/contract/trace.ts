/**
 * The words for what a trace record holds, and how to read one from bytes.
 * Numbers come from native/wire through wire.gen.ts.
 */
import * as wire from './wire.gen';
import { bioscopeTraceRecordOffsets as at } from './wire.gen';
import { type Bytes, type Nanoseconds, type Sector, type Sequence } from './units';

export const RECORD_BYTES = wire.BIOSCOPE_TRACE_RECORD_BYTES;

/** The family decides the colour and the simple filter. */
export type OperationFamily = 'read' | 'write' | 'flush' | 'discard' | 'zeroes' | 'zone';

export interface OperationWord {
  readonly name: string;
  readonly family: OperationFamily;
  readonly meaning: string;
}

const operationWords: Readonly<Record<number, OperationWord>> = {
  [wire.DM_USER_REQUEST_READ]: { name: 'read', family: 'read', meaning: 'read sectors' },
  [wire.DM_USER_REQUEST_WRITE]: { name: 'write', family: 'write', meaning: 'write sectors' },
  [wire.DM_USER_REQUEST_FLUSH]: {
    name: 'flush',
    family: 'flush',
    meaning: 'make everything completed so far durable',
  },
  [wire.DM_USER_REQUEST_DISCARD]: {
    name: 'discard',
    family: 'discard',
    meaning: 'the sectors are no longer needed; they read as zeroes',
  },
  [wire.DM_USER_REQUEST_SECURE_ERASE]: {
    name: 'erase',
    family: 'discard',
    meaning: 'discard, and leave nothing readable',
  },
  [wire.DM_USER_REQUEST_WRITE_SAME]: {
    name: 'write same',
    family: 'write',
    meaning: 'one block, many times',
  },
  [wire.DM_USER_REQUEST_WRITE_ZEROES]: {
    name: 'zeroes',
    family: 'zeroes',
    meaning: 'the sectors must read as zeroes',
  },
  [wire.DM_USER_REQUEST_ZONE_OPEN]: { name: 'zone open', family: 'zone', meaning: 'open a zone' },
  [wire.DM_USER_REQUEST_ZONE_CLOSE]: {
    name: 'zone close',
    family: 'zone',
    meaning: 'close a zone',
  },
  [wire.DM_USER_REQUEST_ZONE_FINISH]: {
    name: 'zone finish',
    family: 'zone',
    meaning: 'fill a zone up',
  },
  [wire.DM_USER_REQUEST_ZONE_APPEND]: {
    name: 'zone append',
    family: 'write',
    meaning: 'write at the write pointer',
  },
  [wire.DM_USER_REQUEST_ZONE_RESET]: {
    name: 'zone reset',
    family: 'zone',
    meaning: 'rewind one zone',
  },
  [wire.DM_USER_REQUEST_ZONE_RESET_ALL]: {
    name: 'reset all',
    family: 'zone',
    meaning: 'rewind all zones',
  },
};

/** The word for an operation; a number nobody knows is shown as such. */
export function operationWord(operation: number): OperationWord {
  return (
    operationWords[operation] ?? {
      name: `op ${operation}`,
      family: 'zone',
      meaning: 'an operation this version does not know',
    }
  );
}

export interface FlagWord {
  readonly bit: number;
  readonly name: string;
  readonly meaning: string;
}

/** Every flag, lowest bit first. */
export const flagWords: readonly FlagWord[] = [
  {
    bit: wire.DM_USER_FLAG_FAILFAST_DEV,
    name: 'FAILFAST_DEV',
    meaning: 'no retry on device errors',
  },
  {
    bit: wire.DM_USER_FLAG_FAILFAST_TRANSPORT,
    name: 'FAILFAST_TRANSPORT',
    meaning: 'no retry on transport errors',
  },
  {
    bit: wire.DM_USER_FLAG_FAILFAST_DRIVER,
    name: 'FAILFAST_DRIVER',
    meaning: 'no retry on driver errors',
  },
  { bit: wire.DM_USER_FLAG_SYNC, name: 'SYNC', meaning: 'somebody waits for this request' },
  { bit: wire.DM_USER_FLAG_META, name: 'META', meaning: 'file system metadata' },
  { bit: wire.DM_USER_FLAG_PRIO, name: 'PRIO', meaning: 'boosted by the I/O scheduler' },
  {
    bit: wire.DM_USER_FLAG_NOMERGE,
    name: 'NOMERGE',
    meaning: 'must not be merged with a neighbour',
  },
  { bit: wire.DM_USER_FLAG_IDLE, name: 'IDLE', meaning: 'more is expected soon: do not idle' },
  { bit: wire.DM_USER_FLAG_INTEGRITY, name: 'INTEGRITY', meaning: 'carries integrity data' },
  {
    bit: wire.DM_USER_FLAG_FUA,
    name: 'FUA',
    meaning: 'must be on stable storage before it completes',
  },
  {
    bit: wire.DM_USER_FLAG_PREFLUSH,
    name: 'PREFLUSH',
    meaning: 'flush the cache before this request',
  },
  { bit: wire.DM_USER_FLAG_RAHEAD, name: 'RAHEAD', meaning: 'read-ahead: may fail at any time' },
  { bit: wire.DM_USER_FLAG_BACKGROUND, name: 'BACKGROUND', meaning: 'background write-back' },
  { bit: wire.DM_USER_FLAG_NOWAIT, name: 'NOWAIT', meaning: 'must not block: fail instead' },
  {
    bit: wire.DM_USER_FLAG_CGROUP_PUNT,
    name: 'CGROUP_PUNT',
    meaning: 'submitted for another control group',
  },
  {
    bit: wire.DM_USER_FLAG_NOUNMAP,
    name: 'NOUNMAP',
    meaning: 'write zeroes, but keep the blocks allocated',
  },
  { bit: wire.DM_USER_FLAG_HIPRI, name: 'HIPRI', meaning: 'completion is polled for' },
  { bit: wire.DM_USER_FLAG_DRV, name: 'DRV', meaning: 'private to the driver' },
  { bit: wire.DM_USER_FLAG_SWAP, name: 'SWAP', meaning: 'swap I/O' },
];

/** The flags set in `flags`, lowest bit first. */
export function flagsOf(flags: number): readonly FlagWord[] {
  return flagWords.filter((word) => (flags & word.bit) !== 0);
}

export const resultNames: Readonly<Record<number, string>> = {
  [wire.BIOSCOPE_RESULT_OK]: 'ok',
  [wire.BIOSCOPE_RESULT_ERROR]: 'error',
  [wire.BIOSCOPE_RESULT_UNSUPPORTED]: 'unsupported',
};

export const routeByNumber: Readonly<Record<number, string>> = {
  // No route of ours: imported.
  0: 'imported',
  [wire.BIOSCOPE_ROUTE_FUSE_LOOP]: 'fuse-loop',
  [wire.BIOSCOPE_ROUTE_DM_USER]: 'dm-user',
};

/** The errnos a block request can end with, by Linux number (x86, arm: asm-generic/errno.h). */
const errnoNames: Readonly<Record<number, string>> = {
  1: 'EPERM',
  2: 'ENOENT',
  4: 'EINTR',
  5: 'EIO',
  9: 'EBADF',
  11: 'EAGAIN',
  12: 'ENOMEM',
  13: 'EACCES',
  16: 'EBUSY',
  19: 'ENODEV',
  22: 'EINVAL',
  27: 'EFBIG',
  28: 'ENOSPC',
  30: 'EROFS',
  61: 'ENODATA',
  84: 'EILSEQ',
  95: 'EOPNOTSUPP',
  110: 'ETIMEDOUT',
  121: 'EREMOTEIO',
  122: 'EDQUOT',
};
export const errnoName = (errno: number): string => errnoNames[errno] ?? `errno ${errno}`;

/** One record, decoded: for the inspector and the command line, never for the table's hot path. */
export interface TraceRecord {
  readonly sequence: Sequence;
  readonly arrival: Nanoseconds;
  readonly completion: Nanoseconds;
  readonly sector: Sector;
  readonly length: Bytes;
  readonly flags: number;
  /** Nanoseconds from arrival to the call of the backend. */
  readonly backendDelay: number;
  readonly queue: number;
  readonly depth: number;
  /** Linux errno, 0 when ok. */
  readonly error: number;
  readonly operation: number;
  readonly result: number;
  readonly route: number;
  /** BIOSCOPE_MARK_* */
  readonly marks: number;
  readonly disk: number;
}

/** True on the machines Bioscope runs on; the wire has the byte order of the machine. */
export const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Decodes the record that begins at `offset` of `view`. Throws RangeError past the end. */
export function decodeRecord(view: DataView, offset: number): TraceRecord {
  const u64 = (field: number) => view.getBigUint64(offset + field, LITTLE_ENDIAN);
  const u32 = (field: number) => view.getUint32(offset + field, LITTLE_ENDIAN);
  const u16 = (field: number) => view.getUint16(offset + field, LITTLE_ENDIAN);
  const u8 = (field: number) => view.getUint8(offset + field);
  return {
    sequence: u64(at.sequence) as Sequence,
    arrival: u64(at.arrivalNs) as Nanoseconds,
    completion: u64(at.completionNs) as Nanoseconds,
    sector: u64(at.sector) as Sector,
    length: u64(at.length) as Bytes,
    flags: u32(at.flags),
    backendDelay: u32(at.backendDelayNs),
    queue: u16(at.queue),
    depth: u16(at.depth),
    error: u16(at.error),
    operation: u8(at.operation),
    result: u8(at.result),
    route: u8(at.route),
    marks: u8(at.marks),
    disk: u32(at.disk),
  };
}
