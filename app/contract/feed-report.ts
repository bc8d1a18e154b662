/** What the feed process tells main: apart from feed.ts, since the worker needs no schemas. */
import { errorSchema } from './errors';
import { z } from './schema';

/** Something a user should know of a file. */
export const feedReportSchema = z.object({
  type: z.literal('problem'),
  /** Path of the file. */
  subject: z.string(),
  /** Nothing of it can be read: it is of no use any more. */
  isUnreadable: z.boolean(),
  error: errorSchema,
});
export type FeedReport = z.infer<typeof feedReportSchema>;
