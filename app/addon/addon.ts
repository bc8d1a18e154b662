/**
 * The typed door to the native addon (native/addon). Everything that can block
 * returns a promise and runs off the event loop. Failures reject with an Error
 * that carries `code` ("ENOSPC"), `errno` (positive), `syscall` and, where one
 * is concerned, `path`.
 */
import type { ColumnValues } from '../contract/packed-columns';
import type { HelperSockets } from './helper-socket';

/** How a disk's image is opened and its trace kept. */
export interface DiskOptions {
  /** Absolute path of a regular file or a block device. */
  readonly imagePath: string;
  readonly readOnly: boolean;
  /** Number of the disk in the trace records. */
  readonly number: number;
  /** The route that will be started, as the trace records name it. */
  readonly route: 'fuse-loop' | 'dm-user';
  /** Where the trace file is made (mode 0600); it must not exist, unless `resumeTrace`. */
  readonly tracePath: string;
  /**
   * Goes on with the trace file of an engine that is gone for certain: the records
   * stay, sequences and readers go on. It keeps the rings it has, whatever `threads` and
   * `ringCapacity` say. EBADMSG when it is no trace of this disk.
   */
  readonly resumeTrace: boolean;
  /**
   * With `resumeTrace` and the route dm-user alone: another engine serves the image still. Until `takeOver` it is not
   * locked, nothing is written to the trace, and a route that is started reads nothing.
   */
  readonly succeeds?: boolean;
  /** Engine threads, each with a ring of its own: 1 … 64; fewer where a trace gone on with has fewer rings. */
  readonly threads: number;
  /** Records a ring, a power of two; of a new trace. */
  readonly ringCapacity: number;
  /** Bytes of payload kept, over all threads; 0 keeps none. */
  readonly payloadLimit: number;
  /** False writes no records and keeps no payloads (for the benchmark). */
  readonly trace: boolean;
}

export interface DiskCounters {
  /** CLOCK_MONOTONIC, ns. */
  readonly time: bigint;
  readonly reads: bigint;
  readonly writes: bigint;
  readonly flushes: bigint;
  readonly discards: bigint;
  readonly zeroes: bigint;
  readonly readBytes: bigint;
  readonly writtenBytes: bigint;
  readonly errors: bigint;
  readonly inFlight: number;
  readonly payloadBytes: bigint;
}

/** An open image with its trace; serves requests once a route is started. */
export interface NativeDisk {
  /** Whole sectors of the image, in bytes. */
  readonly size: bigint;
  /** Bytes past the last whole sector. */
  readonly tail: bigint;
  readonly imageKind: 'file' | 'block-device';
  /** Engine threads it has. Throws EBADF once it is closed. */
  readonly threads: number;
  /** Records that its trace keeps, over all rings. Throws EBADF once it is closed. */
  readonly traceCapacity: bigint;
  /**
   * Serves the FUSE file `fileName` with native threads. `fuse` is either an fd
   * of /dev/fuse that is mounted already (it is then owned by the disk), or the
   * directory on which fusermount3 is to mount for this user. Resolves once the
   * kernel's FUSE_INIT is answered, so that the file can be opened.
   */
  startFuse(options: {
    readonly fuse: number | string;
    readonly fileName: string;
    readonly ownerUid: number;
    readonly ownerGid: number;
  }): Promise<void>;
  /**
   * Serves a dm-user target with native threads, one channel and two of the disk's
   * threads each. `channels`: descriptors of its control device, owned by the disk
   * from the call on.
   */
  startDmUser(options: { readonly channels: readonly number[] }): Promise<void>;
  /**
   * With the option `succeeds`, once the route is started and the other engine has ended:
   * serves from now on. Throws EAGAIN where somebody else has the image locked.
   */
  takeOver(): void;
  /** Whole sectors of the image as it is now, in bytes. Cheap. */
  presentSize(): bigint;
  /** Takes that size: requests beyond it fail from now on. ENODATA below one sector. */
  takePresentSize(): void;
  /** Resolves when the route's threads have ended, with why: null after a stop or an unmount. */
  ended(): Promise<string | null>;
  counters(): DiskCounters;
  /** Copies part of a kept payload; null when it is no longer kept. */
  readPayload(
    sequence: bigint,
    offset: number,
    length: number,
  ): { readonly total: bigint; readonly bytes: Uint8Array } | null;
  /** Reads the image itself, past the trace. `sector` in units of 512 bytes, `length` in bytes. */
  readImage(sector: bigint, length: number): Promise<Uint8Array>;
  /** fdatasync of the image. */
  flush(): Promise<void>;
  /** Ends the threads (the FUSE connection is aborted if still there), marks the trace closed, closes the image. */
  close(): Promise<void>;
  /**
   * Like close, for another engine to go on: requests that have wholly arrived are
   * answered, the rest stays with the kernel, and the trace is not marked closed.
   */
  handOver(): Promise<void>;
}

/** Reads a trace file, with a cursor a ring. */
export interface NativeTraceReader {
  readonly diskNumber: number;
  readonly ringCount: number;
  /** Records a ring. */
  readonly ringCapacity: bigint;
  readonly epochMonotonicNs: bigint;
  readonly epochRealtimeNs: bigint;
  readonly daemonPid: number;
  /** True once the engine has written its last record. */
  readonly closed: boolean;
  /**
   * Fills `target` with whole records from all rings, ascending by sequence
   * within this call. Never blocks. `lost` counts what the rings overwrote
   * before this reader came by, since the last call.
   */
  read(target: ArrayBuffer): { readonly count: number; readonly lost: bigint };
  close(): void;
}

/** The kept payloads of an open disk, for another thread than the one that opened it. */
export interface NativePayloads {
  /**
   * Appends the payloads that are kept of the first `count` of `records` to
   * `into`, behind its first `used` bytes, and writes for each record the
   * payload's length to `lengths` (int32), -1 where there is none. Stops before
   * the first one that does not fit any more. Never blocks.
   *
   * `count`: records dealt with; `used`: bytes of `into` used now; `gone`:
   * payloads that were kept once, but not any more.
   */
  read(
    records: ArrayBuffer,
    count: number,
    which: 'writes' | 'all',
    into: ArrayBuffer,
    used: number,
    lengths: ArrayBuffer,
  ): { readonly count: number; readonly used: number; readonly gone: number };
}

/**
 * Packs of `columns` (the values of each field of a record but the disk) the rows
 * `rows`, in that order, into `into`, as app/contract/packed-columns.ts says. Returns
 * the bytes that takes; when `into` has fewer, it holds nothing of use. RangeError
 * when a row is not there.
 */
export type PackColumns = (
  columns: readonly ColumnValues[],
  rows: Uint32Array,
  into: ArrayBuffer,
) => number;

/**
 * Packs the first `count` of `records` (as `read` of a trace gives them) like
 * PackColumns. RangeError when there are fewer.
 */
export type PackRecords = (records: ArrayBuffer, count: number, into: ArrayBuffer) => number;

export interface LoopStatus {
  /** st_dev and st_ino of the backing file. */
  readonly backingDevice: bigint;
  readonly backingInode: bigint;
  /** The label given at attach (lo_file_name, at most 63 bytes). */
  readonly label: string;
  readonly readOnly: boolean;
  readonly directIo: boolean;
}

export interface NativeAddon extends HelperSockets {
  /** BIOSCOPE_TRACE_VERSION of native/wire/trace.h it was built with. */
  readonly traceVersion: number;
  openDisk(options: DiskOptions): Promise<NativeDisk>;
  /**
   * Closes the images of the disks that were handed over. What is kept of their requests
   * stays until the process ends, for recordings to read, but for payloads that are no copies
   * but lie in the image: these are another engine's now.
   */
  letGoOfImages(): Promise<void>;
  openTrace(path: string, from: 'oldest' | 'newest'): NativeTraceReader;
  /** The payloads of the disk of this process whose trace file is at `tracePath`; ENOENT if there is none. Any thread. */
  openPayloads(tracePath: string): NativePayloads;
  /** CRC-32C of `bytes`; of what came before them as well, if that had the CRC `before` (otherwise 0). */
  crc32c(bytes: Uint8Array, before: number): number;
  /** With memory of its own: one for each caller. */
  makeColumnPacker(): PackColumns;
  makeRecordPacker(): PackRecords;
  /**
   * What of the dm-user route's promises could not be kept in this process, as the
   * errno of the first failure: serving threads as I/O flushers, memory locked.
   */
  memoryPromise(): { readonly ioFlusher: string | null; readonly locked: string | null };
  /** Locks code and static data into memory, once; starting the dm-user route does it too. */
  lockCode(): Promise<void>;
  /**
   * An exclusive lock on `path` (created 0600) for the life of the process or
   * until `unlockFile`; returns null when another process has it.
   */
  lockFile(path: string): number | null;
  unlockFile(lock: number): void;

  // What needs root: native/helper, in this process (app/privileged/root.ts).
  /** Opens /dev/fuse and mounts it on `directory`; returns the fd. */
  mountFuse(options: {
    readonly directory: string;
    readonly ownerUid: number;
    readonly ownerGid: number;
  }): Promise<number>;
  /** umount2(MNT_DETACH | UMOUNT_NOFOLLOW). */
  unmountLazily(directory: string): Promise<void>;
  /** Puts a loop device over `path` (direct I/O, partitions scanned); resolves to e.g. "/dev/loop3". */
  attachLoop(options: {
    readonly path: string;
    readonly readOnly: boolean;
    readonly label: string;
  }): Promise<string>;
  /** Null when `device` is not configured. */
  loopStatus(device: string): Promise<LoopStatus | null>;
  /**
   * Takes the device exclusively (EBUSY when mounted or claimed), flushes it,
   * clears it and waits until it is gone. With `force` it is cleared as soon as
   * its last user lets go, and no flush is tried (its daemon is dead).
   */
  detachLoop(options: { readonly device: string; readonly force: boolean }): Promise<void>;
}
