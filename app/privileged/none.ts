/** No privileges: an ordinary user. Every verb explains what is missing. */
import { BioscopeError } from '../contract/errors';
import type { Privileges } from './privileges';

const explanation =
  'A block device needs root: as an ordinary user you get a file that is served and traced the same way, but no /dev entry. Run Bioscope as root for a block device.';

function missing(): Promise<never> {
  return Promise.reject(new BioscopeError('PRIVILEGE_MISSING', explanation, { errno: 'EPERM' }));
}

export function noPrivileges(): Privileges {
  return {
    available: false,
    explanation,
    targets: null,
    mountFuse: missing,
    unmountLazily: missing,
    attachLoop: missing,
    loopStatus: missing,
    detachLoop: missing,
  };
}
