/**
 * The daemon's socket: newline-delimited JSON, both ways.
 *
 *   → { "id": 7, "method": "disks.attach", "params": { ... } }
 *   ← { "id": 7, "result": { ... } }      or { "id": 7, "error": ErrorValue }
 *   ← { "event": "disks", "data": ... }   after `watch`
 *
 * One row a method: a row without a handler does not compile (app/daemon/methods.ts).
 * Both ends parse what they receive with these schemas.
 */
import { z } from './schema';
import { diskSchema, diskStatisticsSchema, routeNames, routeWishes } from './disk';
import { errorSchema } from './errors';
import { machineSchema } from './machine';
import { recordingSchema, recordingWishSchema } from './recording';
import { bytesSchema, diskIdSchema, sectorSchema, sequenceSchema } from './units';

/** Version of this table; a client and a daemon of different versions refuse each other. */
export const DAEMON_PROTOCOL = 2;
/** The longest line accepted, in bytes: a 1 MiB payload as base64, and room. */
export const LONGEST_LINE = 2 * 1024 * 1024;
/** The most payload or image bytes in one answer. */
export const LONGEST_READ = 1024 * 1024;

export const daemonInfoSchema = z
  .object({
    protocol: z.number().int(),
    version: z.string(),
    pid: z.number().int(),
    /** The user the daemon runs as. */
    uid: z.number().int(),
    /** Linux release, e.g. "6.12.1". */
    kernel: z.string(),
    /** The directory with socket, state and trace files. */
    runtimeDirectory: z.string(),
    /** Share of one CPU the daemon used over the last second, 0 … number of CPUs. */
    cpu: z.number().nonnegative(),
    /** Which routes work here and, if not, why. */
    routes: z.array(
      z.object({
        name: z.enum(routeNames),
        available: z.boolean(),
        /** One plain sentence: what works, what is missing. */
        explanation: z.string(),
      }),
    ),
  })
  .readonly();
export type DaemonInfo = z.infer<typeof daemonInfoSchema>;

const nothing = z.object({});
const base64 = z.base64();

export const daemonMethods = {
  hello: { params: nothing, result: daemonInfoSchema },
  /** Start sending events on this connection; the answer is the state now. */
  watch: { params: nothing, result: z.object({ disks: z.array(diskSchema) }) },
  'disks.list': { params: nothing, result: z.object({ disks: z.array(diskSchema) }) },
  'disks.attach': {
    params: z.object({
      /** Absolute path of a regular file or a block device. */
      path: z.string().min(1).max(4095),
      readOnly: z.boolean(),
      route: z.enum(routeWishes).default('auto'),
    }),
    result: diskSchema,
  },
  /**
   * Flush and detach. DISK_BUSY names the holders; nothing has changed then.
   * `deferred`: a disk in use goes when its last user lets go, and the answer does
   * not wait for that (dm-user alone; others refuse with ROUTE_UNAVAILABLE).
   */
  'disks.detach': {
    params: z.object({ disk: diskIdSchema, deferred: z.boolean().default(false) }),
    result: nothing,
  },
  /** Give the device the size that its image has now (dm-user alone). Shrinking under users is DISK_BUSY. */
  'disks.resize': { params: z.object({ disk: diskIdSchema }), result: diskSchema },
  /** Fail every request that waits for an answer with EIO (dm-user alone). */
  'disks.abort': { params: z.object({ disk: diskIdSchema }), result: nothing },
  /** Serve from an image a dm-user target that somebody made by hand, or one of this user's that no disk stands for. */
  'disks.adopt': {
    params: z.object({
      /** Name of the device-mapper target, e.g. "disk" of /dev/mapper/disk. */
      target: z.string().min(1).max(127),
      /** Absolute path of the image, at least as large as the target. */
      path: z.string().min(1).max(4095),
      readOnly: z.boolean(),
    }),
    result: diskSchema,
  },
  /** Forget a disk that failed. */
  'disks.dismiss': { params: z.object({ disk: diskIdSchema }), result: nothing },
  /** Part of a request's payload, if it is still kept. */
  'payload.read': {
    params: z.object({
      disk: diskIdSchema,
      sequence: sequenceSchema,
      offset: z.number().int().nonnegative(),
      length: z.number().int().positive().max(LONGEST_READ),
    }),
    result: z.discriminatedUnion('kept', [
      z.object({ kept: z.literal(true), total: bytesSchema, base64 }),
      z.object({ kept: z.literal(false) }),
    ]),
  },
  /** What the image holds at this moment; past the end of the device is PAYLOAD_RANGE. */
  'image.read': {
    params: z.object({
      disk: diskIdSchema,
      sector: sectorSchema,
      length: z.number().int().positive().max(LONGEST_READ),
    }),
    result: z.object({ base64 }),
  },
  /** Which routes work here, and what is in the way of the others. */
  'machine.probe': { params: nothing, result: machineSchema },
  /**
   * For the daemon that takes over: stop serving, keep the devices, give up the
   * lock and the socket. Refused (DISK_BUSY) while a disk is on a route that
   * cannot change hands.
   */
  handOver: { params: nothing, result: nothing },
  /** Begin to record a disk's requests into a capture; answers once the file is made. */
  'recordings.start': { params: recordingWishSchema, result: recordingSchema },
  /** End a recording, with what has completed by now; answers once the file is complete. */
  'recordings.stop': { params: z.object({ recording: z.string() }), result: recordingSchema },
  /** Those that go on, and the last ones that ended. */
  'recordings.list': {
    params: nothing,
    result: z.object({ recordings: z.array(recordingSchema) }),
  },
  /** End the daemon. With disks attached it refuses (DISK_BUSY) unless `detachAll`. */
  stop: { params: z.object({ detachAll: z.boolean() }), result: nothing },
} as const;

export type DaemonMethods = typeof daemonMethods;
export type DaemonMethod = keyof DaemonMethods;
/** Params as a caller writes them: defaults may be left out. */
export type DaemonInput<Method extends DaemonMethod> = z.input<DaemonMethods[Method]['params']>;
/** Params as a handler gets them. */
export type DaemonParams<Method extends DaemonMethod> = z.infer<DaemonMethods[Method]['params']>;
export type DaemonResult<Method extends DaemonMethod> = z.infer<DaemonMethods[Method]['result']>;

export const daemonEvents = {
  /** The whole list, after every change of it. */
  disks: z.object({ disks: z.array(diskSchema) }),
  /** Counters of every attached disk, four times a second, and the daemon's CPU share. */
  statistics: z.object({
    disks: z.array(diskStatisticsSchema),
    cpu: z.number().nonnegative(),
  }),
  /** All that recordings.list tells, at every change of it. */
  recordings: z.object({ recordings: z.array(recordingSchema) }),
} as const;
export type DaemonEvents = typeof daemonEvents;
export type DaemonEvent = keyof DaemonEvents;
export type DaemonEventData<Event extends DaemonEvent> = z.infer<DaemonEvents[Event]>;

/** A line from a client. */
export const requestLineSchema = z.object({
  id: z.number().int().nonnegative(),
  method: z.string(),
  params: z.unknown(),
});

/** A line from the daemon. `id` is null when the request's own could not be read. */
export const responseLineSchema = z.union([
  z.object({ id: z.number().int().nonnegative(), result: z.unknown() }),
  z.object({ id: z.number().int().nonnegative().nullable(), error: errorSchema }),
  z.object({ event: z.string(), data: z.unknown() }),
]);
