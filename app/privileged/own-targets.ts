/**
 * This user's dm-user targets where no daemon can be started to see to them: as the daemon
 * would, by the helper, and only then with the native addon in this process.
 */
import { basename } from 'node:path';
import { loadAddon } from '../addon/load';
import { BioscopeError } from '../contract/errors';
import { choosePrivileges } from './choose';
import { targetName, type TargetVerbs } from './targets';

/** Of this user's target with this tag. Rejects with PRIVILEGE_MISSING, or as TargetVerbs do. */
export function abortTarget(tag: string): Promise<void> {
  return withOwnTargets((targets) => targets.abort(tag));
}

/** Calls `work` with the verbs, whose helpers end with it. Rejects with PRIVILEGE_MISSING where there are none. */
export async function withOwnTargets<Result>(
  work: (targets: TargetVerbs) => Promise<Result>,
): Promise<Result> {
  const { targets, explanation } = choosePrivileges(loadAddon());
  if (targets === null) {
    throw new BioscopeError(
      'PRIVILEGE_MISSING',
      `What waits on a dm-user target is failed by root, or by Bioscope’s helper. ${explanation}`,
      { errno: 'EPERM' },
    );
  }
  try {
    return await work(targets);
  } finally {
    targets.close();
  }
}

/**
 * The tag of the target of this user that `word` means: a name, a path in /dev/mapper, a
 * device (/dev/dm-3) or a tag. Asks the kernel what there is. Rejects with DISK_UNKNOWN.
 */
export async function findOwnTarget(targets: TargetVerbs, word: string): Promise<string> {
  const all = await targets.list();
  const found = all.find(
    ({ tag, device }) => [device, tag].includes(word) || basename(word) === targetName(tag),
  );
  if (found) return found.tag;
  const names = all.map(({ tag }) => targetName(tag)).join(', ');
  const those = names === '' ? 'This user has none.' : `This user has ${names}.`;
  throw new BioscopeError('DISK_UNKNOWN', `${word} is no dm-user target. ${those}`);
}
