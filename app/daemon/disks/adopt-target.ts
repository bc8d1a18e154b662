/** Targets that no disk stands for: made by hand, or left by a daemon whose state was lost. */
import type { Disk } from '../../contract/disk';
import { BioscopeError } from '../../contract/errors';
import { bytes } from '../../contract/units';
import { ownTag } from '../../privileged/targets';
import { quote } from '../images/image-errors';
import { inspectImage } from '../images/inspect-image';
import { openChannels, serversOf } from '../routes/dm-user-route';
import type { SavedTarget } from '../routes/route';
import { closeChannels, resumeDisk } from './resume-disk';
import type { TableAccess, TargetAccess } from './target-access';
import { failed, nameOf } from './target-words';

/** Serves a target that somebody made with dmsetup, or one of ours that nobody knows any more. */
export async function adoptTarget(
  access: TargetAccess,
  name: string,
  path: string,
  readOnly: boolean,
): Promise<Disk> {
  const { table, options } = access;
  table.refuseHandedOver();
  const tag = ownTag(name);
  const saved = { tag: tag ?? name, foreign: tag === null };
  refuseServed(table, name, saved);
  const state = await access.stateOf(saved);
  if (!state?.live) {
    throw new BioscopeError(
      'DISK_UNKNOWN',
      saved.foreign
        ? `There is no dm-user target ${quote(name)} that was made by hand. "dmsetup table --target user" lists them.`
        : `There is no target ${quote(name)} of this user with a table.`,
    );
  }
  const [server] = saved.foreign ? [] : await serversOf(saved.tag);
  if (server) {
    throw new BioscopeError(
      'DISK_BUSY',
      `${quote(name)} is served by ${server.name} (process ${server.pid ?? '?'}), with a runtime directory of its own.`,
      { errno: 'EBUSY', holders: [server] },
    );
  }
  const image = await inspectImage(path, readOnly);
  table.refuseHandedOver();
  // Again: another may have been quicker. From here to `entry.target` nobody comes between.
  refuseServed(table, name, saved);
  table.refuseAttached(image);
  const entry = table.reserve(image);
  entry.target = saved;
  const opening = openChannels(access.dmUser(), saved).then((channels) => ({
    state: Promise.resolve(state),
    isOld: false,
    channels,
  }));
  opening.catch(() => undefined); // it is heard of below
  try {
    const attached = await resumeDisk(
      { ...access.requestOf(entry, image), saved, size: state.sectors * 512n, opening },
      options.addon,
      access.dmUser(),
    );
    const size = bytes(state.sectors * 512n);
    table.served(entry, attached, { route: 'dm-user', size });
    return entry.disk;
  } catch (thrown) {
    closeChannels(await opening.catch(() => null));
    table.remove(entry);
    if (thrown instanceof BioscopeError) throw thrown;
    throw failed(`${quote(name)} could not be adopted`, thrown);
  }
}

/** Two disks on one target would write into two images. Throws DISK_BUSY. */
function refuseServed(table: TableAccess, name: string, { tag, foreign }: SavedTarget): void {
  const served = table
    .list()
    .find(
      ({ target, disk }) =>
        target?.tag === tag && target.foreign === foreign && (disk.state !== 'failed' || !foreign),
    );
  if (!served) return;
  throw new BioscopeError(
    'DISK_BUSY',
    served.disk.state === 'failed'
      ? `${quote(name)} is the target of ${nameOf(served)}: attach its image again.`
      : `${nameOf(served)} serves ${quote(name)} already.`,
  );
}
