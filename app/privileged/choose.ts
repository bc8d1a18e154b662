/** Which privileges this process has: root's own, the helper's by polkit, or none. */
import type { NativeAddon } from '../addon/addon';
import { findInstallation } from './installation';
import { noPrivileges } from './none';
import { polkitPrivileges } from './polkit';
import type { Privileges } from './privileges';
import { rootPrivileges } from './root';

/** Asks nobody for a password: that is done when a verb first needs it. */
export function choosePrivileges(addon: NativeAddon): Privileges {
  if (process.getuid?.() === 0) return rootPrivileges(addon);
  const { problem, explanation, remedy, pkexec, helper } = findInstallation();
  if (problem === null && pkexec !== null && helper !== null) {
    return polkitPrivileges(addon, pkexec, helper);
  }
  return noPrivileges(`${explanation} Install it: ${remedy.join(' && ')}`);
}
