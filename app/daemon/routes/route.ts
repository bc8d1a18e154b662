/**
 * A route: how block requests reach the engine. Attaching gives the system
 * something to send requests to; detaching takes it away again, and the engine's
 * threads then end by themselves.
 */
import type { NativeDisk } from '../../addon/addon';
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

export interface AttachedRoute {
  /** The block device, or null where there is only the file. */
  readonly device: string | null;
  /** The FUSE file, or null where there is a device. */
  readonly fuseFile: string | null;
  /** What the user should know of this route. */
  readonly notes: readonly string[];
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
  /** All or nothing: what a failed attach had made is undone. */
  attach(request: RouteRequest): Promise<AttachedRoute>;
}
