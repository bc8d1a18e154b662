/**
 * What of attaching needs root, behind one interface. Each verb is closed: it
 * names one thing to do, and checks its arguments where it is carried out.
 * Implementations: root.ts (this process is root), none.ts (explains what is
 * missing). A client of a polkit helper will be a third.
 */
import type { NativeAddon } from '../addon/addon';

/** The verbs, documented where native/helper meets TypeScript: app/addon/addon.ts. */
export type PrivilegedVerbs = Pick<
  NativeAddon,
  'mountFuse' | 'unmountLazily' | 'attachLoop' | 'loopStatus' | 'detachLoop'
>;

export interface Privileges extends PrivilegedVerbs {
  /** True when the verbs work; false when each rejects with PRIVILEGE_MISSING. */
  readonly available: boolean;
  /** One plain sentence for the user: what works, what is missing, the way out. */
  readonly explanation: string;
}
