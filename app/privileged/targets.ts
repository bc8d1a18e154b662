/**
 * dm-user targets, through the privileged helper (native/wire/helper.h).
 *
 * A tag (a-z, 0-9 and, not first, "-"; at most 63 bytes) stands for a target; the
 * helper makes `bioscope-<uid>-<tag>` of it, so that a user reaches his own alone.
 * Verbs on different targets, and `abort` while another waits, run side by side.
 */

/** What the helper calls a target of this user (native/wire/helper.h). */
export const targetName = (tag: string): string => `bioscope-${process.getuid?.() ?? 0}-${tag}`;

/** The tag of a target of this user by the target's name; null for any other target. */
export function ownTag(name: string): string | null {
  const tag = /^bioscope-\d+-([a-z0-9][a-z0-9-]*)$/.exec(name)?.[1];
  return tag !== undefined && name === targetName(tag) ? tag : null;
}

export interface TargetOptions {
  readonly tag: string;
  /** Size, in units of 512 bytes. */
  readonly sectors: bigint;
  readonly readOnly: boolean;
  /** Options of our own module, which others refuse with EINVAL: those requests are then not sent. */
  readonly discards: boolean;
  readonly writeZeroes: boolean;
}

export interface TargetState {
  /** For a target that somebody made by hand, its name. */
  readonly tag: string;
  /** Path of the block device, e.g. /dev/dm-3. */
  readonly device: string;
  /** Of the table in force, else 0. */
  readonly sectors: bigint;
  readonly readOnly: boolean;
  /** How often the block device is open: mounts and programs. */
  readonly openCount: number;
  readonly suspended: boolean;
  /** True when a table is in force. */
  readonly live: boolean;
  /** The module's status after "user" (native/kmod/README.md, 2); empty where it has none. */
  readonly status: string;
}

export interface TargetVerbs {
  /** modprobe dm-user; resolves too when it is loaded already. Rejects with ENOENT where there is none. */
  loadModule(): Promise<void>;
  /** Makes the target and puts its table in force. EEXIST when there is one with this tag. */
  create(options: TargetOptions): Promise<TargetState>;
  /** Channels of the target's control device, as descriptors (close-on-exec) that are the caller's. 1 … 64. */
  openChannels(options: { readonly tag: string; readonly count: number }): Promise<number[]>;
  /** With `noFlush` waiting requests are kept for after the resume; without it this waits for them. */
  suspend(options: { readonly tag: string; readonly noFlush: boolean }): Promise<void>;
  /** Lets requests through again, and puts a reloaded table in force. */
  resume(tag: string): Promise<void>;
  /** A table for another size, in force with the next `resume`. */
  reload(options: TargetOptions): Promise<void>;
  /** Every request that waits fails with EIO; also frees a `suspend` or `remove` that waits. */
  abort(tag: string): Promise<void>;
  /** Null when there is none. */
  status(tag: string): Promise<TargetState | null>;
  /** EBUSY while it is open; with `deferred` it then goes at its last close. */
  remove(options: { readonly tag: string; readonly deferred: boolean }): Promise<void>;
  /** Every target of this user, also those of daemons that have died. */
  list(): Promise<readonly TargetState[]>;
  /** dm-user targets made by hand; needs an authorisation of its own. */
  listForeign(): Promise<readonly TargetState[]>;
  openForeign(options: { readonly name: string; readonly count: number }): Promise<number[]>;
  /** Ends the helpers behind these verbs. The next verb starts one again, and may ask. */
  close(): void;
}
