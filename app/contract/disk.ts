/** A disk as the daemon, the window and the command line see it: plain data. */
import { z } from './schema';
import { captureFactsSchema } from './capture';
import { errorSchema, holderSchema } from './errors';
import { bytesSchema, diskIdSchema, nanosecondsSchema } from './units';

/** A time in which nobody served the disk: its daemon had died. CLOCK_MONOTONIC, as in the trace. */
export const gapSchema = z
  .object({
    /** The last sign of life of who served it before. */
    from: nanosecondsSchema,
    /** From then on requests arrive again. */
    to: nanosecondsSchema,
  })
  .readonly();
export type Gap = z.infer<typeof gapSchema>;

export const routeNames = ['fuse-loop', 'dm-user'] as const;
export type RouteName = (typeof routeNames)[number];

/** What a user may wish for; `auto` is the best that works here. */
export const routeWishes = ['auto', ...routeNames] as const;
export type RouteWish = (typeof routeWishes)[number];

export const diskSchema = z
  .object({
    id: diskIdSchema,
    /** Number in the trace records. */
    number: z.number().int().nonnegative(),
    /** Base name of the image. */
    name: z.string(),
    /** Absolute path of the image. */
    imagePath: z.string(),
    imageKind: z.enum(['file', 'block-device']),
    /** Size of the device: whole sectors. */
    size: bytesSchema,
    /** Bytes at the end of the image that fill no sector: not part of the device, never touched. */
    tail: bytesSchema,
    readOnly: z.boolean(),
    route: z.enum(routeNames),
    state: z.enum(['attaching', 'attached', 'detaching', 'failed', 'capture']),
    /** What is known of the capture that this is instead of a disk (state `capture`). */
    capture: captureFactsSchema.optional(),
    /** Why it failed, when it did. */
    failure: errorSchema.nullable(),
    /** The block device, e.g. /dev/loop0; null when there is none (see fuseFile). */
    device: z.string().nullable(),
    /** Partitions the kernel found, e.g. /dev/loop0p1. */
    partitions: z.array(z.string()).readonly(),
    /** Who holds it now: mounts, swap, processes, devices on top. */
    holders: z.array(holderSchema).readonly(),
    /** The FUSE file an ordinary user works with where no block device can be had. */
    fuseFile: z.string().nullable(),
    /** The shared-memory trace file (native/wire/trace.h). */
    tracePath: z.string(),
    /** Wall clock, milliseconds since 1970. */
    attachedAt: z.number(),
    /**
     * Requests wait in the kernel and nobody serves them: the daemon that did has
     * died and this one could not go on, or its threads have ended. `disks.abort`
     * fails them.
     */
    hanging: z.boolean().optional(),
    /** When nobody served it, oldest first: the newest such times, of those that its trace may know. */
    gaps: z.array(gapSchema).readonly().optional(),
    /** Channels that serve it, on the dm-user route. */
    channels: z.number().int().positive().optional(),
    /** Why this route and no better one; absent where it is the best, or was asked for. */
    routeReason: z.string().optional(),
    /** Plain sentences a user should know: a tail left out, powers missing. */
    notes: z.array(z.string()).readonly(),
  })
  .readonly();
export type Disk = z.infer<typeof diskSchema>;

const counter = bytesSchema;

/** Counters of one disk since it was attached; a rate is the difference of two. */
export const diskStatisticsSchema = z
  .object({
    disk: diskIdSchema,
    /** CLOCK_MONOTONIC when the counters were read. */
    time: nanosecondsSchema,
    reads: counter,
    writes: counter,
    flushes: counter,
    discards: counter,
    zeroes: counter,
    readBytes: counter,
    writtenBytes: counter,
    errors: counter,
    /** Requests in flight at this moment. */
    inFlight: z.number().int().nonnegative(),
    /** Bytes of payload kept at this moment, and the most that may be. */
    payloadBytes: counter,
    payloadLimit: counter,
    /** Records a ring holds, over all rings of the disk. */
    traceCapacity: counter,
  })
  .readonly();
export type DiskStatistics = z.infer<typeof diskStatisticsSchema>;
