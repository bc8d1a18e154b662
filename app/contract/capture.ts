/** A capture that is open: shown as a disk that has been, read-only for ever. */
import { z } from './schema';
import { payloadChoices } from './recording';

const count = z.number().int().nonnegative();

export const captureFactsSchema = z
  .object({
    /** Absolute path of the capture; the disk's imagePath is what was recorded. */
    path: z.string(),
    /** What wrote it, e.g. "bioscope 0.1.0". */
    program: z.string(),
    /** Wall clock, milliseconds since 1970. */
    recordedAt: z.number(),
    payloads: z.enum(payloadChoices),
    records: count,
    /** Requests that could not be recorded, and payloads that came too late. */
    lost: count,
    payloadsDropped: count,
    /** Of the file. */
    bytes: count,
    /** False when the recording was interrupted or the file cut short. */
    isComplete: z.boolean(),
  })
  .readonly();
export type CaptureFacts = z.infer<typeof captureFactsSchema>;
