/**
 * Fails what waits on a disk where no daemon can be started to do so, which is when it is
 * needed most: its disks are those of the state file, and the kernel's targets.
 */
import { findRuntimeDirectory, leftDisks } from '../client/runtime-directory';
import { BioscopeError, toErrorValue } from '../contract/errors';
import { abortTarget, findOwnTarget, withOwnTargets } from '../privileged/own-targets';
import { ownTag } from '../privileged/targets';
import { selectDisk } from './select-disk';

/**
 * The way without a daemon, whatever kept one from being reached; but where one runs `thrown`,
 * which says so, is thrown. Returns the target's tag.
 */
export async function abortWithoutDaemon(thrown: unknown, word: string): Promise<string> {
  if (toErrorValue(thrown).code === 'DAEMON_RUNNING') throw thrown;
  try {
    return await abort(word);
  } catch (failure) {
    if (failure instanceof BioscopeError) throw failure;
    const { message, errno } = toErrorValue(failure);
    const text = `What waits on ${word} could not be failed (${message}).`;
    throw new BioscopeError('DISK_FAILED', text, { errno, cause: failure });
  }
}

async function abort(word: string): Promise<string> {
  const tag = knownTag(word);
  if (tag === null) {
    return withOwnTargets(async (targets) => {
      const found = await findOwnTarget(targets, word);
      await targets.abort(found);
      return found;
    });
  }
  await abortTarget(tag);
  return tag;
}

/** Of a disk that the daemon before has written down; null: no such. */
function knownTag(word: string): string | null {
  let device: string | null;
  try {
    ({ device } = selectDisk(leftDisks(findRuntimeDirectory()), word));
  } catch (thrown) {
    if (thrown instanceof BioscopeError) return null;
    throw thrown;
  }
  return ownTag((device ?? '').replace('/dev/mapper/', ''));
}
