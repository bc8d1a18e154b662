/** A capture that is open: shown as a disk that has been, read-only for ever. */
import { z } from './schema';
import { payloadChoices } from './recording';
import type { DiskId } from './units';

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

/** Other programs' formats a capture can be exported to: what they are called, and what each is for. */
export const exportFormats = {
  iolog: {
    title: "fio's iolog",
    about: "fio's iolog, version 3: fio --read_iolog does the requests again",
    ending: '',
  },
  blktrace: {
    title: 'blktrace',
    about: 'blktrace: for blkparse and btt',
    // blkparse looks for it.
    ending: '.blktrace.0',
  },
  'log-writes': {
    title: 'dm-log-writes',
    about: 'the log of dm-log-writes, for replay-log; needs payloads of writes',
    ending: '',
  },
  perfetto: {
    title: 'Perfetto',
    about: "Perfetto's JSON, for ui.perfetto.dev",
    ending: '',
  },
  csv: { title: 'CSV', about: 'comma-separated values', ending: '' },
  json: { title: 'JSON lines', about: 'one JSON object a line', ending: '' },
} as const;
export type ExportFormat = keyof typeof exportFormats;
export const exportFormatNames = Object.keys(exportFormats) as [ExportFormat, ...ExportFormat[]];
export const isExportFormat = (name: string): name is ExportFormat =>
  Object.hasOwn(exportFormats, name);

/** An export that goes on. */
export interface ExportStanding {
  readonly disk: DiskId;
  readonly format: ExportFormat;
  readonly path: string;
  /** Of the capture, the share that was read: 0 to 1. */
  readonly share: number;
}
