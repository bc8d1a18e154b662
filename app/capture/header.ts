/** What a capture says about itself, once, at its beginning: JSON in the Arrow schema's metadata. */
import { z } from 'zod';
import { gapSchema } from '../contract/disk';
import { payloadChoices } from '../contract/recording';
import { flagWords, operationWord, resultNames, routeByNumber } from '../contract/trace';
import { bytesSchema, encodeJson, nanosecondsSchema } from '../contract/units';

/** Version of the file format; readers refuse newer ones. What changed: README.md. */
export const CAPTURE_VERSION = 1;

/** Keys of the schema's metadata. */
export const metadataKeys = {
  version: 'bioscope.version',
  capture: 'bioscope.capture',
  meanings: 'bioscope.meanings',
} as const;

/** The kernel's times have a sign, as for the records (possible.ts). */
const TIMES = 1n << 63n;
/** As many as a daemon keeps of a disk. */
const MOST_GAPS = 64;

const gapsSchema = z
  .array(gapSchema.refine(({ from, to }) => from <= to && to < TIMES))
  .max(MOST_GAPS)
  .refine((gaps) => gaps.every(({ from }, index) => from >= (gaps[index - 1]?.to ?? 0n)))
  .readonly();

export const captureHeaderSchema = z
  .object({
    /** The program that recorded it, e.g. "bioscope 0.1.0". */
    program: z.string(),
    /** What was recorded: the image's base name and path, or where it was imported from. */
    name: z.string(),
    imagePath: z.string(),
    device: z.string().nullable(),
    /** Of the device, in bytes; 0 where nobody knows. */
    size: bytesSchema,
    readOnly: z.boolean(),
    route: z.string(),
    /** Which payloads were asked for. */
    payloads: z.enum(payloadChoices),
    /** Clocks, read together: realtime = ns - epochMonotonicNs + epochRealtimeNs. */
    epochMonotonicNs: nanosecondsSchema,
    epochRealtimeNs: nanosecondsSchema,
    /** When the recording began, nanoseconds since 1970. */
    startedAt: nanosecondsSchema,
    /**
     * When nobody served the disk (CLOCK_MONOTONIC, oldest first), as far as the requests may
     * reach back. There are no later ones: with whoever serves a disk its recordings end.
     * Such as nobody can have seen are left out: the requests are readable without them.
     */
    gaps: gapsSchema.optional().catch(undefined),
  })
  .readonly();
export type CaptureHeader = z.infer<typeof captureHeaderSchema>;

/** For people who open the file with another program: what the numbers mean. */
function meanings(): string {
  const operations = Array.from({ length: 13 }, (_, code) => [code, operationWord(code).name]);
  return JSON.stringify({
    operation: Object.fromEntries(operations) as unknown,
    result: resultNames,
    route: routeByNumber,
    flags: Object.fromEntries(flagWords.map(({ bit, name }) => [bit, name])),
    marks: { 1: 'payload kept when it completed', 2: 'result injected' },
    sector: 'in units of 512 bytes',
    time: 'arrival_ns - epochMonotonicNs + epochRealtimeNs = nanoseconds since 1970',
  });
}

export function toMetadata(header: CaptureHeader): Map<string, string> {
  return new Map([
    [metadataKeys.version, String(CAPTURE_VERSION)],
    [metadataKeys.capture, encodeJson(header)],
    [metadataKeys.meanings, meanings()],
  ]);
}

/** Null when the metadata is no capture's. */
export function fromMetadata(metadata: ReadonlyMap<string, string>): CaptureHeader | null {
  const text = metadata.get(metadataKeys.capture);
  if (text === undefined) return null;
  try {
    const parsed = captureHeaderSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null; // not JSON
  }
}
