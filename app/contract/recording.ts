/** Recordings of a disk into a capture: what is asked for, and how one stands. */
import { z } from './schema';
import { errorSchema } from './errors';
import { diskIdSchema } from './units';

export const payloadChoices = ['none', 'writes', 'all'] as const;
export type PayloadChoice = (typeof payloadChoices)[number];

const path = z.string().min(1).max(4095);
const count = z.number().int().nonnegative();

export const recordingWishSchema = z.object({
  disk: diskIdSchema,
  /** Absolute path of the file to make. */
  path,
  /** A regular file that is there gives way. */
  overwrite: z.boolean().default(false),
  payloads: z.enum(payloadChoices).default('none'),
  /** What of the past, as far as the trace still has it, comes first. */
  past: z
    .discriminatedUnion('kind', [
      z.object({ kind: z.literal('none') }),
      z.object({ kind: z.literal('requests'), count: z.number().int().positive() }),
      z.object({ kind: z.literal('seconds'), seconds: z.number().positive() }),
    ])
    .default({ kind: 'none' }),
  /** For how long what is to come is recorded: 0 not at all, null until it is stopped. */
  seconds: z.number().nonnegative().nullable().default(null),
  /** The recording ends with the connection that asked for it. */
  untilDisconnect: z.boolean().default(false),
});
export type RecordingWish = z.infer<typeof recordingWishSchema>;

export const recordingSchema = z
  .object({
    id: z.string(),
    disk: diskIdSchema,
    path: z.string(),
    payloads: z.enum(payloadChoices),
    /** `ended` is complete; `failed` has what was written until then. */
    state: z.enum(['recording', 'ended', 'failed']),
    /** Wall clock, milliseconds since 1970. */
    startedAt: z.number(),
    /** Null while it goes on. */
    endedAt: z.number().nullable(),
    records: count,
    /** Requests the trace overwrote before they could be recorded: the disk could not keep up. */
    lost: count,
    /** Payloads written, and those wanted that were overwritten before they could be taken. */
    payloadsKept: count,
    payloadsDropped: count,
    /** Of the file. */
    bytes: count,
    /** Why it failed. */
    error: errorSchema.nullable(),
  })
  .readonly();
export type Recording = z.infer<typeof recordingSchema>;
