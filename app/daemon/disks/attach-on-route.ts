/** Puts an image on the best route that works: one after another is tried. */
import type { RouteWish } from '../../contract/disk';
import { toErrorValue } from '../../contract/errors';
import type { Image } from '../images/inspect-image';
import { dmUserObstacle } from '../machine/dm-user-module';
import { isRoutesFault, routeCandidates } from '../routes/choose-route';
import { tagOf } from '../routes/dm-user-route';
import { attachDisk, type Attached } from './attach-disk';
import type { DiskEntry } from './disk-entry';
import type { DiskTableOptions } from './disk-table';
import { engineOptions } from './trace-options';

/**
 * Why a better route failed becomes a note, and why none was tried the `reason`. `save`
 * is called before each try: what the next daemon must know if this one dies on the way.
 * Throws BioscopeError; nothing is left behind then.
 */
export async function attachOnRoute(
  entry: DiskEntry,
  image: Image,
  wish: RouteWish,
  options: DiskTableOptions,
  save: () => void,
): Promise<Attached & { readonly reason: string | null }> {
  const { addon, privileges, trace, log, obstacle = dmUserObstacle } = options;
  const { channels } = trace;
  const candidates = [...routeCandidates(wish, { privileges, channels, obstacle, log })];
  const failures: string[] = [];
  for (;;) {
    const candidate = candidates.shift();
    if (!candidate) throw new Error('an attach without a route');
    const { route, reason } = candidate;
    const { mountDirectory, label } = entry;
    const { number, tracePath } = entry.disk;
    const isTarget = route.name === 'dm-user';
    entry.target = isTarget ? { tag: tagOf(label), foreign: false } : null;
    entry.disk = { ...entry.disk, route: route.name };
    save();
    const request = { image, number, tracePath, mountDirectory, label };
    try {
      const attached = await attachDisk(
        { ...request, options: engineOptions(trace, route.name) },
        addon,
        route,
        log,
      );
      return { ...attached, notes: [...failures, ...attached.notes], reason };
    } catch (thrown) {
      if (candidates.length === 0 || !isRoutesFault(thrown, route, privileges)) throw thrown;
      const { message } = toErrorValue(thrown);
      log(`${route.name} failed, the next route is tried: ${message}`);
      failures.push(`The ${route.name} route was tried first and failed: ${message}`);
    }
  }
}
