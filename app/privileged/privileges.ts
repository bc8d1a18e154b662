/**
 * What of attaching needs root, behind one interface. Each verb is closed: it
 * names one thing to do, and checks its arguments where it is carried out.
 * Implementations: root.ts (this process is root), none.ts (explains what is
 * missing). A client of a polkit helper will be a third.
 */
import type { LoopStatus } from '../addon/addon';

export interface Privileges {
  /** True when the verbs work; false when each rejects with PRIVILEGE_MISSING. */
  readonly available: boolean;
  /** One plain sentence for the user: what works, what is missing, the way out. */
  readonly explanation: string;

  /** Opens /dev/fuse and mounts it on the empty directory; resolves to the fd. */
  mountFuse(options: {
    readonly directory: string;
    readonly ownerUid: number;
    readonly ownerGid: number;
  }): Promise<number>;
  /** Takes the mount out of the tree; it ends with its last user. */
  unmountLazily(directory: string): Promise<void>;
  /** Puts a loop device over the file; resolves to its path. */
  attachLoop(options: {
    readonly path: string;
    readonly readOnly: boolean;
    readonly label: string;
  }): Promise<string>;
  /** What a loop device is over; null when it is not configured. */
  loopStatus(device: string): Promise<LoopStatus | null>;
  /** Flushes and clears a loop device; see NativeAddon.detachLoop. */
  detachLoop(options: { readonly device: string; readonly force: boolean }): Promise<void>;
}
