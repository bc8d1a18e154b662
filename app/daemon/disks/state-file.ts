/**
 * disks.json: what this daemon has made, so that the next one can clear it away
 * if this one dies. Written before anything is made, and after every change.
 */
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { z } from 'zod';
import { diskSchema } from '../../contract/disk';
import { BioscopeError, toErrorValue } from '../../contract/errors';
import { encodeJson, nanosecondsSchema } from '../../contract/units';
import type { Log } from '../log';

const stateSchema = z.object({
  version: z.literal(1),
  /** The daemon that wrote it. */
  pid: z.number().int(),
  /** The next disk's number: ids are never used twice in a runtime directory. */
  nextNumber: z.number().int().positive(),
  disks: z.array(
    z.object({
      disk: diskSchema,
      label: z.string(),
      mountDirectory: z.string(),
      /** Of the dm-user route: what the next daemon goes on with. */
      target: z.object({ tag: z.string(), foreign: z.boolean() }).nullish(),
      /** It goes with its last user. */
      isLeaving: z.boolean().optional(),
      /** Nobody serves its target since then. */
      unservedSince: nanosecondsSchema.nullish(),
      /** It has failed, and a loop device may be left of it: nobody could look yet. */
      mayHaveLoop: z.boolean().optional(),
    }),
  ),
});
export type State = z.infer<typeof stateSchema>;

/**
 * Whether the next daemon serves this disk on: its target is the kernel's, and was
 * complete. What a dead daemon was only making is cleared away instead; one that it was
 * going on with has its device already.
 */
export function goesOn({ disk, target }: State['disks'][number]): boolean {
  if (!target || (disk.state === 'attaching' && disk.device === null)) return false;
  return disk.state !== 'failed' || disk.hanging === true;
}

/** The state another daemon left; null when there is none, or none that can be read. */
export function readState(path: string, log: Log): State | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    if (toErrorValue(thrown).errno !== 'ENOENT') log(`cannot read ${path}: ${String(thrown)}`);
    return null;
  }
  try {
    return stateSchema.parse(JSON.parse(text));
  } catch (thrown) {
    log(`${path} is damaged and is not used: ${String(thrown)}`);
    return null;
  }
}

/** Replaces the file as a whole. Throws NO_SPACE or RUNTIME_DIRECTORY. */
export function writeState(path: string, state: State): void {
  const fresh = `${path}.new`;
  try {
    const file = openSync(fresh, 'w', 0o600);
    try {
      writeSync(file, encodeJson(state));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(fresh, path);
  } catch (thrown) {
    const { errno, message } = toErrorValue(thrown);
    const full = errno === 'ENOSPC' || errno === 'EDQUOT';
    throw new BioscopeError(
      full ? 'NO_SPACE' : 'RUNTIME_DIRECTORY',
      `The daemon's state cannot be written to ${path} (${message}). ` +
        (full ? 'Make room there.' : 'Set BIOSCOPE_RUNTIME_DIRECTORY to a directory of your own.'),
      { errno, cause: thrown },
    );
  }
}

export function removeState(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is not there: just what is wanted.
  }
}
