/**
 * What of attaching needs root, behind one interface. Each verb is closed: it
 * names one thing to do, and checks its arguments where it is carried out.
 * Implementations: root.ts (this process is root), polkit.ts (an ordinary user
 * with the helper), none.ts (explains what is missing).
 *
 * Verbs reject with a BioscopeError PRIVILEGE_MISSING when nobody allowed them,
 * which says why and what to do, and otherwise with an Error as the addon's: its
 * `code` is the errno's name, `syscall` the step that failed.
 */
import type { NativeAddon } from '../addon/addon';
import type { TargetVerbs } from './targets';

/** The verbs, documented where native/helper meets TypeScript: app/addon/addon.ts. */
export type PrivilegedVerbs = Pick<
  NativeAddon,
  'mountFuse' | 'unmountLazily' | 'attachLoop' | 'loopStatus' | 'detachLoop'
>;

export interface Privileges extends PrivilegedVerbs {
  /**
   * True when the verbs can be tried; false when each rejects with
   * PRIVILEGE_MISSING. As an ordinary user a password may be asked for first.
   */
  readonly available: boolean;
  /** True when a verb may have to wait until somebody has answered a question for a password. */
  readonly mayAsk: boolean;
  /** One plain sentence for the user: what works, what is missing, the way out. */
  readonly explanation: string;
  /** How to get a block device where there is none, in a sentence or two. */
  readonly wayOut: string;
  /** dm-user targets; null where there is no helper for them. */
  readonly targets: TargetVerbs | null;
}
