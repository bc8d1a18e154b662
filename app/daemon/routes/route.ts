/**
 * A route: how block requests reach the engine. Attaching gives the system
 * something to send requests to; detaching takes it away again, and the engine's
 * threads then end by themselves.
 */
import type { NativeDisk } from '../../addon/addon';
import type { RouteName } from '../../contract/disk';
import type { Holder } from '../../contract/errors';

export interface RouteRequest {
  readonly native: NativeDisk;
  /** Name of the FUSE file: the image's. */
  readonly fileName: string;
  readonly readOnly: boolean;
  /** A directory that does not exist yet, in our runtime directory. */
  readonly mountDirectory: string;
  /** Unique to this disk for ever: by it a later daemon knows its leftovers. */
  readonly label: string;
}

/** By what a later daemon finds a disk's target again. */
export interface SavedTarget {
  /** The tag of a target of ours; the name of one made by hand. */
  readonly tag: string;
  readonly foreign: boolean;
}

/** What can be done with a device-mapper target, and with no other route. */
export interface TargetControl {
  readonly saved: SavedTarget;
  /** Goes at its last close; until then it is served on. */
  removeDeferred(): Promise<void>;
  /** The device gets this size. */
  resize(sectors: bigint): Promise<void>;
  /** Every request that waits fails with EIO. */
  abort(): Promise<void>;
}

export interface AttachedRoute {
  /** The block device, or null where there is only the file. */
  readonly device: string | null;
  /** The FUSE file, or null where there is a device. */
  readonly fuseFile: string | null;
  /** What the user should know of this route. */
  readonly notes: readonly string[];
  /** Null for a route without one. */
  readonly target: TargetControl | null;
  /** Partitions of the device, as the kernel sees them now. Cheap. */
  partitions(): readonly string[];
  /** Who uses it now. */
  holders(): Promise<readonly Holder[]>;
  /**
   * Flushes it and takes it out of the system, all or nothing. Rejects with
   * errno EBUSY when somebody uses it.
   */
  detach(): Promise<void>;
  /**
   * After the route has ended by itself: clears what is left of it, at once or
   * as soon as its last user lets go. Never rejects.
   */
  abandon(): Promise<void>;
}

export interface Route {
  readonly name: RouteName;
  /** All or nothing: what a failed attach had made is undone. */
  attach(request: RouteRequest): Promise<AttachedRoute>;
}
