/** No privileges: an ordinary user. Every verb explains what is missing. */
import { BioscopeError } from '../contract/errors';
import type { Privileges } from './privileges';

const instead =
  'A block device needs root: as an ordinary user you get a file that is served and traced the same way, but no /dev entry.';

/** `wayOut`: a sentence or two on what is missing and how to get it. */
export function noPrivileges(wayOut = 'Run Bioscope as root for a block device.'): Privileges {
  const explanation = `${instead} ${wayOut}`;
  const missing = (): Promise<never> =>
    Promise.reject(new BioscopeError('PRIVILEGE_MISSING', explanation, { errno: 'EPERM' }));
  return {
    available: false,
    mayAsk: false,
    explanation,
    wayOut,
    targets: null,
    mountFuse: missing,
    unmountLazily: missing,
    attachLoop: missing,
    loopStatus: missing,
    detachLoop: missing,
  };
}
