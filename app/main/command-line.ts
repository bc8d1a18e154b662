/** What the window was started with: images to attach, and how. */
import { resolve } from 'node:path';
import { z } from 'zod';

export interface Wishes {
  /** Absolute paths. */
  readonly images: readonly string[];
  readonly readOnly: boolean;
}

/**
 * Reads an argument vector. Images are relative to `directory`. Chromium's own
 * switches (--no-sandbox, --remote-debugging-port=…) may be among the words
 * anywhere before `--` and are passed over. With `hasAppPath` (run by a plain
 * Electron) the first word that is no switch is the application itself.
 */
export function parseWishes(
  argv: readonly string[],
  directory: string,
  hasAppPath: boolean,
): Wishes {
  const images: string[] = [];
  let readOnly = false;
  let onlyImages = false;
  let appPathDue = hasAppPath;
  for (const word of argv.slice(1)) {
    if (!onlyImages && word === '--') onlyImages = true;
    else if (!onlyImages && word === '--read-only') readOnly = true;
    else if (!onlyImages && word.startsWith('-')) continue;
    else if (appPathDue) appPathDue = false;
    else images.push(resolve(directory, word));
  }
  return { images, readOnly };
}

const wishesSchema = z.object({ images: z.array(z.string()), readOnly: z.boolean() });

/** Wishes that a second start handed over; none when they cannot be read. */
export function receivedWishes(data: unknown): Wishes {
  const parsed = wishesSchema.safeParse(data);
  return parsed.success ? parsed.data : { images: [], readOnly: false };
}
