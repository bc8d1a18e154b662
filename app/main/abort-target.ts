/**
 * Fails what waits on a dm-user target where no daemon can be started to do so: as the
 * daemon would, by the helper, and only then with the native addon in this process.
 */
import { loadAddon } from '../addon/load';
import { choosePrivileges } from '../privileged/choose';
import { BioscopeError } from '../contract/errors';

/** Of this user's target with this tag. Rejects with PRIVILEGE_MISSING, or as TargetVerbs do. */
export async function abortTarget(tag: string): Promise<void> {
  const { targets, explanation } = choosePrivileges(loadAddon());
  if (targets === null) {
    throw new BioscopeError(
      'PRIVILEGE_MISSING',
      `What waits on a dm-user target is failed by root, or by Bioscope’s helper. ${explanation}`,
      { errno: 'EPERM' },
    );
  }
  try {
    await targets.abort(tag);
  } finally {
    targets.close();
  }
}
